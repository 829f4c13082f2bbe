"""What happened, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ChangeType = Literal[
    "message.created",
    "message.updated",
    "message.moved",
    "message.deleted",
    "event.created",
    "event.updated",
    "event.deleted",
    "connection.connected",
    "connection.needs_sign_in",
    "connection.waiting_for_approval",
    "connection.failing",
    "connection.paused",
    "connection.disconnected",
    "connection.synced",
    "consent.verified",
    "consent.partial",
    "consent.withdrawn",
]
ChangeValue = str | int | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that happened, once."""

    id: str
    """Stable: every copy of this event has it, here and in webhooks."""
    sequence: int
    """Place in its feed: from 1, without a gap."""
    type: ChangeType
    organization_id: str
    connection_id: str | None
    occurred_at: datetime
    data: Mapping[str, ChangeValue]
    """Ids, versions, times and states, by type. Never content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Changes in order, oldest first."""

    items: tuple[Change, ...]
    next_cursor: str
    """Gets what follows, whenever it happens."""
    has_more: bool
    """More can be had at once, without waiting."""
