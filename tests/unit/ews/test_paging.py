"""Pages of a calendar window and of a folder, over an Exchange that finds only so many at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.adapters.ews import calendar_view
from ostiary.adapters.ews.calendar import EWSCalendarGateway
from ostiary.adapters.ews.mail import EWSMailGateway
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import MESSAGES, TYPES, Element, M, T
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.secret import Secret

BEGIN = datetime(2026, 12, 1, tzinfo=UTC)
WINDOWS_ZONES = {
    "Europe/Berlin": "W. Europe Standard Time",
    "America/Los_Angeles": "Pacific Standard Time",
    "Pacific/Auckland": "New Zealand Standard Time",
    "Etc/UTC": "UTC",
}


async def _token(refused: bool) -> Secret:
    return Secret("t")


MAILBOX = MailboxAccess("con_1", "tid", "oid", "tom.ellis@harbourvale.example", _token)


@dataclass
class Stored:
    """An event as Exchange stores it."""

    number: int
    start: datetime
    end: datetime
    zone: str = "Etc/UTC"
    all_day: bool = False
    series: str | None = None

    @property
    def id(self) -> str:
        return f"E{self.number:04d}"


@dataclass
class FakeExchange:
    """Answers FindItem with a CalendarView or a page, and GetItem; as much of EWS as paging needs."""

    events: list[Stored] = field(default_factory=list[Stored])
    message_ids: list[str] = field(default_factory=list[str])
    gone: set[str] = field(default_factory=set[str])
    most_found: int = 1000
    calls: list[str] = field(default_factory=list[str])

    async def call(self, mailbox: MailboxAccess, operation: str, body: str) -> Element:
        self.calls.append(operation)
        request = etree.fromstring(f'<r xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">{body}</r>')[0]
        inner = self._find(request) if operation == "FindItem" else self._get(request)
        return etree.fromstring(
            f'<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
            f"<m:ResponseMessages>{inner}</m:ResponseMessages></m:{operation}Response>"
        )

    def _find(self, request: Element) -> str:
        view = request.find(f"{M}CalendarView")
        if view is None:
            page = request.find(f"{M}IndexedPageItemView")
            assert page is not None
            offset, most = int(page.get("Offset") or 0), int(page.get("MaxEntriesReturned") or 0)
            found = [
                f'<t:Message><t:ItemId Id="{each}" ChangeKey="1"/></t:Message>'
                for each in self.message_ids[offset : offset + most]
            ]
            is_last = offset + most >= len(self.message_ids)
        else:
            start = datetime.fromisoformat(view.get("StartDate") or "")
            end = datetime.fromisoformat(view.get("EndDate") or "")
            assert end - start <= timedelta(days=732)
            most = min(int(view.get("MaxEntriesReturned") or 0), self.most_found)
            fitting = sorted(
                (each for each in self.events if each.start < end and each.end > start),
                key=lambda each: each.start,
            )
            found = [self._event(each, for_find=True) for each in fitting[:most]]
            is_last = len(fitting) <= most
        return (
            '<m:FindItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
            f'<m:RootFolder IncludesLastItemInRange="{str(is_last).lower()}"><t:Items>{"".join(found)}</t:Items>'
            "</m:RootFolder></m:FindItemResponseMessage>"
        )

    def _get(self, request: Element) -> str:
        answers: list[str] = []
        events = {each.id: each for each in self.events}
        for node in request.iterfind(f"{M}ItemIds/*"):
            wanted = node.get("Id") or node.get("OccurrenceId") or ""
            if wanted in self.gone:
                answers.append(
                    '<m:GetItemResponseMessage ResponseClass="Error"><m:ResponseCode>ErrorItemNotFound'
                    "</m:ResponseCode><m:Items/></m:GetItemResponseMessage>"
                )
                continue
            if node.tag == f"{T}RecurringMasterItemId":
                item = f'<t:CalendarItem><t:ItemId Id="{events[wanted].series}"/></t:CalendarItem>'
            elif wanted in events:
                item = self._event(events[wanted], for_find=False)
            else:
                item = f'<t:Message><t:ItemId Id="{wanted}" ChangeKey="1"/></t:Message>'
            answers.append(
                '<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
                f"<m:Items>{item}</m:Items></m:GetItemResponseMessage>"
            )
        return "".join(answers)

    @staticmethod
    def _event(event: Stored, *, for_find: bool) -> str:
        kind = "Occurrence" if event.series else "Single"
        zone = "" if for_find else f"<t:StartTimeZoneId>{WINDOWS_ZONES[event.zone]}</t:StartTimeZoneId>"
        return (
            f'<t:CalendarItem><t:ItemId Id="{event.id}" ChangeKey="1"/><t:UID>{event.series or event.id}</t:UID>'
            f"<t:Start>{event.start:%Y-%m-%dT%H:%M:%SZ}</t:Start><t:End>{event.end:%Y-%m-%dT%H:%M:%SZ}</t:End>"
            f"<t:IsAllDayEvent>{str(event.all_day).lower()}</t:IsAllDayEvent>"
            f"<t:CalendarItemType>{kind}</t:CalendarItemType>{zone}</t:CalendarItem>"
        )


def shown_as(event: Stored) -> tuple[datetime, datetime]:
    if not event.all_day:
        return event.start, event.end

    def day(at: datetime) -> datetime:
        local = at.astimezone(ZoneInfo(event.zone))
        return datetime(local.year, local.month, local.day, tzinfo=UTC)

    return day(event.start), day(event.end)


@st.composite
def stored_events(draw: st.DrawFn) -> list[Stored]:
    events: list[Stored] = []
    for number in range(draw(st.integers(0, 25))):
        zone = draw(st.sampled_from(sorted(WINDOWS_ZONES)))
        # Many starts at the same moment, and some far from the window.
        minutes = draw(st.sampled_from([0, 0, 30, 90]) | st.integers(-5_000, 400_000))
        if draw(st.booleans()):
            start = BEGIN + timedelta(minutes=minutes)
            events.append(
                Stored(number, start, start + timedelta(minutes=draw(st.sampled_from([15, 60, 3000]))), zone)
            )
        else:
            date = (BEGIN + timedelta(minutes=minutes)).date()
            first = datetime(date.year, date.month, date.day, tzinfo=ZoneInfo(zone))
            last = (first + timedelta(days=draw(st.integers(1, 4)))).astimezone(UTC)
            events.append(Stored(number, first.astimezone(UTC), last, zone, all_day=True))
    return events


async def read_window(gateway: EWSCalendarGateway, days: int, limit: int) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(300):
        page = await gateway.list_events(
            MAILBOX, starts_at=BEGIN, ends_at=BEGIN + timedelta(days=days), cursor=cursor, limit=limit
        )
        assert len(page.items) <= limit
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("the window does not end")


@settings(max_examples=150, deadline=None)
@given(
    events=stored_events(),
    days=st.sampled_from([1, 3, 30, 200, 730]),
    limit=st.sampled_from([1, 3, 50]),
    most_found=st.sampled_from([8, 1000]),
)
def test_pages_of_a_window_lose_and_repeat_nothing(
    events: list[Stored], days: int, limit: int, most_found: int
) -> None:
    exchange = FakeExchange(events, most_found=most_found)
    gateway = EWSCalendarGateway(cast("EWSSession", exchange))
    end = BEGIN + timedelta(days=days)
    expected = {
        each.id: shown_as(each) for each in events if shown_as(each)[0] < end and shown_as(each)[1] > BEGIN
    }
    crowded = any(
        sum(other.start < each.start + timedelta(hours=42) and other.end > each.start for other in events)
        >= most_found
        for each in events
    )

    found = asyncio.run(read_window(gateway, days, limit))

    ids = [event.id for event in found]
    assert len(ids) == len(set(ids))
    assert {event.id: (event.starts_at, event.ends_at) for event in found}.items() <= expected.items()
    if not crowded:
        assert set(ids) == set(expected)
    if all(each.zone != "Pacific/Auckland" for each in events):
        starts = [event.starts_at for event in found]
        assert starts == sorted(starts)


async def test_a_usual_window_costs_two_calls_and_a_year_one_more_look_a_quarter() -> None:
    hours = [Stored(n, BEGIN + timedelta(hours=n), BEGIN + timedelta(hours=n + 1)) for n in range(20)]
    exchange = FakeExchange(hours)
    gateway = EWSCalendarGateway(cast("EWSSession", exchange))

    await gateway.list_events(MAILBOX, starts_at=BEGIN, ends_at=BEGIN + timedelta(days=7))
    assert exchange.calls == ["FindItem", "GetItem"]

    exchange.calls.clear()
    await gateway.list_events(MAILBOX, starts_at=BEGIN, ends_at=BEGIN + timedelta(days=365))
    assert exchange.calls.count("FindItem") <= 6
    assert exchange.calls.count("GetItem") == 1


async def test_series_of_occurrences_is_asked_for_once_per_series() -> None:
    day = timedelta(days=1)
    events = [
        Stored(n, BEGIN + n * day, BEGIN + n * day + timedelta(hours=1), series=f"S{n % 2}")
        for n in range(10)
    ]
    exchange = FakeExchange(events)
    gateway = EWSCalendarGateway(cast("EWSSession", exchange))

    page = await gateway.list_events(MAILBOX, starts_at=BEGIN, ends_at=BEGIN + timedelta(days=30))

    assert [event.series_id for event in page.items] == [f"S{n % 2}" for n in range(10)]
    assert exchange.calls == ["FindItem", "GetItem"]


async def test_event_that_went_away_between_the_two_calls_is_left_out() -> None:
    events = [Stored(n, BEGIN + timedelta(hours=n), BEGIN + timedelta(hours=n + 1)) for n in range(5)]
    exchange = FakeExchange(events, gone={"E0002"})
    gateway = EWSCalendarGateway(cast("EWSSession", exchange))

    page = await gateway.list_events(MAILBOX, starts_at=BEGIN, ends_at=BEGIN + timedelta(days=1))

    assert [event.id for event in page.items] == ["E0000", "E0001", "E0003", "E0004"]


async def test_large_pages_are_got_in_batches() -> None:
    exchange = FakeExchange(message_ids=[f"M{number:04d}" for number in range(450)])
    gateway = EWSMailGateway(cast("EWSSession", exchange))

    page = await gateway.list_messages(MAILBOX, folder_id="inbox", limit=250)

    assert len(page.items) == 250
    assert exchange.calls == ["FindItem", "GetItem", "GetItem", "GetItem"]


@pytest.mark.parametrize("gone", [set(), {"M0003"}, {f"M{n:04d}" for n in range(7)}])
async def test_message_that_went_away_between_the_two_calls_is_left_out(gone: set[str]) -> None:
    exchange = FakeExchange(message_ids=[f"M{number:04d}" for number in range(10)], gone=gone)
    gateway = EWSMailGateway(cast("EWSSession", exchange))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await gateway.list_messages(MAILBOX, folder_id="inbox", limit=4, cursor=cursor)
        found += [message.id for message in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == [each for each in exchange.message_ids if each not in gone]


async def test_a_crowded_stretch_is_looked_at_in_smaller_steps() -> None:
    events = [
        Stored(n, BEGIN + timedelta(hours=6 * n), BEGIN + timedelta(hours=6 * n + 1)) for n in range(120)
    ]
    exchange = FakeExchange(events, most_found=20)
    gateway = EWSCalendarGateway(cast("EWSSession", exchange))
    with patch.object(calendar_view, "MOST_FOUND", 20):
        found = await read_window(gateway, 30, 50)

    assert [event.id for event in found] == [each.id for each in events]
