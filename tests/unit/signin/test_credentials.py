"""How long the app can still prove who it is (SR-9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ostiary.core.signin.credentials import CredentialFact, newest

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def certificate(left: timedelta, *, is_previous: bool = False) -> CredentialFact:
    return CredentialFact("main", "certificate", is_previous, NOW + left, "ab12")


@pytest.mark.parametrize(
    ("left", "days", "alarm"),
    [
        (timedelta(days=61), 61, None),
        (timedelta(days=60, hours=23), 60, 60),
        (timedelta(days=60), 60, 60),
        (timedelta(days=31), 31, 60),
        (timedelta(days=30), 30, 30),
        (timedelta(days=14), 14, 14),
        (timedelta(days=8), 8, 14),
        (timedelta(days=7), 7, 7),
        (timedelta(hours=1), 0, 7),
        (timedelta(0), 0, 7),
        (timedelta(seconds=-1), -1, 0),
        (timedelta(days=-3), -3, 0),
    ],
)
def test_the_alarm_grows_louder_in_steps(left: timedelta, days: int, alarm: int | None) -> None:
    fact = certificate(left)
    assert fact.days_left(NOW) == days
    assert fact.alarm(NOW) == alarm


def test_of_a_secret_nobody_here_knows_the_end() -> None:
    secret = CredentialFact("main", "secret", False, None)
    assert secret.days_left(NOW) is None
    assert secret.alarm(NOW) is None


def test_what_is_being_replaced_is_not_watched() -> None:
    old, new = certificate(timedelta(days=1), is_previous=True), certificate(timedelta(days=300))
    assert newest([old, new]) == (new,)
