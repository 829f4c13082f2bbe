"""Shared by all emulator tests: the plain browser and the sample app."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests are imported by path, so modules they share are found only if this folder is on the path.
sys.path.insert(0, str(Path(__file__).parent))

from browsing import Browser
from m365_emulator.pytest_plugin import RunningEmulator
from sample import App


@pytest.fixture
def browser(m365_emulator: RunningEmulator) -> Iterator[Browser]:
    """A browser without JavaScript, in front of a fresh world."""
    with Browser(m365_emulator.http_url) as opened:
        yield opened


@pytest.fixture
def app(m365_emulator: RunningEmulator) -> App:
    """The sample vendor's app, as its web server would use it."""
    return App(m365_emulator.http_url)
