"""What a part of the benchmark hands over, and how it becomes Markdown."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Table:
    """One table of figures."""

    title: str
    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", f"| {' | '.join(self.columns)} |", "|---" * len(self.columns) + "|"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        if self.note:
            lines += ["", self.note]
        return "\n".join(lines)


@dataclass
class Target:
    """A promise and whether it was kept."""

    promise: str
    figure: str
    is_met: bool


@dataclass
class Part:
    """What one part found."""

    name: str
    title: str
    method: str
    """How it is measured, for whoever doubts it."""
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    remarks: str = ""
    """What the remaining cost is."""

    def markdown(self) -> str:
        blocks = [f"## {self.title}", self.method, *(table.markdown() for table in self.tables)]
        if self.remarks:
            blocks.append(self.remarks)
        blocks.append(f"Repeat it alone: `.venv/bin/python bench/{self.name}.py`")
        return "\n\n".join(blocks)

    @classmethod
    def parse(cls, text: str) -> Part:
        values = json.loads(text)
        values["tables"] = [Table(**each) for each in values["tables"]]
        values["targets"] = [Target(**each) for each in values["targets"]]
        return cls(**values)


_BEGAN = time.monotonic()


def say(words: str) -> None:
    """Tell how far it is, on standard error."""
    print(f"[{time.monotonic() - _BEGAN:6.1f} s] {words}", file=sys.stderr, flush=True)


def run(measure: Callable[[bool], Part]) -> None:
    """Run one part from the command line: ``--tiny`` for a trial in seconds, ``--json FILE`` for other programs."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--tiny", action="store_true", help="very small sizes: proves that it runs, no more")
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    options = parser.parse_args()
    part = measure(options.tiny)
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(part)))
    print(part.markdown())
    for target in part.targets:
        print(f"{'met   ' if target.is_met else 'MISSED'} {target.promise}: {target.figure}")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent do not exceed; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
