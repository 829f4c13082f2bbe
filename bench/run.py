"""``make bench``: every part in turn, each in a process of its own; then docs/benchmarks.md is written anew."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from report import Part, say

HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parent / "docs" / "benchmarks.md"
PARTS: Final = (
    "reading_graph",
    "reading_ews",
    "initial_sync",
    "ingest",
    "latency",
    "tokens",
    "idle",
    "starting",
)
_PART_SECONDS: Final = 170
_LONGER: Final = {"reading_graph": 260, "idle": 200}
"""One of the readers takes a minute for each round; 100,000 connections are 3 GB to write."""
_ALL_SECONDS: Final = 690
"""A part that would not end before is left out, and the page says so."""
_REMARKS: Final = HERE / "remarks"
"""What people have found out about the remaining cost, one file for each part; kept when figures are written anew."""


def main() -> None:
    """Run the parts; write the page unless this is a trial or a selection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--tiny", action="store_true", help="very small sizes: proves that it runs, no more")
    parser.add_argument(
        "--results", type=Path, help="folder that keeps what was found; other parts are taken from there"
    )
    parser.add_argument("--page", type=Path, help="where the page goes; default docs/benchmarks.md")
    options = parser.parse_args()
    chosen: list[str] = options.parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    began = time.monotonic()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-") as folder:
        found, failed = _run(chosen, options.results or Path(folder), tiny=options.tiny)
    minutes = (time.monotonic() - began) / 60
    for part in found:
        for target in part.targets:
            print(f"{'met   ' if target.is_met else 'MISSED'} {target.promise}: {target.figure}")
    is_whole = chosen == list(PARTS) and not options.tiny
    page: Path | None = options.page or (PAGE if is_whole else None)
    if page is not None:
        page.write_text(_page(found, failed, minutes=minutes, load=before))
        say(f"written: {page.name}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _run(chosen: list[str], folder: Path, *, tiny: bool) -> tuple[list[Part], list[str]]:
    failed: list[str] = []
    until = time.monotonic() + _ALL_SECONDS
    folder.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        say(f"part {name}")
        file = folder / f"{name}.json"
        file.unlink(missing_ok=True)
        command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(file)]
        if tiny:
            command.append("--tiny")
        seconds = max(1.0, min(_LONGER.get(name, _PART_SECONDS), until - time.monotonic()))
        if not _ends_well(command, seconds):
            failed.append(name)
    files = [folder / f"{name}.json" for name in PARTS]
    return [Part.parse(file.read_text()) for file in files if file.exists()], failed


def _ends_well(command: list[str], seconds: float) -> bool:
    """Run a part; one that takes too long is asked to stop, so that it ends what it started."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        say("it took too long")
        return False
    if code:
        say(f"it failed with {code}")
    return code == 0


def _page(found: list[Part], failed: list[str], *, minutes: float, load: float) -> str:
    blocks = [
        "# Benchmarks",
        "Written by `make bench`, which measures everything below in one run against the emulator, each"
        " competitor beside ours in turn. Ratios travel between machines; seconds and rates do not: they hold"
        " what the emulator, PostgreSQL and both sides of every call cost on the same cores.",
        _machine(minutes, load),
        "## Targets",
        "\n".join(_targets(found)),
    ]
    if failed:
        blocks.append(f"Not measured in this run, because the part failed: {', '.join(failed)}.")
    for part in found:
        remarks = _REMARKS / f"{part.name}.md"
        if remarks.exists():
            part.remarks = remarks.read_text().strip()
        blocks.append(part.markdown())
    blocks.append(
        "## Repeat it\n\n"
        "`make bench` runs all parts and writes this page anew; the machine should have nothing else to do.\n"
        "`.venv/bin/python bench/run.py --tiny` runs all parts with sizes that prove only that they run.\n"
        "`.venv/bin/python bench/run.py tokens ingest` runs some parts and prints their targets.\n"
        "What stands under a part’s tables about its remaining cost is kept in `bench/remarks/`. Other\n"
        "measurements: `bench/http_client.py`, `bench/audit_path.py`, `bench/row_security.py`, `make bench-emulator`."
    )
    return "\n\n".join(blocks) + "\n"


def _machine(minutes: float, load: float) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ("aiohttp", "httpx", "msgraph-sdk", "O365", "exchangelib", "uvicorn", "psycopg", "SQLAlchemy")
    listed = ", ".join(f"{name} {version(name)}" for name in libraries)
    return (
        f"Last run: {datetime.now(UTC):%d %B %Y, %H:%M} UTC, {minutes:.0f} minutes, on a machine with"
        f" {os.cpu_count()} cores ({platform.machine()}) and {memory:.0f} GB, {platform.system()}, Python"
        f" {platform.python_version()}, load {load:.1f} at its beginning. {listed}."
    )


def _targets(found: list[Part]) -> list[str]:
    lines = ["| target | measured | |", "|---|---|---|"]
    for part in found:
        for target in part.targets:
            lines.append(
                f"| {target.promise} | {target.figure} | {'met' if target.is_met else '**missed**'} |"
            )
    return lines


if __name__ == "__main__":
    main()
