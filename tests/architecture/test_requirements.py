"""docs/security.md names a real test for each security requirement, or says that it is not met."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "reference" / "security-requirements.md"
"""The requirements themselves; not everybody who has this repository has them beside it."""

IDS: Final = (*range(1, 95), *range(100, 113))
ELSEWHERE: Final = frozenset(range(95, 100))
"""Supply chain and image: promised for the release, not listed yet."""

_ROW = re.compile(r"^\| SR-(\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([^`]+)`")
_NAME = re.compile(r"(?P<path>tests/[\w/]+\.py)::(?P<test>test_\w+)(?:\[[^\]]+\])?")
_NOT_MET = "not met: "


def rows() -> list[tuple[int, str, list[str], str]]:
    """Return number, clause, named tests and what is not met, of each row."""
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    section = text.partition("\n## Requirements\n")[2].partition("\n## ")[0]
    return [
        (
            int(number),
            what,
            _TEST.findall(cell.partition(_NOT_MET)[0]),
            cell.partition(_NOT_MET)[2],
        )
        for number, what, cell in _ROW.findall(section)
    ]


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of a file's tests, without importing it."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    nodes = ast.parse(file.read_text("utf-8")).body
    return frozenset(
        node.name
        for node in nodes
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    )


def fault(name: str) -> str | None:
    """Return what is wrong with a test's name, or None."""
    match = _NAME.fullmatch(name)
    if match is None:
        return f"{name} is not written as path::test"
    if match["test"] not in names_in(match["path"]):
        return f"{name} does not exist"
    return None


def test_every_requirement_has_a_row() -> None:
    assert [number for number, *_ in rows()] == list(IDS)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the requirements are not beside the repository")
def test_no_requirement_is_forgotten() -> None:
    asked = {int(number) for number in re.findall(r"^- \*\*SR-(\d+)\*\*", REFERENCE.read_text("utf-8"), re.M)}
    assert asked - ELSEWHERE == set(IDS)


def test_every_named_test_exists() -> None:
    assert [wrong for _, _, tests, _ in rows() for name in tests if (wrong := fault(name))] == []


def test_a_row_names_tests_or_says_why_not_and_no_test_twice() -> None:
    for number, what, tests, missing in rows():
        assert what.strip(), number
        assert tests or len(missing) > 20, f"SR-{number} has neither a test nor a reason"
        assert [name for name, count in Counter(tests).items() if count > 1] == [], number


def test_a_name_that_leads_nowhere_is_noticed() -> None:
    here = "tests/architecture/test_requirements.py"
    assert fault(f"{here}::test_every_requirement_has_a_row") is None
    assert fault(f"{here}::test_every_requirement_has_a_row[one]") is None
    assert fault(f"{here}::test_nobody_wrote") is not None
    assert fault("tests/architecture/test_nowhere.py::test_every_requirement_has_a_row") is not None
    assert fault("tests/architecture") is not None
