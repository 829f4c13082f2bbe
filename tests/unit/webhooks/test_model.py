"""When a delivery is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.webhooks.model import MOST_ATTEMPTS, next_attempt, printable

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@given(st.lists(st.floats(0, 1), min_size=MOST_ATTEMPTS, max_size=MOST_ATTEMPTS))
def test_ten_attempts_are_spread_over_at_least_75_hours(chances: list[float]) -> None:
    at, attempts = NOW, 1
    while (again := next_attempt(attempts, now=at, asked=None, chance=chances[attempts - 1])) is not None:
        assert again > at
        at, attempts = again, attempts + 1
    assert attempts == 10
    assert at - NOW >= timedelta(hours=75)


def test_retry_after_is_obeyed_up_to_a_day() -> None:
    asked = next_attempt(1, now=NOW, asked=timedelta(hours=3), chance=0.5)
    assert asked == NOW + timedelta(hours=3)
    assert next_attempt(1, now=NOW, asked=timedelta(days=900), chance=0.5) == NOW + timedelta(days=1)
    assert next_attempt(9, now=NOW, asked=timedelta(seconds=1), chance=0.5) == NOW + timedelta(hours=36)


def test_of_an_answer_only_printable_characters_are_kept() -> None:
    assert printable("a\x00b\n\n c\x1b[31m" + "x" * 500) == "ab c[31m" + "x" * 192
