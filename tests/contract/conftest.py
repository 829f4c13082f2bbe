"""One mailbox with known content behind each gateway: in memory, over Graph and over EWS at the emulator."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit
from zoneinfo import ZoneInfo

import aiohttp
import httpx
import pytest
import pytest_asyncio
from lxml import html

from ostiary.adapters.ews.calendar import EWSCalendarGateway
from ostiary.adapters.ews.mail import EWSMailGateway
from ostiary.adapters.ews.probe import EWSMailboxProbe
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.graph.calendar import GraphCalendarGateway
from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.mail import GraphMailGateway
from ostiary.adapters.graph.probe import GraphMailboxProbe
from ostiary.adapters.http_session import create_session, trusted
from ostiary.adapters.memory.calendar import MemoryCalendarGateway
from ostiary.adapters.memory.mail import MemoryMailGateway
from ostiary.core.calendar.model import (
    Attendee,
    AttendeeKind,
    Calendar,
    CalendarEvent,
    EventKind,
    Response,
    Sensitivity,
    ShowAs,
)
from ostiary.core.calendar.ports import CalendarGateway
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.connections.ports import MailboxProbe
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.kernel.secret import Secret
from ostiary.core.mail.model import AttachmentInfo, Importance, MailFolder, Message, WellKnownFolder
from ostiary.core.mail.ports import MailGateway

CLIENT_ID = "a2d94c17-5e80-4b6f-91c3-7f0e8d6b5a11"
"""The sample world's desktop app: approved in the tenant, and it needs no secret."""
REDIRECT_URI = "http://localhost"
OWNER = MailAddress("sales.one@harbourvale.example", "Sales One")
SENDER = MailAddress("sales.two@harbourvale.example", "Sales Two")
GUEST = MailAddress("dana.okafor@harbourvale.example", "Dana Okafor")
TENANT_ID = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"

GRAPH_SCOPES = " ".join(
    f"https://graph.microsoft.com/{name}"
    for name in ("Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite", "User.Read")
)
EWS_SCOPES = "https://outlook.office365.com/EWS.AccessAsUser.All"


# -- known content ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeedMessage:
    """A message that arrives in the inbox."""

    subject: str
    received_at: datetime
    text: str | None = None
    html: str | None = None
    cc: tuple[MailAddress, ...] = ()
    reply_to: tuple[MailAddress, ...] = ()
    importance: Importance = Importance.NORMAL
    categories: tuple[str, ...] = ()
    is_read: bool = False
    attachments: tuple[tuple[str, str, bytes, bool], ...] = ()
    """Name, content type, bytes, inline."""
    header: tuple[str, str] | None = None


@dataclass(frozen=True)
class SeedOccurrence:
    """An event as a window shall show it."""

    subject: str
    starts_at: datetime
    ends_at: datetime
    kind: EventKind = EventKind.SINGLE
    is_all_day: bool = False
    time_zone: str = "Etc/UTC"
    location: str = ""
    show_as: ShowAs = ShowAs.BUSY
    is_private: bool = False
    attendees: tuple[Attendee, ...] = ()
    series: str | None = None


@dataclass(frozen=True)
class Seed:
    """What the mailbox holds."""

    messages: tuple[SeedMessage, ...]
    """Oldest first."""
    occurrences: tuple[SeedOccurrence, ...]
    """By start; what any window of December 2026 to April 2027 holds in the default calendar."""
    other_calendar: str = "Team"
    other_event: SeedOccurrence = field(
        default_factory=lambda: SeedOccurrence(
            "Team only", datetime(2026, 12, 3, 9, tzinfo=UTC), datetime(2026, 12, 3, 10, tzinfo=UTC)
        )
    )


def _utc(month: int, day: int, hour: int = 0, minute: int = 0, *, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def _seed() -> Seed:
    start = _utc(11, 24, 11)
    messages = [
        SeedMessage(
            f"Note {number:02d}",
            start + timedelta(minutes=number),
            text=f"Line {number}",
            is_read=number % 3 == 0,
        )
        for number in range(1, 24)
    ]
    messages.append(
        SeedMessage(
            "Figures <Q3> & more",
            start + timedelta(minutes=40),
            html="<p>Hello, the <b>figures</b> &amp; a picture.</p>",
            cc=(GUEST,),
            reply_to=(GUEST,),
            importance=Importance.HIGH,
            categories=("Blue category", "Green category"),
            attachments=(
                ("figures.csv", "text/csv", b"a,b\n1,2\n", False),
                ("logo.png", "image/png", b"\x89PNG-not-really", True),
            ),
            header=("x-larkspur-case", "4711"),
        )
    )
    week = timedelta(weeks=1)
    invited = (
        Attendee(SENDER, AttendeeKind.REQUIRED, Response.NONE),
        Attendee(GUEST, AttendeeKind.OPTIONAL, Response.NONE),
    )
    # A series at 09:00 Berlin time from 14 December; its third meeting was moved, its fourth called off.
    first = _utc(12, 14, 8)
    series = [
        SeedOccurrence(
            "Weekly planning",
            first + number * week,
            first + number * week + timedelta(minutes=30),
            kind=EventKind.OCCURRENCE,
            time_zone="Europe/Berlin",
            series="planning",
        )
        for number in (0, 1, 4)
    ]
    moved = SeedOccurrence(
        "Weekly planning, moved",
        _utc(12, 29, 13),
        _utc(12, 29, 14),
        kind=EventKind.EXCEPTION,
        time_zone="Europe/Berlin",
        series="planning",
    )
    # 18:00 in London on four Thursdays around the end of winter time on 28 March 2027.
    spring = [
        SeedOccurrence(
            "Across the clock change",
            _utc(3, day, 18, year=2027) if day < 28 and month == 3 else _utc(month, day, 17, year=2027),
            _utc(3, day, 19, year=2027) if day < 28 and month == 3 else _utc(month, day, 18, year=2027),
            kind=EventKind.OCCURRENCE,
            time_zone="Europe/London",
            series="spring",
        )
        for month, day in ((3, 18), (3, 25), (4, 1), (4, 8))
    ]
    occurrences = [
        SeedOccurrence(
            "With guests",
            _utc(12, 1, 15),
            _utc(12, 1, 16, 30),
            time_zone="America/New_York",
            location="Room 2 & lobby",
            attendees=invited,
        ),
        SeedOccurrence(
            "Private matter",
            _utc(12, 2, 10),
            _utc(12, 2, 11),
            is_private=True,
            show_as=ShowAs.OUT_OF_OFFICE,
        ),
        SeedOccurrence(
            "Day in Berlin",
            _utc(12, 5),
            _utc(12, 6),
            is_all_day=True,
            time_zone="Europe/Berlin",
            show_as=ShowAs.FREE,
        ),
        SeedOccurrence(
            "Two days in California",
            _utc(12, 8),
            _utc(12, 10),
            is_all_day=True,
            time_zone="America/Los_Angeles",
            show_as=ShowAs.FREE,
        ),
        *series,
        moved,
        *spring,
    ]
    return Seed(tuple(messages), tuple(sorted(occurrences, key=lambda each: each.starts_at)))


@pytest.fixture(scope="session")
def seed() -> Seed:
    """What the mailbox of every gateway holds."""
    return _seed()


# -- tokens ----------------------------------------------------------------------------------------------------


class SignIn:
    """Signs people in at the emulator's own pages and redeems the codes."""

    def __init__(self, url: str) -> None:
        self._url = url

    def token(self, address: str, scopes: str) -> str:
        """Return an access token of a person, for an app whose permissions were granted before."""
        verifier = "v" * 64
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": f"openid profile offline_access {scopes}",
            "state": "s",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "login_hint": address,
        }
        with httpx.Client(timeout=20, trust_env=False, verify=trusted()) as browser:
            answer = browser.get(f"{self._url}/{TENANT_ID}/oauth2/v2.0/authorize", params=query)
            code = self._walk(browser, answer, address)
            redeemed = browser.post(
                f"{self._url}/{TENANT_ID}/oauth2/v2.0/token",
                data={
                    "client_id": CLIENT_ID,
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": REDIRECT_URI,
                    "code_verifier": verifier,
                    "scope": query["scope"],
                },
            )
        assert redeemed.status_code == 200, redeemed.text
        return str(redeemed.json()["access_token"])

    def _walk(self, browser: httpx.Client, answer: httpx.Response, address: str) -> str:
        for _ in range(8):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if not target.startswith(self._url):
                    return parse_qs(urlsplit(target).query)["code"][0]
                answer = browser.get(target)
                continue
            answer = self._fill(browser, answer, address)
        raise AssertionError("the sign-in did not come to an end")

    @staticmethod
    def _fill(browser: httpx.Client, answer: httpx.Response, address: str) -> httpx.Response:
        page = html.fromstring(answer.text)
        for action, name, value in (("/pick", "account", address), ("/password", "decision", "next")):
            forms = page.xpath(f"//form[@action='{action}']")
            if forms:
                fields = {
                    item.get("name"): item.get("value", "")
                    for item in forms[0].xpath(".//input[@name][not(@type='checkbox')]")
                }
                return browser.post(urljoin(str(answer.url), action), data={**fields, name: value})
        raise AssertionError(f"an unexpected page: {page.xpath('string(//h1)')}")


# -- filling the emulator --------------------------------------------------------------------------------------


class GraphSeeder:
    """Writes the known content with plain Graph calls."""

    def __init__(self, emulator: Any, owner_token: str, sender_token: str) -> None:
        self._emulator = emulator
        self._owner = self._client(owner_token)
        self._sender = self._client(sender_token)

    def _client(self, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}", "Prefer": 'IdType="ImmutableId"'}
        return httpx.Client(
            base_url=f"{self._emulator.url}/v1.0",
            headers=headers,
            timeout=20,
            trust_env=False,
            verify=trusted(),
        )

    def close(self) -> None:
        self._owner.close()
        self._sender.close()

    def fill(self, seed: Seed) -> None:
        for message in seed.messages:
            self._deliver(message)
        projects = self._post("/me/mailFolders", {"displayName": "Projects"})
        self._post(f"/me/mailFolders/{projects['id']}/childFolders", {"displayName": "Alpha"})
        self._post("/me/messages", {"subject": "Not sent yet", "toRecipients": [_recipient(SENDER)]})
        for occurrence in seed.occurrences:
            if occurrence.series is None:
                self._post("/me/events", _event(occurrence))
        self._planning(next(each for each in seed.occurrences if each.kind is EventKind.EXCEPTION))
        self._spring()
        other = self._post("/me/calendars", {"name": seed.other_calendar})
        self._post(f"/me/calendars/{other['id']}/events", _event(seed.other_event))

    def _deliver(self, message: SeedMessage) -> None:
        self._emulator.control("POST", "/clock", {"set": message.received_at.isoformat()})
        body = {
            "subject": message.subject,
            "body": {
                "contentType": "html" if message.html else "text",
                "content": message.html or message.text,
            },
            "toRecipients": [_recipient(OWNER)],
            "ccRecipients": [_recipient(who) for who in message.cc],
            "replyTo": [_recipient(who) for who in message.reply_to],
            "importance": message.importance.value,
            "attachments": [
                {
                    "@odata.type": "#microsoft.graph.fileAttachment",
                    "name": name,
                    "contentType": content_type,
                    "contentBytes": base64.b64encode(content).decode(),
                    "isInline": inline,
                    **({"contentId": "logo"} if inline else {}),
                }
                for name, content_type, content, inline in message.attachments
            ],
        }
        if message.header is not None:
            name, value = message.header
            body["internetMessageHeaders"] = [{"name": name, "value": value}]
        sent = self._sender.post("/me/sendMail", json={"message": body})
        assert sent.status_code == 202, sent.text
        newest = self._owner.get(
            "/me/mailFolders/inbox/messages",
            params={"$top": "1", "$select": "subject", "$orderby": "receivedDateTime desc"},
        ).json()["value"][0]
        assert newest["subject"] == message.subject
        changes: dict[str, Any] = {}
        if message.is_read:
            changes["isRead"] = True
        if message.categories:
            changes["categories"] = list(message.categories)
        if changes:
            self._patch(f"/me/messages/{newest['id']}", changes)

    def _planning(self, moved: SeedOccurrence) -> None:
        series = self._series(
            "Weekly planning",
            {"dateTime": "2026-12-14T09:00:00", "timeZone": "W. Europe Standard Time"},
            {"dateTime": "2026-12-14T09:30:00", "timeZone": "W. Europe Standard Time"},
            {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
            {"type": "numbered", "startDate": "2026-12-14", "numberOfOccurrences": 5},
        )
        instances = self._owner.get(
            f"/me/events/{series['id']}/instances",
            params={"startDateTime": "2026-12-01T00:00:00Z", "endDateTime": "2027-03-01T00:00:00Z"},
        ).json()["value"]
        assert len(instances) == 5
        change = {
            "subject": moved.subject,
            "start": _edge(moved.starts_at, moved.time_zone),
            "end": _edge(moved.ends_at, moved.time_zone),
        }
        self._patch(f"/me/events/{instances[2]['id']}", change)
        gone = self._owner.delete(f"/me/events/{instances[3]['id']}")
        assert gone.status_code == 204, gone.text

    def _spring(self) -> None:
        self._series(
            "Across the clock change",
            {"dateTime": "2027-03-18T18:00:00", "timeZone": "GMT Standard Time"},
            {"dateTime": "2027-03-18T19:00:00", "timeZone": "GMT Standard Time"},
            {"type": "weekly", "interval": 1, "daysOfWeek": ["thursday"], "firstDayOfWeek": "monday"},
            {"type": "endDate", "startDate": "2027-03-18", "endDate": "2027-04-08"},
        )

    def _series(self, subject: str, start: Any, end: Any, pattern: Any, range_: Any) -> dict[str, Any]:
        recurrence = {"pattern": pattern, "range": range_}
        return self._post(
            "/me/events", {"subject": subject, "start": start, "end": end, "recurrence": recurrence}
        )

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._owner.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def _patch(self, path: str, body: dict[str, Any]) -> None:
        answer = self._owner.patch(path, json=body)
        assert answer.status_code == 200, answer.text


def _recipient(who: MailAddress) -> dict[str, Any]:
    return {"emailAddress": {"name": who.name, "address": who.address}}


def _edge(at: datetime, time_zone: str, *, is_all_day: bool = False) -> dict[str, str]:
    wall = at if is_all_day else at.astimezone(ZoneInfo(time_zone))
    return {"dateTime": wall.replace(tzinfo=None).isoformat(), "timeZone": _WINDOWS_NAMES[time_zone]}


_WINDOWS_NAMES = {
    "Etc/UTC": "UTC",
    "Europe/Berlin": "W. Europe Standard Time",
    "America/New_York": "Eastern Standard Time",
    "America/Los_Angeles": "Pacific Standard Time",
}
_SHOW_AS = {ShowAs.OUT_OF_OFFICE: "oof"}


def _event(occurrence: SeedOccurrence) -> dict[str, Any]:
    return {
        "subject": occurrence.subject,
        "start": _edge(occurrence.starts_at, occurrence.time_zone, is_all_day=occurrence.is_all_day),
        "end": _edge(occurrence.ends_at, occurrence.time_zone, is_all_day=occurrence.is_all_day),
        "isAllDay": occurrence.is_all_day,
        "location": {"displayName": occurrence.location},
        "showAs": _SHOW_AS.get(occurrence.show_as, occurrence.show_as.value),
        "sensitivity": "private" if occurrence.is_private else "normal",
        "attendees": [{**_recipient(each.who), "type": each.kind.value} for each in occurrence.attendees],
    }


# -- the mailbox behind each gateway ---------------------------------------------------------------------------


@dataclass
class SentRequest:
    """A request as a gateway sent it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class MailboxUnderTest:
    """A gateway of each kind, a mailbox that holds the seed, and what went over the wire."""

    method: str
    mail: MailGateway
    calendar: CalendarGateway
    access: MailboxAccess
    probe: MailboxProbe | None = None
    sent: list[SentRequest] = field(default_factory=list[SentRequest])


def _access(token: str) -> MailboxAccess:
    async def access_token(refused: bool) -> Secret:
        return Secret(token)

    return MailboxAccess("con_contract", TENANT_ID, "sales-one", OWNER.address, access_token)


class Recorder:
    """Keeps what an HTTP session sends."""

    def __init__(self) -> None:
        self.sent: list[SentRequest] = []
        self._trace = aiohttp.TraceConfig()
        self._trace.on_request_start.append(self._started)
        self._trace.on_request_chunk_sent.append(self._chunk)

    @property
    def trace(self) -> aiohttp.TraceConfig:
        return self._trace

    async def _started(self, _session: object, context: Any, params: Any) -> None:
        context.request = SentRequest(params.method, str(params.url), dict(params.headers), b"")
        self.sent.append(context.request)

    async def _chunk(self, _session: object, context: Any, params: Any) -> None:
        context.request.body += params.chunk


@dataclass(frozen=True)
class FilledEmulator:
    """The emulator with the known content in one mailbox, and tokens to read it."""

    url: str
    graph_token: str
    ews_token: str


@pytest.fixture(scope="module")
def filled_emulator(emulator_process: Any, seed: Seed) -> FilledEmulator:
    """Filled once for all tests of a module: they only read."""
    emulator = emulator_process
    emulator.control("POST", "/reset", {"messages": 0})
    emulator.control("POST", "/clock", {"freeze": True, "set": "2026-11-24T11:00:00+00:00"})
    people = SignIn(emulator.url)
    owner = people.token(OWNER.address, GRAPH_SCOPES)
    seeder = GraphSeeder(emulator, owner, people.token(SENDER.address, GRAPH_SCOPES))
    try:
        seeder.fill(seed)
    finally:
        seeder.close()
    emulator.control("POST", "/clock", {"set": "2026-11-24T12:00:00+00:00"})
    return FilledEmulator(
        emulator.url, people.token(OWNER.address, GRAPH_SCOPES), people.token(OWNER.address, EWS_SCOPES)
    )


@pytest_asyncio.fixture
async def http() -> AsyncIterator[tuple[aiohttp.ClientSession, Recorder]]:
    """The session adapters get, with a recorder."""
    recorder = Recorder()
    session = create_session(user_agent="ostiary/test")
    session.trace_configs.append(recorder.trace)
    recorder.trace.freeze()
    async with session:
        yield session, recorder


@pytest.fixture(params=["memory", "graph", "ews"])
def mailbox(request: pytest.FixtureRequest, seed: Seed) -> MailboxUnderTest:
    """The known mailbox, once behind each gateway."""
    if request.param == "memory":
        return _in_memory(seed)
    emulator: FilledEmulator = request.getfixturevalue("filled_emulator")
    session, recorder = request.getfixturevalue("http")
    if request.param == "graph":
        client = GraphClient(session, host_url=emulator.url)
        return MailboxUnderTest(
            "graph",
            GraphMailGateway(client),
            GraphCalendarGateway(client),
            _access(emulator.graph_token),
            GraphMailboxProbe(client),
            recorder.sent,
        )
    ews = EWSSession(session, endpoint_url=f"{emulator.url}/EWS/Exchange.asmx")
    return MailboxUnderTest(
        "ews",
        EWSMailGateway(ews),
        EWSCalendarGateway(ews),
        _access(emulator.ews_token),
        EWSMailboxProbe(ews),
        recorder.sent,
    )


def _in_memory(seed: Seed) -> MailboxUnderTest:
    mail, calendar = MemoryMailGateway(), MemoryCalendarGateway()
    access = _access("none")
    folders = [
        MailFolder(f"f-{each.value}", each.name.title(), None, each, 0, 0, 0) for each in WellKnownFolder
    ]
    folders += [
        MailFolder("f-projects", "Projects", None, None, 0, 0, 0),
        MailFolder("f-alpha", "Alpha", "f-projects", None, 0, 0, 0),
    ]
    messages = [_memory_message(number, message) for number, message in enumerate(seed.messages)]
    messages.append(
        _memory_message(
            99, SeedMessage("Not sent yet", datetime(2026, 11, 24, 11, tzinfo=UTC), is_read=True), draft=True
        )
    )
    mail.add_mailbox(access.object_id, folders, messages)
    calendars = [
        Calendar("c-default", "Calendar", True, True),
        Calendar("c-team", seed.other_calendar, False, True),
    ]
    events = [_memory_event(number, each, "c-default") for number, each in enumerate(seed.occurrences)]
    events.append(_memory_event(99, seed.other_event, "c-team"))
    calendar.add_mailbox(access.object_id, calendars, events)
    return MailboxUnderTest("memory", mail, calendar, access)


def _memory_message(number: int, seed: SeedMessage, *, draft: bool = False) -> Message:
    return Message(
        id=f"m-{number}",
        folder_id="f-drafts" if draft else "f-inbox",
        conversation_id=f"t-{number}",
        internet_message_id=f"<{number}@harbourvale.example>",
        subject=seed.subject,
        sender=OWNER if draft else SENDER,
        to=(SENDER,) if draft else (OWNER,),
        received_at=seed.received_at,
        sent_at=seed.received_at,
        is_read=seed.is_read,
        is_draft=draft,
        has_attachments=any(not inline for *_, inline in seed.attachments),
        importance=seed.importance,
        categories=seed.categories,
        preview="Hello, the figures & a picture." if seed.html else seed.text or "",
        version="1",
        cc=seed.cc,
        reply_to=seed.reply_to,
        text=seed.text,
        html=seed.html,
        attachments=tuple(
            AttachmentInfo(f"a-{name}", name, kind, len(content), inline, "logo" if inline else None)
            for name, kind, content, inline in seed.attachments
        ),
        headers={seed.header[0]: (seed.header[1],)} if seed.header else {},
    )


def _memory_event(number: int, seed: SeedOccurrence, calendar_id: str) -> CalendarEvent:
    return CalendarEvent(
        id=f"e-{number:02d}",
        calendar_id=calendar_id,
        series_id=seed.series,
        ical_uid=f"uid-{number}",
        kind=seed.kind,
        subject=seed.subject,
        starts_at=seed.starts_at,
        ends_at=seed.ends_at,
        is_all_day=seed.is_all_day,
        time_zone=seed.time_zone,
        location=seed.location,
        show_as=seed.show_as,
        is_cancelled=False,
        sensitivity=Sensitivity.PRIVATE if seed.is_private else Sensitivity.NORMAL,
        is_organizer=True,
        organizer=OWNER,
        attendees=seed.attendees,
        my_response=Response.ORGANIZER,
        online_meeting_url=None,
        preview="",
        version="1",
    )


# -- Microsoft's schemas ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def load_checker() -> Callable[[str], ModuleType]:
    """Loads a checker of Microsoft's published schemas, or skips where they are not at hand."""
    beside = Path(__file__).parents[3] / "shared" / "conformance"
    folder = Path(os.environ.get("MICROSOFT_SCHEMAS", beside))

    def load(name: str) -> ModuleType:
        path = folder / f"{name}.py"
        if not path.exists():
            pytest.skip("Microsoft's schemas are not here; MICROSOFT_SCHEMAS names their folder")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


Pages = Callable[[Callable[[str | None], Awaitable[Any]]], Awaitable[list[Any]]]


@pytest.fixture(scope="session")
def read_all() -> Pages:
    """Walks a list to its end and returns its items."""

    async def walk(fetch: Callable[[str | None], Awaitable[Any]]) -> list[Any]:
        items: list[Any] = []
        cursor: str | None = None
        for _ in range(200):
            page = await fetch(cursor)
            items.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return items
        raise AssertionError("the list does not end")

    return walk
