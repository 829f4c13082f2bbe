"""Migrates a database again and again, and dies by SIGKILL after the n-th statement each time; run as a process of its own.

``migrating.py ADDRESS REVISION N,N,…``: to ``REVISION``, upwards or back. Loads the product once and forks for each
death. One line for each N: its exit code, negative for a signal, and then the statements that were run.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from alembic import command  # noqa: F401 - loaded once, before the forks
from sqlalchemy import Engine, event

from ostiary.adapters.sql.migrate import HEAD, downgrade, upgrade


def migrate(url: str, revision: str, dies_after: int) -> None:
    """Migrate, and kill this process when that many statements have run; 0 is never."""
    count = 0

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal count
        count += 1
        if not dies_after:
            print(" ".join(statement.split())[:60], flush=True)
        if count == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", note)
    if revision == HEAD:
        upgrade(url)
    else:
        downgrade(url, revision)


def main(url: str, revision: str, places: str) -> None:
    for place in places.split(","):
        child = os.fork()
        if child == 0:
            migrate(url, revision, int(place))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
