"""Telling the feed what became of a connection, in the transaction that stores it."""

from __future__ import annotations

from typing import Final

from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.feed.model import FeedEvent, FeedEventType, connection_event
from ostiary.core.feed.ports import Feed

_S: Final = ConnectionStatus

EVENT_OF: Final = {
    _S.CONNECTED: FeedEventType.CONNECTION_CONNECTED,
    _S.NEEDS_SIGN_IN: FeedEventType.CONNECTION_NEEDS_SIGN_IN,
    _S.WAITING_FOR_APPROVAL: FeedEventType.CONNECTION_WAITING_FOR_APPROVAL,
    _S.FAILING: FeedEventType.CONNECTION_FAILING,
    _S.PAUSED: FeedEventType.CONNECTION_PAUSED,
    _S.DISCONNECTED: FeedEventType.CONNECTION_DISCONNECTED,
}
_UNSAID: Final = frozenset({_S.NOT_CONNECTED, _S.CONNECTING, _S.UNCONFIRMED})
"""Nobody was told of a sign-in that nobody vouched for yet, so nobody is told that it went."""


async def announce(feed: Feed, was: Connection, now: Connection) -> None:
    """Append the event of a change of state or reason; nothing when there was none."""
    event = change_event(was, now)
    if event is not None:
        await feed.append([event])


def change_event(was: Connection, now: Connection) -> FeedEvent | None:
    """Return what to tell of a change, or None."""
    if (was.status, was.reason) == (now.status, now.reason):
        return None
    kind = EVENT_OF.get(now.status)
    if kind is None or (was.status in _UNSAID and now.status is not _S.CONNECTED):
        return None
    return connection_event(
        connection_id=now.id,
        organization_id=now.organization_id,
        kind=kind,
        subject=now.id,
        version=f"{now.changed_at.isoformat()}/{now.reason or ''}",
        occurred_at=now.changed_at,
        data={
            "member_id": now.member_id,
            "method": now.method.value,
            "mail": now.mail,
            "calendar": now.calendar,
            "reason": now.reason,
            "previous_status": None if was.status in _UNSAID else was.status.value,
        },
    )
