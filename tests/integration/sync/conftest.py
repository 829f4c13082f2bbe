"""Tom's mailbox, connected and followed, beside the truth about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest_asyncio
from sqlalchemy import text

from ostiary.adapters.http_session import trusted
from ostiary.bootstrap import Services
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.feed.model import FeedEvent
from ostiary.core.kernel.access_method import AccessMethod

from ..connect_world import TOM, Company, Emulator, make_company
from .truth import Truth


@dataclass
class Followed:
    """A connection, what we know of its mailbox, and what is true of it."""

    app: Services
    emulator: Emulator
    connection: Connection
    truth: Truth
    _cursor: str | None = None
    seen: list[FeedEvent] = field(default_factory=list)

    async def read(self) -> None:
        """Read what is due until nothing is."""
        for _ in range(20):
            if not await self.app.sync.read_due():
                return
        progress = await self.app.sync.progress(self.connection.id)
        raise AssertionError(f"there is always something to read: {progress}")

    async def mark_everything(self) -> None:
        """What a sweep does: read everything whether or not anybody told of a change."""
        async with self.app.transactions() as tx:
            for each in await tx.sync.progress(self.connection.id):
                await tx.sync.mark({(self.connection.id, each.source): None}, now=self.app.clock.now())

    async def sweep(self) -> None:
        await self.mark_everything()
        await self.read()

    async def projection(self, source: str = "mail") -> dict[str, tuple[str, str]]:
        """What we believe: id to version and folder. Nothing is pending."""
        async with self.app.transactions() as tx:
            rows = await tx._connection.execute(
                text(
                    "SELECT item_id, version, folder_id, pending FROM sync_items"
                    " WHERE connection_id = :id AND source = :source"
                ),
                {"id": self.connection.id, "source": source},
            )
            found = rows.all()
        assert [row.item_id for row in found if row.pending] == []
        return {row.item_id: (row.version, row.folder_id) for row in found}

    async def news(self) -> list[FeedEvent]:
        """Events since this was asked last."""
        found: list[FeedEvent] = []
        while True:
            page = await self.app.feed.read(self.connection.id, cursor=self._cursor, limit=500)
            found += page.events
            self._cursor = page.cursor
            if not page.has_more:
                self.seen += found
                return found

    async def told(self, *, skip: Iterable[str] = ("connection.",)) -> list[tuple[str, str]]:
        """Type and subject of new events, in order."""
        return [
            (event.type.value, str(event.data.get("message_id") or event.data.get("event_id") or ""))
            for event in await self.news()
            if not event.type.value.startswith(tuple(skip))
        ]

    async def until(self, done: Callable[[], Awaitable[Any]], *, seconds: float = 20) -> None:
        """Wait for a condition that somebody else brings about."""
        async with asyncio.timeout(seconds):
            while not await done():
                await asyncio.sleep(0.05)

    async def stretches(self, start: datetime, end: datetime) -> list[tuple[str, str, str | None]]:
        answer = await self.app.sync.coverage(self.connection.id, start=start, end=end)
        return [(each.source.value, each.how.value, each.reason) for each in answer.stretches]

    def replayed(self) -> dict[str, tuple[str, str]]:
        """The mailbox as somebody who only follows the feed knows it."""
        known: dict[str, tuple[str, str]] = {}
        for event in self.seen:
            data = event.data
            match event.type.value:
                case "message.created" | "message.updated":
                    known[str(data["message_id"])] = (str(data["version"]), str(data["folder_id"]))
                case "message.moved":
                    known.pop(str(data["previous_message_id"]), None)
                    known[str(data["message_id"])] = (str(data["version"]), str(data["folder_id"]))
                case "message.deleted":
                    known.pop(str(data["message_id"]), None)
                case _:
                    pass
        return known


async def connect(company: Company, method: AccessMethod) -> Connection:
    await company.approve(method)
    await company.confirm(await company.go())
    (connection,) = [
        each for each in await company.connections() if each.status is ConnectionStatus.CONNECTED
    ]
    assert connection.method is method
    return connection


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    return await make_company(app, client, site, emulator)


@pytest_asyncio.fixture
async def oracle_http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=trusted()) as http:
        yield http


@pytest_asyncio.fixture
async def followed(company: Company, oracle_http: httpx.AsyncClient, emulator: Any, request: Any) -> Followed:
    """Connected over Graph, or over the method that the test's parameter names; nothing is read yet."""
    method: AccessMethod = getattr(request, "param", AccessMethod.GRAPH)
    connection = await connect(company, method)
    truth = Truth(oracle_http, emulator.url, TOM, immutable=method is AccessMethod.GRAPH)
    return Followed(company.app, emulator, connection, truth)
