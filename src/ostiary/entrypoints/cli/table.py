"""Plain columns for terminals and pipes: no colour, no box, nothing to strip."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.entrypoints.cli.plain_text import one_line


def table_lines(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a heading and one line per row, in aligned columns; names come from strangers, so signs are tamed."""
    lines = [list(headers), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write the table to standard output."""
    for line in table_lines(headers, rows):
        print(line)
