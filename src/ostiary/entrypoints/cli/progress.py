"""How far long work has come, on standard error: a bar at a terminal, else one plain line per ten per cent (UX §16)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

Advance = Callable[[int], None]
"""Takes how much has been done in all."""

_STEP_PERCENT: Final = 10


@contextmanager
def progress(label: str, total: int | None, *, quiet: bool = False) -> Generator[Advance]:
    """Show the progress of one piece of work; the block calls what it gets with the amount done so far.

    Args:
        total: None where the end is not known: then nothing is shown but at a terminal.
        quiet: Show nothing, such as with ``--json``.
    """
    if quiet:
        yield lambda done: None
    elif sys.stderr.isatty():
        with _bar(label, total) as advance:
            yield advance
    else:
        yield _lines(label, total)


@contextmanager
def _bar(label: str, total: int | None) -> Generator[Advance]:
    # Only now: it takes a while to load, and pipes never need it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description} {task.completed}/{task.total}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.update(task, completed=done)


def _lines(label: str, total: int | None) -> Advance:
    reached = 0

    def advance(done: int) -> None:
        nonlocal reached
        percent = 100 * done // total if total else 0
        if percent >= reached + _STEP_PERCENT:
            reached = percent - percent % _STEP_PERCENT
            print(f"{label} {done}/{total} {percent}%", file=sys.stderr)

    return advance
