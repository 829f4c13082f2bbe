"""A pytest plugin: tells coverage.py which test is running, and writes down how long each one takes.

``scripts/mutation.py`` uses both: a mutant is shown to the tests that reach its line, the quickest ones first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

_durations: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give what runs from here on the name of the test."""
    measuring = coverage.Coverage.current()
    if measuring is not None:
        measuring.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up set-up, call and tear-down."""
    _durations[report.nodeid] = _durations.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish() -> None:
    """Write the seconds of each test to the file that ``TEST_DURATIONS`` names."""
    if file := os.environ.get("TEST_DURATIONS"):
        Path(file).write_text(json.dumps(_durations), "utf-8")
