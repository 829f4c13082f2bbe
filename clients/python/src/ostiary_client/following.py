"""Following a feed: change after change, waiting for more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from ostiary_client.call import Call
from ostiary_client.drivers import AsyncDriver, SyncDriver
from ostiary_client.models.changes import Change, ChangePage


@dataclass(frozen=True, slots=True)
class FeedCalls:
    """How one feed is asked."""

    page: Callable[[str | None, int], Call[ChangePage]]
    """Of a cursor and the seconds to wait."""
    newest: Call[ChangePage]


class Place:
    """Where a reader of a feed is."""

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor
        """Keep it after you have handled a change: whoever goes on from here misses nothing, and may see again what
        came with the same answer. None: from the oldest change that is kept."""


class Follower(Place):
    """Changes, one after the other; the iteration ends only when it does not wait.

    An expired cursor raises :class:`~ostiary_client.FeedCursorExpired` and leaves the follower as it is: read the
    mailbox anew, call :meth:`skip_to_newest` first, and iterate on.
    """

    def __init__(
        self, driver: SyncDriver, calls: FeedCalls, *, cursor: str | None, wait_seconds: int
    ) -> None:
        super().__init__(cursor)
        self._driver = driver
        self._calls = calls
        self._wait_seconds = wait_seconds

    def skip_to_newest(self) -> None:
        """Go on with what happens from now on."""
        self.cursor = self._driver.run(self._calls.newest).next_cursor

    def pages(self) -> Iterator[ChangePage]:
        """Iterate over whole answers, each as soon as there is something in it."""
        while True:
            page = self._driver.run(self._calls.page(self.cursor, self._wait_seconds))
            if page.items:
                yield page
            self.cursor = page.next_cursor
            if not self._wait_seconds and not page.has_more:
                return

    def __iter__(self) -> Iterator[Change]:
        for page in self.pages():
            for change in page.items:
                if change is page.items[-1]:
                    self.cursor = page.next_cursor
                yield change


class AsyncFollower(Place):
    """Changes, one after the other; the iteration ends only when it does not wait.

    An expired cursor raises :class:`~ostiary_client.FeedCursorExpired` and leaves the follower as it is: read the
    mailbox anew, call :meth:`skip_to_newest` first, and iterate on.
    """

    def __init__(
        self, driver: AsyncDriver, calls: FeedCalls, *, cursor: str | None, wait_seconds: int
    ) -> None:
        super().__init__(cursor)
        self._driver = driver
        self._calls = calls
        self._wait_seconds = wait_seconds

    async def skip_to_newest(self) -> None:
        """Go on with what happens from now on."""
        self.cursor = (await self._driver.run(self._calls.newest)).next_cursor

    async def pages(self) -> AsyncIterator[ChangePage]:
        """Iterate over whole answers, each as soon as there is something in it."""
        while True:
            page = await self._driver.run(self._calls.page(self.cursor, self._wait_seconds))
            if page.items:
                yield page
            self.cursor = page.next_cursor
            if not self._wait_seconds and not page.has_more:
                return

    async def __aiter__(self) -> AsyncIterator[Change]:
        async for page in self.pages():
            for change in page.items:
                if change is page.items[-1]:
                    self.cursor = page.next_cursor
                yield change
