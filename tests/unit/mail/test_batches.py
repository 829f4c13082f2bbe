"""Many whole messages at once: what is kept, what stands in for the rest, and when nothing more is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ostiary.core.kernel.errors import (
    AccessBlocked,
    NotFound,
    OstiaryError,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.mail.batches import MessageBatch
from ostiary.core.mail.errors import BatchFull
from ostiary.core.mail.model import Importance, Message

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
MESSAGE = Message(
    "m1", "f1", None, None, "Figures", None, (), AT, AT, False, False, False, Importance.NORMAL, (), "", "1"
)
GONE = NotFound("There is no such object in this mailbox.")
SLOW = Throttled("Microsoft asked us to slow down.", retry_after_seconds=30)
AWAY = TemporarilyUnavailable("Microsoft isn’t answering properly.")


def of(characters: int) -> Message:
    return replace(MESSAGE, text="x" * characters)


def test_what_has_no_room_is_told_and_a_shorter_one_after_it_still_fits() -> None:
    batch = MessageBatch(4, most_characters=100)
    for position, size in enumerate((60, 50, 40)):
        batch.note(position, of(size))

    assert batch.is_over
    outcomes = batch.outcomes()

    assert [type(each) for each in outcomes] == [Message, BatchFull, Message, BatchFull]


def test_the_first_message_is_given_however_long() -> None:
    batch = MessageBatch(2, most_characters=100)
    batch.note(0, GONE)
    batch.note(1, of(5_000))

    assert [type(each) for each in batch.outcomes()] == [NotFound, Message]


def test_long_headers_take_room_too() -> None:
    batch = MessageBatch(2, most_characters=100)
    batch.note(0, replace(MESSAGE, headers={"Received": ("x" * 60, "x" * 60)}))

    assert batch.is_over


@pytest.mark.parametrize("error", [SLOW, AWAY])
def test_what_was_read_before_microsoft_went_away_is_kept(error: OstiaryError) -> None:
    batch = MessageBatch(3)
    batch.note(0, of(5))
    assert not batch.is_over
    batch.note(1, error)

    assert batch.is_over
    assert batch.outcomes() == (of(5), error, error)


@pytest.mark.parametrize("error", [SLOW, AWAY])
def test_when_nothing_was_read_the_whole_call_fails(error: OstiaryError) -> None:
    batch = MessageBatch(2)
    batch.note(0, GONE)
    batch.note(1, error)

    with pytest.raises(type(error)):
        batch.outcomes()


@pytest.mark.parametrize(
    "error",
    [
        ReauthorizationRequired("Microsoft refused the saved sign-in.", reason="sign_in_needed"),
        AccessBlocked("EWS is blocked for this app or mailbox.", reason="ews_off"),
    ],
)
def test_a_mailbox_that_cannot_be_read_fails_the_call_whatever_came_first(error: OstiaryError) -> None:
    batch = MessageBatch(3)
    batch.note(0, of(5))
    batch.note(1, AWAY)
    batch.note(2, error)

    with pytest.raises(type(error)):
        batch.outcomes()
