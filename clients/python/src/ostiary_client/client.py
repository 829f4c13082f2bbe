"""The two clients: the same calls, blocking and asynchronous."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import httpx

from ostiary_client.calls.calendar import Calendars
from ostiary_client.calls.changes import Changes
from ostiary_client.calls.connections import Connections
from ostiary_client.calls.customers import ConnectSessions, Members, Organizations
from ostiary_client.calls.mail import Mail
from ostiary_client.calls.webhooks import Webhooks
from ostiary_client.conversation import Retries
from ostiary_client.drivers import AsyncDriver, SyncDriver, Wire

DEFAULT_TIMEOUT_SECONDS: Final = 60.0
"""Between two signs of life. Some calls wait for Microsoft, which may take its time."""


class Ostiary:
    """Your customers' mailboxes and calendars, for programs that block.

    One object serves many threads and keeps connections open: make one, and close it at the end or use ``with``.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Nothing is sent before the first call.

        Args:
            base_url: Address of the console, without ``/v1``.
            api_key: ``ost_…``. It acts for the whole service: keep it on your server.
            transport: What carries the requests instead of the network, for tests.
        """
        client = httpx.Client(transport=transport, follow_redirects=False)
        self._driver = SyncDriver(_wire(base_url, api_key, timeout_seconds, retries), client)
        self.organizations: Organizations[SyncDriver] = Organizations(self._driver)
        self.members: Members[SyncDriver] = Members(self._driver)
        self.connect_sessions: ConnectSessions[SyncDriver] = ConnectSessions(self._driver)
        self.connections: Connections[SyncDriver] = Connections(self._driver)
        self.mail: Mail[SyncDriver] = Mail(self._driver)
        self.calendar: Calendars[SyncDriver] = Calendars(self._driver)
        self.changes: Changes[SyncDriver] = Changes(self._driver)
        self.webhooks: Webhooks[SyncDriver] = Webhooks(self._driver)

    def close(self) -> None:
        """Close the connections."""
        self._driver.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ostiary({self._driver.wire.base_url!r})"


class AsyncOstiary:
    """Your customers' mailboxes and calendars, for programs that run in asyncio."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """As :class:`Ostiary`."""
        client = httpx.AsyncClient(transport=transport, follow_redirects=False)
        self._driver = AsyncDriver(_wire(base_url, api_key, timeout_seconds, retries), client)
        self.organizations: Organizations[AsyncDriver] = Organizations(self._driver)
        self.members: Members[AsyncDriver] = Members(self._driver)
        self.connect_sessions: ConnectSessions[AsyncDriver] = ConnectSessions(self._driver)
        self.connections: Connections[AsyncDriver] = Connections(self._driver)
        self.mail: Mail[AsyncDriver] = Mail(self._driver)
        self.calendar: Calendars[AsyncDriver] = Calendars(self._driver)
        self.changes: Changes[AsyncDriver] = Changes(self._driver)
        self.webhooks: Webhooks[AsyncDriver] = Webhooks(self._driver)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._driver.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncOstiary({self._driver.wire.base_url!r})"


def _wire(base_url: str, api_key: str, timeout_seconds: float, retries: Retries | None) -> Wire:
    if not base_url.startswith(("https://", "http://")):
        raise ValueError("base_url begins with https://")
    if not api_key.isascii() or not api_key.isprintable() or not api_key:
        # Said here, where the words can leave the key out.
        raise ValueError("the API key is empty or holds characters that no key has")
    header = {"Authorization": f"Bearer {api_key}"}
    return Wire(base_url.rstrip("/"), header, timeout_seconds, Retries() if retries is None else retries)
