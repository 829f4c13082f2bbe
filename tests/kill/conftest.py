"""Kill tests: a few kills in every run, many by `make test-kill`."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kill: kills as often as KILLS says; run by `make test-kill`")
