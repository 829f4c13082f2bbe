"""Counting calls in a sliding window."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.governor.budget import Window

LENGTH = 600.0
MOST = 100


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 900), st.integers(0, 150)),  # seconds that pass, calls wanted
        max_size=40,
    )
)
def test_no_sliding_window_holds_more_than_the_limit_as_the_two_numbers_tell_it(
    steps: list[tuple[float, int]],
) -> None:
    window = Window(0, 0, 0.0)
    for seconds, wanted in steps:
        window = replace(window, age_seconds=window.age_seconds + seconds).at(LENGTH)
        given_calls, window = window.take(wanted, most=MOST, length_seconds=LENGTH)
        assert 0 <= given_calls <= wanted
        assert window.spent(LENGTH) <= MOST
        assert window.used <= MOST


@given(used=st.integers(0, 100), before=st.integers(0, 100), age=st.floats(0, 599))
def test_a_call_fits_when_it_is_said_to_and_not_much_earlier(used: int, before: int, age: float) -> None:
    window = Window(used, before, age)
    seconds = window.free_in(most=MOST, length_seconds=LENGTH)
    then = replace(window, age_seconds=age + seconds + 0.001).at(LENGTH)
    assert then.take(1, most=MOST, length_seconds=LENGTH)[0] == 1
    if seconds > 1:
        earlier = replace(window, age_seconds=age + seconds - 1).at(LENGTH)
        assert earlier.take(1, most=MOST, length_seconds=LENGTH)[0] == 0


def test_a_burst_at_the_edge_of_two_windows_does_not_count_anew() -> None:
    window = replace(Window(MOST, 0, 599.0), age_seconds=601.0).at(LENGTH)
    given_calls, _ = window.take(MOST, most=MOST, length_seconds=LENGTH)
    assert given_calls == 0
