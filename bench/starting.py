"""How long the product takes to start: the command, the imports, the server until it is ready."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from report import Part, Table, run, say
from stage import product, stage, until_ready

COMMAND = str(Path(sys.executable).parent / "ostiary")


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    rounds = 1 if tiny else 3
    part = Part(
        "starting",
        "Starting",
        f"Each in a new process, {rounds} rounds in turn, files cached. *Ready* means that `/readyz` answers, on a"
        " database that is migrated already.",
    )
    taken: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        taken.setdefault(name, []).append(seconds)

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
                figures["`ostiary serve` until ready"] = time.perf_counter() - began
            if turn or tiny:
                for name, seconds in figures.items():
                    note(name, seconds)
    part.tables.append(
        Table(
            "Seconds",
            ("", "median", "fastest to slowest"),
            [
                [name, f"{statistics.median(found):.2f}", f"{min(found):.2f} to {max(found):.2f}"]
                for name, found in taken.items()
            ],
        )
    )
    return part


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _run(*command: str) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
    subprocess.run(command, check=True, capture_output=True, env=plain, timeout=60)


if __name__ == "__main__":
    run(measure)
