"""How long the product takes to start: the command, the imports, the server until it is ready."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from report import Part, Table, run, say
from stage import cpu_seconds, product, stage, until_ready

COMMAND = str(Path(sys.executable).parent / "ostiary")


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took, in seconds."""

    seconds: float
    cpu: float
    """Of the started process: says more than the clock where the machine has other things to do."""


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    rounds = 1 if tiny else 3
    part = Part(
        "starting",
        "Starting",
        f"Each in a new process, {rounds} rounds in turn, files cached. *Ready* means that `/readyz` answers, on a"
        " database that is migrated already.",
    )
    taken: dict[str, list[Start]] = {}

    with stage() as place:
        for turn in range(rounds + 1):
            say(f"starting: round {turn}")
            figures = {
                "Python alone (`python -c pass`)": _timed(lambda: _run(sys.executable, "-c", "pass")),
                "`ostiary --version`": _timed(lambda: _run(COMMAND, "--version")),
                "`ostiary --help`": _timed(lambda: _run(COMMAND, "--help")),
                "import of everything `serve` needs": _timed(
                    lambda: _run(
                        sys.executable,
                        "-c",
                        "import ostiary.entrypoints.web.server, ostiary.entrypoints.api.app",
                    )
                ),
            }
            began = time.perf_counter()
            with product(place, "serve") as process:
                asyncio.run(
                    until_ready(
                        f"{place.settings.public_url.replace('localhost', '127.0.0.1')}/readyz", process
                    )
                )
                figures["`ostiary serve` until ready"] = Start(
                    time.perf_counter() - began, cpu_seconds(process.pid)
                )
            if turn or tiny:
                for name, start in figures.items():
                    taken.setdefault(name, []).append(start)
    part.tables.append(
        Table(
            "Seconds",
            ("", "median", "fastest to slowest", "of CPU, median"),
            [_row(name, found) for name, found in taken.items()],
        )
    )
    return part


def _row(name: str, found: list[Start]) -> list[str]:
    seconds = [each.seconds for each in found]
    return [
        name,
        f"{statistics.median(seconds):.2f}",
        f"{min(seconds):.2f} to {max(seconds):.2f}",
        f"{statistics.median(each.cpu for each in found):.2f}",
    ]


def _timed(act: Callable[[], None]) -> Start:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    act()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return Start(time.perf_counter() - began, spent)


def _run(*command: str) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
    subprocess.run(command, check=True, capture_output=True, env=plain, timeout=60)


if __name__ == "__main__":
    run(measure)
