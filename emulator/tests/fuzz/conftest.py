"""Registers the mark of the long runs."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fuzz: takes as long as FUZZ_SECONDS says; run by `make fuzz-emulator`"
    )
