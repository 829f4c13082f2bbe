"""Events of the feed, their ids, and the cursors that readers hold. Pure, no I/O."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from ostiary.core.feed.errors import FeedCursorExpired
from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest

KEPT_FOR: Final = timedelta(days=30)
"""How long an event can be read; a reader that was away for longer has to read its mailboxes anew."""

MOST_IN_PAGE: Final = 500
LONGEST_WAIT_SECONDS: Final = 30
"""Proxies cut silent requests off after a minute or less."""

FeedValue: TypeAlias = str | int | bool | Sequence[str] | None
"""What an event may hold: ids, versions, times and states; never a subject, an address or a body (SR-77)."""


class FeedEventType(StrEnum):
    """What can happen. The words are a contract with every reader."""

    MESSAGE_CREATED = "message.created"
    MESSAGE_UPDATED = "message.updated"
    MESSAGE_MOVED = "message.moved"
    MESSAGE_DELETED = "message.deleted"
    EVENT_CREATED = "event.created"
    EVENT_UPDATED = "event.updated"
    EVENT_DELETED = "event.deleted"

    CONNECTION_CONNECTED = "connection.connected"
    CONNECTION_NEEDS_SIGN_IN = "connection.needs_sign_in"
    CONNECTION_WAITING_FOR_APPROVAL = "connection.waiting_for_approval"
    CONNECTION_FAILING = "connection.failing"
    CONNECTION_PAUSED = "connection.paused"
    CONNECTION_DISCONNECTED = "connection.disconnected"
    CONNECTION_SYNCED = "connection.synced"
    """The first reading of the mailbox is done: from here on the feed tells of every change."""

    CONSENT_VERIFIED = "consent.verified"
    CONSENT_PARTIAL = "consent.partial"
    CONSENT_WITHDRAWN = "consent.withdrawn"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One thing that happened, once. Every copy that leaves the house has the same id (RR-2)."""

    id: str
    stream_id: str
    """Of the connection, or of the organization for what concerns a whole customer."""
    organization_id: str
    connection_id: str | None
    type: FeedEventType
    occurred_at: datetime
    """As Microsoft or we know it; the order of the feed is ``sequence``, not this."""
    data: Mapping[str, FeedValue] = field(default_factory=dict[str, FeedValue])
    sequence: int = 0
    """Place in its stream, from 1 without a gap; 0 until it was appended."""


def connection_event(
    *,
    connection_id: str,
    organization_id: str,
    kind: FeedEventType,
    subject: str,
    version: str,
    occurred_at: datetime,
    data: Mapping[str, FeedValue],
) -> FeedEvent:
    """Return an event of a connection's stream.

    Args:
        subject: Id of what changed: a message, a calendar event, or the connection itself.
        version: Of the subject after the change. The same subject, version and type is the same event, however
            often it is noticed.
    """
    return FeedEvent(
        id=event_id(connection_id, subject, version, kind),
        stream_id=connection_id,
        organization_id=organization_id,
        connection_id=connection_id,
        type=kind,
        occurred_at=occurred_at,
        data=data,
    )


def organization_event(
    *,
    organization_id: str,
    kind: FeedEventType,
    subject: str,
    version: str,
    occurred_at: datetime,
    data: Mapping[str, FeedValue],
) -> FeedEvent:
    """Return an event of a customer's own stream; see :func:`connection_event`."""
    return FeedEvent(
        id=event_id(organization_id, subject, version, kind),
        stream_id=organization_id,
        organization_id=organization_id,
        connection_id=None,
        type=kind,
        occurred_at=occurred_at,
        data=data,
    )


def event_id(stream_id: str, subject: str, version: str, kind: FeedEventType) -> str:
    """Return the stable id of a change: equal for equal changes, 130 bits of SHA-256."""
    digest = hashlib.sha256("\x1f".join((stream_id, subject, version, kind.value)).encode()).digest()
    return f"evt_{base64.b32encode(digest).decode('ascii')[:26].lower()}"


@dataclass(frozen=True, slots=True)
class StreamHead:
    """How far a stream has come and what is left of its beginning."""

    last: int = 0
    """Sequence of the newest event; 0 for a stream without any."""
    trimmed: int = 0
    """Events up to this sequence are gone."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some events in order, and the cursor that gets what follows. There is always a cursor."""

    events: tuple[FeedEvent, ...]
    cursor: str
    has_more: bool
    """More can be read at once, without waiting."""


def feed_cursor(stream_id: str, sequence: int) -> str:
    """Return the cursor after ``sequence``."""
    return wrap_cursor({"after": sequence}, binding=_binding(stream_id))


def position(cursor: str, *, stream_id: str, head: StreamHead) -> int:
    """Return the sequence that ``cursor`` stands after.

    Raises:
        InvalidRequest: Not a cursor of this stream.
        FeedCursorExpired: What follows it is no longer kept, or the stream was lost and begun anew.
    """
    after = unwrap_cursor(cursor, binding=_binding(stream_id)).get("after")
    if not isinstance(after, int) or isinstance(after, bool) or after < 0:
        raise InvalidRequest("This cursor does not belong to this feed.", field="cursor")
    if after < head.trimmed or after > head.last:
        raise FeedCursorExpired(
            "What follows this cursor is no longer kept. Read the mailbox anew, then follow the feed from its newest event."
        )
    return after


def _binding(stream_id: str) -> str:
    return f"changes/{stream_id}"
