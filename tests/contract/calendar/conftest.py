"""Two people's calendars behind each gateway: in memory, over Graph and over EWS at the emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import aiohttp
import httpx
import pytest
import pytest_asyncio

from ostiary.adapters.ews.calendar import EWSCalendarGateway
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element
from ostiary.adapters.graph.calendar import GraphCalendarGateway
from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec.json_shape import JSONObject
from ostiary.adapters.http_session import create_session, trusted
from ostiary.adapters.memory.calendar import MemoryCalendarGateway
from ostiary.core.calendar.drafts import EventChange
from ostiary.core.calendar.model import Calendar, CalendarEvent
from ostiary.core.calendar.service import CalendarService
from ostiary.core.calendar.times import EventTimes
from ostiary.core.connections.mailboxes import OpenMailbox
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret

from ..conftest import EWS_SCOPES, GRAPH_SCOPES, TENANT_ID, SignIn

OWNER = "sales.one@harbourvale.example"
COLLEAGUE = "sales.two@harbourvale.example"
THIRD = "dana.okafor@harbourvale.example"
SCOPES = f"{GRAPH_SCOPES} https://graph.microsoft.com/MailboxSettings.ReadWrite"


@dataclass
class Losses:
    """Which answers get lost on the way, after Microsoft did what was asked."""

    waiting: set[str] = field(default_factory=set[str])

    def take(self, name: str) -> None:
        if name in self.waiting:
            self.waiting.discard(name)
            raise TemporarilyUnavailable("The line was cut.", reason="microsoft_down")


class LossyGraph(GraphClient):
    """Graph over a bad line."""

    losses: Losses

    async def change(self, mailbox: MailboxAccess, method: str, *args: Any, **options: Any) -> JSONObject:
        answer = await super().change(mailbox, method, *args, **options)
        self.losses.take(method)
        return answer


class LossyEWS(EWSSession):
    """EWS over a bad line."""

    losses: Losses

    async def call(self, mailbox: MailboxAccess, operation: str, body: str) -> Element:
        answer = await super().call(mailbox, operation, body)
        self.losses.take(
            {"CreateItem": "POST", "UpdateItem": "PATCH", "DeleteItem": "DELETE"}.get(operation, "")
        )
        return answer


class KnownMailboxes:
    """Opens the mailbox of whoever's address stands for a connection."""

    def __init__(self, method: AccessMethod, tokens: dict[str, str]) -> None:
        self._method = method
        self._tokens = tokens

    @asynccontextmanager
    async def use(
        self, connection_id: str, part: object, *, organization_id: str | None
    ) -> AsyncIterator[OpenMailbox]:
        yield OpenMailbox(self._method, self.access(connection_id))

    def access(self, address: str) -> MailboxAccess:
        async def access_token(refused: bool) -> Secret:
            return Secret(self._tokens.get(address, "none"))

        return MailboxAccess(f"con-{address}", TENANT_ID, address, address, access_token)


@dataclass
class World:
    """The service over one gateway, and who is in it."""

    method: str
    service: CalendarService
    gateway: Any
    mailboxes: KnownMailboxes
    losses: Losses
    http: aiohttp.ClientSession | None = None
    days: Iterator[date] = field(default_factory=lambda: iter(()))

    def monday(self) -> date:
        """Return a Monday in January of a year that no other test uses."""
        return next(self.days)

    def access(self, who: str = OWNER) -> MailboxAccess:
        return self.mailboxes.access(who)

    async def create(
        self, subject: str, times: EventTimes, *, who: str = OWNER, **options: Any
    ) -> CalendarEvent:
        content = EventChange(subject=subject, **options.pop("content", {}))
        return await self.service.create_event(
            who, organization_id=None, times=times, content=content, **options
        )

    async def get(self, event_id: str, *, who: str = OWNER) -> CalendarEvent:
        return await self.service.get_event(who, event_id, organization_id=None)

    async def seen(self, day: date, days: int = 120, *, who: str = OWNER) -> list[CalendarEvent]:
        """Return what stands in somebody's calendar from a day on."""
        begin = datetime.combine(day, time(), tzinfo=UTC)
        found: list[CalendarEvent] = []
        cursor: str | None = None
        while True:
            page = await self.service.list_events(
                who,
                organization_id=None,
                starts_at=begin,
                ends_at=begin + timedelta(days=days),
                cursor=cursor,
                limit=100,
            )
            found.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return found


@dataclass(frozen=True)
class Emulated:
    """The emulator without any event, and everybody's tokens."""

    url: str
    tokens: dict[AccessMethod, dict[str, str]]

    def messages(self, address: str, subject: str) -> list[dict[str, Any]]:
        """Return what came into somebody's inbox under a subject."""
        headers = {"Authorization": f"Bearer {self.tokens[AccessMethod.GRAPH][address]}"}
        with httpx.Client(
            base_url=f"{self.url}/v1.0", headers=headers, trust_env=False, verify=trusted()
        ) as client:
            answer = client.get("/me/mailFolders/inbox/messages", params={"$top": "200"})
        return [each for each in answer.json()["value"] if subject in each["subject"]]


@pytest.fixture(scope="module")
def emulated(emulator_process: Any) -> Emulated:
    """One emulator for all tests of a module: each works in months of its own."""
    emulator_process.control("POST", "/reset", {"messages": 0})
    emulator_process.control("POST", "/clock", {"freeze": True, "set": "2026-11-24T12:00:00+00:00"})
    people = SignIn(emulator_process.url)
    everybody = (OWNER, COLLEAGUE)
    tokens = {
        AccessMethod.GRAPH: {who: people.token(who, SCOPES) for who in everybody},
        AccessMethod.EWS: {who: people.token(who, EWS_SCOPES) for who in everybody},
    }
    return Emulated(emulator_process.url, tokens)


@pytest.fixture(scope="module")
def free_days() -> Iterator[date]:
    """The first Mondays of many Januaries: in winter, far apart."""
    starts = (date(year, 1, 1) for year in range(2027, 2400))
    return (start + timedelta(days=-start.weekday() % 7) for start in starts)


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with create_session(user_agent="ostiary/test") as made:
        yield made


@pytest.fixture(params=["memory", "graph", "ews"])
def world(request: pytest.FixtureRequest, free_days: Iterator[date]) -> World:
    """Calendars of two colleagues, once behind each gateway."""
    losses = Losses()
    if request.param == "memory":
        gateway = MemoryCalendarGateway()
        for who in (OWNER, COLLEAGUE):
            gateway.add_mailbox(who, [Calendar("c-1", "Calendar", True, True)], [])
        return _world("memory", AccessMethod.GRAPH, gateway, {}, losses, free_days)
    emulated: Emulated = request.getfixturevalue("emulated")
    session: aiohttp.ClientSession = request.getfixturevalue("session")
    if request.param == "graph":
        graph = LossyGraph(session, host_url=emulated.url)
        graph.losses = losses
        method = AccessMethod.GRAPH
        return _world(
            "graph", method, GraphCalendarGateway(graph), emulated.tokens[method], losses, free_days
        )
    ews = LossyEWS(session, endpoint_url=f"{emulated.url}/EWS/Exchange.asmx")
    ews.losses = losses
    method = AccessMethod.EWS
    return _world("ews", method, EWSCalendarGateway(ews), emulated.tokens[method], losses, free_days)


def _world(
    name: str,
    method: AccessMethod,
    gateway: Any,
    tokens: dict[str, str],
    losses: Losses,
    days: Iterator[date],
) -> World:
    mailboxes = KnownMailboxes(method, tokens)
    service = CalendarService(
        mailboxes=mailboxes,  # pyright: ignore[reportArgumentType]
        gateways={method: gateway},
        entropy=SeededEntropy(next(days).toordinal()),
    )
    return World(name, service, gateway, mailboxes, losses, days=days)
