"""Connections: look, check, pause, resume, disconnect, sign in again."""

from __future__ import annotations

from datetime import datetime

from ostiary_client.call import Call, Listing, body_of, create, listing, one, path_of
from ostiary_client.call import get as read
from ostiary_client.models.connections import (
    Capabilities,
    Connection,
    ConnectionStatus,
    Coverage,
    Receipt,
    SyncStatus,
)
from ostiary_client.models.customers import NewConnectSession
from ostiary_client.operations import D, Noun, listed, operation


class Connections(Noun[D]):
    """Connected mailboxes and how they are."""

    @listed
    def list(
        self,
        *,
        organization_id: str | None = None,
        status: ConnectionStatus | None = None,
        reason: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing[Connection]:
        """List connections, newest first; unconfirmed ones only when asked for by ``status``."""
        return listing(
            path_of("connections"),
            Connection,
            organization_id=organization_id,
            status=status,
            reason=reason,
            limit=limit,
            cursor=cursor,
        )

    @operation
    def get(self, connection_id: str) -> Call[Connection]:
        """Return one connection, as it was when it was last used or checked."""
        return read(path_of("connections", connection_id), one(Connection))

    @operation
    def check(self, connection_id: str) -> Call[Connection]:
        """Try the connection now. A fault that may pass raises TemporarilyUnavailable and changes nothing."""
        return Call("POST", path_of("connections", connection_id, "check"), one(Connection))

    @operation
    def pause(self, connection_id: str) -> Call[Connection]:
        """Stop using the connection until it is resumed."""
        return Call("POST", path_of("connections", connection_id, "pause"), one(Connection))

    @operation
    def resume(self, connection_id: str) -> Call[Connection]:
        """Use a paused connection again."""
        return Call("POST", path_of("connections", connection_id, "resume"), one(Connection))

    @operation
    def disconnect(self, connection_id: str) -> Call[Receipt]:
        """Destroy the connection's tokens for good. There is no way back: the person connects anew."""
        return Call("POST", path_of("connections", connection_id, "disconnect"), one(Receipt))

    @operation
    def reconnect(
        self, connection_id: str, *, return_url: str | None = None, idempotency_key: str | None = None
    ) -> Call[NewConnectSession]:
        """Make a session that renews exactly this connection; only the same Microsoft account can finish it."""
        path = path_of("connections", connection_id, "reconnect-session")
        return create(
            "POST", path, one(NewConnectSession), body_of({"return_url": return_url}), idempotency_key
        )

    @operation
    def capabilities(self, connection_id: str) -> Call[Capabilities]:
        """Return what the access method of this connection can and cannot do."""
        return read(path_of("connections", connection_id, "capabilities"), one(Capabilities))

    @operation
    def sync_status(self, connection_id: str) -> Call[SyncStatus]:
        """Return how far the mailbox has been read, and up to when the feed is complete."""
        return read(path_of("connections", connection_id, "sync"), one(SyncStatus))

    @operation
    def coverage(self, connection_id: str, start: datetime, end: datetime) -> Call[Coverage]:
        """Return whether anything that happened between two moments can be missing from the feed."""
        return read(path_of("connections", connection_id, "coverage"), one(Coverage), from_=start, to=end)
