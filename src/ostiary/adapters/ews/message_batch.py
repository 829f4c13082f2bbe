"""Whole messages by the dozen, in as few calls as their size allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.adapters.ews.codec import mail as codec
from ostiary.adapters.ews.errors import AnswerTooLarge
from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.operations import get_item
from ostiary.adapters.ews.response_code import response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.mail.batches import MOST_MESSAGES, MessageBatch, MessageOutcome, batch_full
from ostiary.core.mail.model import BodyForm

BODY_TYPES: Final = {BodyForm.STORED: "Best", BodyForm.TEXT: "Text", BodyForm.HTML: "HTML"}
_MOST_TOO_LARGE: Final = 4
"""Answers of one batch that may be thrown away for their size before we stop asking for smaller ones."""


async def read_batch(
    session: EWSSession, mailbox: MailboxAccess, message_ids: Sequence[str], *, body_type: str
) -> tuple[MessageOutcome, ...]:
    """Return what became of each message. Nobody can know its size before, so a call too large is asked in halves.

    Source: EWS GetItem operation; one response message for each id, in order (ews.md §5).
    """
    batch = MessageBatch(len(message_ids))
    parts = _parts(message_ids, batch)
    too_large_count = 0
    while parts and not batch.is_over:
        part = parts.pop(0)
        try:
            outcomes = await _ask(session, mailbox, [message_ids[at] for at in part], body_type)
        except AnswerTooLarge as error:
            too_large_count += 1
            if len(part) == 1:
                batch.note(part[0], error)
            elif too_large_count < _MOST_TOO_LARGE:
                half = len(part) // 2
                parts[:0] = [part[:half], part[half:]]
            else:
                _note_all(batch, part, [batch_full() for _ in part])
        except OstiaryError as error:
            _note_all(batch, part, [error for _ in part])
        else:
            _note_all(batch, part, outcomes)
    return batch.outcomes()


def _parts(message_ids: Sequence[str], batch: MessageBatch) -> list[list[int]]:
    """Return positions to ask for in one call each; what cannot be an id is not asked for at all."""
    known: list[int] = []
    for position, message_id in enumerate(message_ids):
        try:
            ews_id(message_id)
        except OstiaryError as error:
            batch.note(position, error)
        else:
            known.append(position)
    return [known[start : start + MOST_MESSAGES] for start in range(0, len(known), MOST_MESSAGES)]


async def _ask(
    session: EWSSession, mailbox: MailboxAccess, message_ids: Sequence[str], body_type: str
) -> list[MessageOutcome]:
    body = get_item.request(message_ids, fields=codec.MESSAGE_FIELDS, body_type=body_type)
    response = await session.call(mailbox, get_item.OPERATION, body)
    outcomes: list[MessageOutcome] = []
    for outcome in response_messages(response, expected_count=len(message_ids)):
        try:
            if isinstance(outcome, OstiaryError):
                raise outcome
            outcomes.append(codec.message(get_item.item_of(outcome)))
        except OstiaryError as error:
            outcomes.append(error)
    return outcomes


def _note_all(batch: MessageBatch, part: Sequence[int], outcomes: Sequence[MessageOutcome]) -> None:
    for position, outcome in zip(part, outcomes, strict=True):
        batch.note(position, outcome)
