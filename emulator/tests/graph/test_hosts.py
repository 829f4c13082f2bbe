"""How receivers that answer slowly are served."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from m365_emulator.graph.subscriptions.hosts import HostHealth, HostState

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        ([0.1] * 30, HostState.GOOD),
        ([0.1] * 27 + [4] * 3, HostState.GOOD),
        ([0.1] * 26 + [4] * 4, HostState.SLOW),
        ([0.1] * 24 + [11] * 6, HostState.DROP),
        ([11] * 9, HostState.GOOD),
    ],
)
def test_share_of_slow_answers_decides(seconds: list[float], state: HostState) -> None:
    health = HostHealth()
    for took in seconds:
        health.record(NOW, took)
    assert health.state_at(NOW) is state
    assert health.state_at(NOW + timedelta(minutes=10)) is HostState.GOOD


def test_old_answers_are_forgotten() -> None:
    health = HostHealth()
    for _ in range(20):
        health.record(NOW, 11)
    later = NOW + timedelta(minutes=11)
    assert health.state_at(later) is HostState.GOOD
    health.record(later, 11)
    assert health.state_at(later) is HostState.GOOD
