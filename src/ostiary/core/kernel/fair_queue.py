"""A queue in which everybody who waits has a turn, however much one of them brings."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueFull(Exception):
    """This owner has as much waiting as is allowed; others have room."""


class FairQueue(Generic[T]):
    """Keeps things in line by their owner and gives them out one of each owner in turn.

    Whoever brings ten times as much waits ten times as long for the last of it, and nobody else does.
    """

    def __init__(self, *, most_of_one: int) -> None:
        """``most_of_one`` things of one owner may wait."""
        self._most_of_one = most_of_one
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lines)

    def put(self, owner: str, thing: T) -> None:
        """Let ``thing`` wait.

        Raises:
            QueueFull: Too much of this owner waits already.
        """
        line = self._lines.setdefault(owner, deque())
        if len(line) >= self._most_of_one:
            raise QueueFull
        line.append(thing)

    def take(self, limit: int) -> list[T]:
        """Take up to ``limit`` things: one of each owner, then a second of each. Of one owner in their order."""
        taken: list[T] = []
        while self._lines and len(taken) < limit:
            owner, line = self._lines.popitem(last=False)
            taken.append(line.popleft())
            if line:
                # To the end: its next turn comes after everybody else's.
                self._lines[owner] = line
        return taken
