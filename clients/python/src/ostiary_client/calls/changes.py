"""The change feed of a connection or a customer."""

from __future__ import annotations

from typing import Any, Literal, cast, overload

from ostiary_client.call import Call, one, path_of
from ostiary_client.call import get as read
from ostiary_client.drivers import AsyncDriver, SyncDriver
from ostiary_client.following import AsyncFollower, FeedCalls, Follower
from ostiary_client.models.changes import ChangePage
from ostiary_client.operations import D, Noun, operation

Start = Literal["oldest", "newest"]


class Changes(Noun[D]):
    """What happened, in order, each at least once and always with the same id."""

    @operation
    def page(
        self,
        connection_id: str,
        *,
        cursor: str | None = None,
        start: Start = "oldest",
        limit: int | None = None,
        wait_seconds: int = 0,
    ) -> Call[ChangePage]:
        """Return changes of a connection after ``cursor``.

        Args:
            start: Without a cursor: from the oldest change that is kept, or only a cursor after the newest.
            wait_seconds: How long (at most 30) an empty answer may be held back until something happens.

        Raises:
            FeedCursorExpired: Read the mailbox anew, then go on from the newest.
        """
        return _page("connections", connection_id, cursor, start, limit, wait_seconds)

    @operation
    def organization_page(
        self,
        organization_id: str,
        *,
        cursor: str | None = None,
        start: Start = "oldest",
        limit: int | None = None,
        wait_seconds: int = 0,
    ) -> Call[ChangePage]:
        """Return what concerns a whole customer: approvals given, shortened and withdrawn. As :meth:`page`."""
        return _page("organizations", organization_id, cursor, start, limit, wait_seconds)

    @overload
    def follow(
        self: Changes[SyncDriver],
        connection_id: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        wait_seconds: int = 30,
    ) -> Follower: ...
    @overload
    def follow(
        self: Changes[AsyncDriver],
        connection_id: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        wait_seconds: int = 30,
    ) -> AsyncFollower: ...
    def follow(
        self: Any,
        connection_id: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        wait_seconds: int = 30,
    ) -> Follower | AsyncFollower:
        """Iterate over changes of a connection for as long as you like.

        Args:
            cursor: Where an earlier run came to; None begins with the oldest change that is kept.
            wait_seconds: How long the service holds a question open; with 0 the iteration ends when there is no more.
        """
        return _follower(self.driver, "connections", connection_id, cursor, limit, wait_seconds)

    @overload
    def follow_organization(
        self: Changes[SyncDriver],
        organization_id: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        wait_seconds: int = 30,
    ) -> Follower: ...
    @overload
    def follow_organization(
        self: Changes[AsyncDriver],
        organization_id: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        wait_seconds: int = 30,
    ) -> AsyncFollower: ...
    def follow_organization(
        self: Any,
        organization_id: str,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        wait_seconds: int = 30,
    ) -> Follower | AsyncFollower:
        """Iterate over what concerns a whole customer. As :meth:`follow`."""
        return _follower(self.driver, "organizations", organization_id, cursor, limit, wait_seconds)


def _page(
    noun: str, stream_id: str, cursor: str | None, start: Start, limit: int | None, wait_seconds: int
) -> Call[ChangePage]:
    call = read(
        path_of(noun, stream_id, "changes"),
        one(ChangePage),
        cursor=cursor,
        start=start if cursor is None else None,
        limit=limit,
        wait=wait_seconds or None,
    )
    return Call(
        call.method, call.path, call.parse, query=call.query, is_repeatable=True, waits_seconds=wait_seconds
    )


def _follower(
    driver: object, noun: str, stream_id: str, cursor: str | None, limit: int | None, wait_seconds: int
) -> Follower | AsyncFollower:
    calls = FeedCalls(
        page=lambda at, wait: _page(noun, stream_id, at, "oldest", limit, wait),
        newest=_page(noun, stream_id, None, "newest", None, 0),
    )
    if isinstance(driver, SyncDriver):
        return Follower(driver, calls, cursor=cursor, wait_seconds=wait_seconds)
    return AsyncFollower(cast(AsyncDriver, driver), calls, cursor=cursor, wait_seconds=wait_seconds)
