"""Acts of sending: how far each has come. Pure rules, no I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

KEPT_FOR: Final = timedelta(hours=72)
"""Longer than any Idempotency-Key is remembered, so that a late repetition still finds its act."""

GONE_MEANS_SENT_AFTER: Final = timedelta(minutes=15)
"""A draft that was about to be sent and is nowhere to be found any more was sent: nothing else takes it out of
Drafts but its owner's own hand. Before that, Microsoft may only be slow to show the sent copy (graph.md §4)."""


class SendState(StrEnum):
    """How far an act of sending has come."""

    PREPARING = "preparing"
    """A draft may exist; nothing was sent."""
    SENDING = "sending"
    """Microsoft was asked to send the draft; whether it did may be unknown."""
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class SendRecord:
    """One act of sending. Holds no content and no address."""

    id: str
    organization_id: str
    connection_id: str
    stamp: str
    state: SendState
    created_at: datetime
    changed_at: datetime
    draft_id: str | None = None
    internet_message_id: str | None = None
    deliver_at: datetime | None = None


class Delivery(StrEnum):
    """What became of a message that was given to Microsoft."""

    SENT = "sent"
    SCHEDULED = "scheduled"
    """Microsoft holds it until its time."""


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What a caller learns of a send. Sent means accepted by Microsoft, not yet delivered."""

    delivery: Delivery
    message_id: str | None
    """Of the copy in Sent Items; None where the method does not tell."""
    internet_message_id: str | None
    deliver_at: datetime | None = None


def stamp_of(*names: str) -> str:
    """Return the stamp of an act that is named by these texts: the same names, the same stamp."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:40]
