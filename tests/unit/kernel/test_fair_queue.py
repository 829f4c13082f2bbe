"""Whoever brings much waits for it, and nobody else does."""

from __future__ import annotations

import pytest

from ostiary.core.kernel.fair_queue import FairQueue, QueueFull


def filled(*things: str, most_of_one: int = 100) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue(most_of_one=most_of_one)
    for thing in things:
        queue.put(thing[0], thing)
    return queue


def test_one_of_each_owner_is_taken_in_turn() -> None:
    queue = filled("a1", "a2", "a3", "a4", "b1", "c1", "c2")
    assert queue.take(4) == ["a1", "b1", "c1", "a2"]
    # The turns go on where they ended: a's was the last one.
    assert queue.take(10) == ["c2", "a3", "a4"]
    assert not queue


def test_who_comes_during_a_flood_is_next_after_one_of_the_flood() -> None:
    queue = filled(*(f"a{number}" for number in range(50)))
    assert len(queue.take(10)) == 10
    queue.put("b", "b1")
    assert queue.take(2) == ["a10", "b1"]


def test_a_full_line_of_one_owner_leaves_the_others_room() -> None:
    queue = filled("a1", "a2", most_of_one=2)
    with pytest.raises(QueueFull):
        queue.put("a", "a3")
    queue.put("b", "b1")
    assert queue.take(2) == ["a1", "b1"]
    queue.put("a", "a3")
    assert queue.take(5) == ["a2", "a3"]
