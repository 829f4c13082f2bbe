"""The written references on Microsoft's behaviour, where they are at hand: beside the repository, or in a folder named.

They are the longest lists of errors we have; what our tables know is held against them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_BESIDE: Final = Path(__file__).resolve().parents[4] / "shared" / "reference"


@dataclass(frozen=True)
class NumberRow:
    """One line of the table of AADSTS numbers."""

    number: int
    error: str
    suberror: str
    fixer: str
    retry: str


def read_reference(name: str) -> str:
    """Return a reference's text; skips the test where there is none."""
    path = Path(os.environ.get("M365_REFERENCE", _BESIDE)) / name
    if not path.exists():
        pytest.skip("the references are not here (set M365_REFERENCE to their folder)")
    return path.read_text("utf-8")


def number_rows() -> list[NumberRow]:
    """Every number of entra-id.md §4.2, with what that table says of it."""
    section = read_reference("entra-id.md").partition("### 4.2")[2].partition("\n## ")[0]
    rows: list[NumberRow] = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 7 or not re.match(r"\d", cells[0]):
            continue
        for part in re.split(r"[/,]\s*", cells[0]):
            ends = [int(each) for each in part.replace("xxx", "000").split("-") if each.strip().isdigit()]
            numbers = range(ends[0], ends[-1] + 1) if len(ends) == 2 else ends
            rows += [NumberRow(each, cells[1], cells[2], cells[4], cells[6]) for each in numbers]
    return rows


def named_numbers() -> set[int]:
    """Every AADSTS number that any reference names in running text."""
    names = ("entra-id.md", "graph.md", "ews.md", "clients.md", "security-requirements.md")
    return {int(found) for name in names for found in re.findall(r"AADSTS(\d{4,9})", read_reference(name))}


def suberrors() -> set[str]:
    """Every ``suberror`` of entra-id.md §4.1."""
    section = read_reference("entra-id.md").partition("### 4.1")[2].partition("### 4.2")[0]
    return set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))


def graph_codes() -> list[tuple[int, str]]:
    """Each status and code of the error table of graph.md."""
    section = read_reference("graph.md").partition("## 13. Errors")[2].partition("\n## ")[0]
    found: list[tuple[int, str]] = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and re.match(r"\d{3}", cells[0]):
            codes = re.findall(r"`([A-Za-z_-]+)`", cells[1])
            found += [(int(status), code) for status in cells[0].split("/") for code in codes]
    return found


def ews_codes() -> dict[str, list[str]]:
    """Codes of ews.md's table of response codes, by what it calls their kind."""
    section = read_reference("ews.md").partition("ResponseCode")[2]
    table: dict[str, list[str]] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        codes = re.findall(r"\bError[A-Z][A-Za-z]+", cells[1]) if len(cells) == 2 else []
        if codes and line.startswith("| "):
            table.setdefault(cells[0], []).extend(codes)
    return table
