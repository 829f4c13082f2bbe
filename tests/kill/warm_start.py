"""Runs commands of ``ostiary``, each in a process of its own, without starting the interpreter anew each time.

Started once per test run; loads the product, then forks for each command. What is forked is the command as anybody
would start it; only what each start does alike has happened already, by far the longest part of it: imports, working
out the routes, reading the system's certificates. One JSON object a line:

- ``{"run": [arguments], "program": name, "env": {...}, "log": path}`` answers ``{"pid": number}``; the program is
  ``ostiary``, or a module of this folder with a ``main(arguments)``;
- ``{"wait": pid}`` answers ``{"code": number}`` once it has ended, negative for a signal;
- ``{"poll": pid}`` answers the same at once, with null while it runs.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any, NoReturn


def run_here(program: str, arguments: list[str], env: dict[str, str], log: str) -> NoReturn:
    """Become the command; never returns."""
    code = 70
    try:
        os.setsid()
        os.environ.clear()
        os.environ.update(env)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for number, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
            os.dup2(descriptor, number)
        sys.argv = [program, *arguments]
        if program == "ostiary":
            from ostiary.entrypoints.cli.main import main

            main()
        else:
            importlib.import_module(program).main(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(pid: int, *, options: int) -> int | None:
    done, status = os.waitpid(pid, options)
    return os.waitstatus_to_exitcode(status) if done else None


def main() -> None:
    # Everything a start would import, so that children share it.
    from fastapi import FastAPI

    import ostiary.bootstrap
    import ostiary.entrypoints.cli.main
    import ostiary.entrypoints.cli.serve
    import ostiary.entrypoints.cli.worker  # noqa: F401
    from ostiary.adapters.http_session import trusted
    from ostiary.entrypoints.web.app import every_route
    from ostiary.entrypoints.web.permissions import permission_table

    trusted()
    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    bare.router.routes.extend(every_route())
    permission_table(bare)
    answer: dict[str, Any]
    for line in sys.stdin:
        asked = json.loads(line)
        if "run" in asked:
            pid = os.fork()
            if pid == 0:
                run_here(asked["program"], asked["run"], asked["env"], asked["log"])
            answer = {"pid": pid}
        elif "wait" in asked:
            answer = {"code": ended(asked["wait"], options=0)}
        else:
            answer = {"code": ended(asked["poll"], options=os.WNOHANG)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
