"""One call as a conversation: send, wait, send again, until there is an answer. Drivers do the sending and the waiting."""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ostiary_client.call import Answer, Call
from ostiary_client.errors import APIError, NoAnswer, OstiaryError, TemporarilyUnavailable, error_of

T = TypeVar("T")

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_OWN_PAUSE_SECONDS: Final = 20.0
_STILL_RUNNING: Final = "idempotent_call_running"
"""The first try of this call, whose answer we lost, has not ended."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is made again, where that does nothing twice.

    That is so for calls that change nothing and for those with an ``Idempotency-Key``, which this library makes where
    you give none. All others are made once.
    """

    most: int = 4
    """Calls after the first one; 0 never repeats."""
    longest_wait_seconds: float = 60.0
    """A ``Retry-After`` beyond this is left to you: the error says how long."""


@dataclass(frozen=True, slots=True)
class Send:
    """The driver sends the call and brings back the answer, or NoAnswer."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """The driver waits."""

    seconds: float


Talk = Generator[Send | Pause, Answer | NoAnswer | None, T]


def talk(call: Call[T], retries: Retries, *, chance: random.Random) -> Talk[T]:
    """Make the call and return what its answer says.

    Raises:
        OstiaryError: What is left when no further try is allowed.
    """
    return call.parse((yield from _answered(call, retries, chance)))


def _answered(call: Call[T], retries: Retries, chance: random.Random) -> Talk[Answer]:
    tries = 0
    while True:
        reply = yield Send(call)
        failure = failure_of(reply)
        if failure is None and isinstance(reply, Answer):
            return reply
        assert failure is not None  # noqa: S101 - a reply is an answer or a failure
        pause = pause_before_retry(call, failure, retries, tries=tries, chance=chance)
        if pause is None:
            raise failure
        yield Pause(pause)
        tries += 1


def failure_of(reply: Answer | NoAnswer | None) -> OstiaryError | None:
    """Return what is wrong with a reply; None when it is an answer that went well."""
    if isinstance(reply, Answer):
        return None if reply.status < 300 else error_of(reply.status, reply.headers, reply.content)
    return reply or NoAnswer("No answer came.")


def pause_before_retry(
    call: Call[Any], failure: OstiaryError, retries: Retries, *, tries: int, chance: random.Random
) -> float | None:
    """Return how many seconds to wait before the call is made again; None when it must not be."""
    passes = isinstance(failure, NoAnswer | TemporarilyUnavailable) or (
        isinstance(failure, APIError) and failure.code == _STILL_RUNNING
    )
    if not (call.is_repeatable and passes and tries < retries.most):
        return None
    own = min(FIRST_PAUSE_SECONDS * 2**tries, LONGEST_OWN_PAUSE_SECONDS)
    asked = failure.retry_after_seconds if isinstance(failure, APIError) else None
    if asked is None:
        # Full jitter: callers that failed together do not come back together.
        return own * chance.uniform(0.5, 1.0)
    if asked > retries.longest_wait_seconds:
        return None
    return asked + min(own, 1.0) * chance.random()
