"""The doctor compares clocks (SR-105)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ostiary.entrypoints.cli.doctor import _clock


@pytest.mark.parametrize("seconds", [-40, 40])
def test_more_than_thirty_seconds_from_microsofts_clock_is_an_alarm(seconds: int) -> None:
    now = datetime.now(UTC)
    finding = _clock([now, now + timedelta(seconds=seconds)])
    assert not finding.ok
    assert "NTP" in finding.advice


def test_a_few_seconds_are_none() -> None:
    finding = _clock([datetime.now(UTC) - timedelta(seconds=5)])
    assert finding.ok
    assert finding.advice == ""
