"""Answers that hold something else than they should: read, or refused by one named error, never a crash."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from lxml import etree

from ostiary.adapters.ews.codec import calendar as ews
from ostiary.adapters.ews.codec import schedule as ews_schedule
from ostiary.adapters.ews.soap import MESSAGES, TYPES
from ostiary.adapters.graph.codec import calendar as graph
from ostiary.adapters.graph.codec import schedule as graph_schedule
from ostiary.core.calendar.availability import Schedule, SlotSearch, find_free_slots
from ostiary.core.calendar.model import CalendarEvent
from ostiary.core.calendar.recurrence import dates
from ostiary.core.calendar.times import original_day
from ostiary.core.kernel.errors import ProviderContractBroken

AT = datetime(2027, 1, 4, tzinfo=UTC)
STEP = timedelta(minutes=5)
PERSON = {"emailAddress": {"name": "Dana Okafor", "address": "dana.okafor@harbourvale.example"}}
EDGE = {"dateTime": "2027-01-04T10:00:00.0000000", "timeZone": "UTC"}
EVENT: dict[str, Any] = {
    "id": "AAkA",
    "changeKey": "CQ",
    "type": "seriesMaster",
    "subject": "s",
    "start": EDGE,
    "end": EDGE,
    "isAllDay": False,
    "originalStart": "2027-01-04T10:00:00Z",
    "originalStartTimeZone": "W. Europe Standard Time",
    "location": {"displayName": "x"},
    "showAs": "busy",
    "sensitivity": "private",
    "organizer": PERSON,
    "attendees": [{**PERSON, "type": "required", "status": {"response": "accepted"}}],
    "responseStatus": {"response": "organizer"},
    "onlineMeeting": {"joinUrl": "https://meet.harbourvale.example/1"},
    "body": {"contentType": "html", "content": "<p>x</p>"},
    "categories": ["Blue"],
    "isReminderOn": True,
    "reminderMinutesBeforeStart": 5,
    "recurrence": {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "sunday"},
        "range": {"type": "endDate", "startDate": "2027-01-04", "endDate": "2027-03-01"},
    },
    "cancelledOccurrences": ["OID.AAkA.2027-01-11"],
    "exceptionOccurrences": [],
    "calendar": {"id": "AAMk"},
}
SCHEDULE: dict[str, Any] = {
    "scheduleId": "x",
    "availabilityView": "0220",
    "scheduleItems": [{"status": "busy", "start": EDGE, "end": EDGE, "subject": "x"}],
    "workingHours": {
        "daysOfWeek": ["monday"],
        "startTime": "08:00:00.0000000",
        "endTime": "17:00:00.0000000",
        "timeZone": {"name": "W. Europe Standard Time"},
    },
}
EDGES = ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59-05:00", "0001-01-01")
JUNK: tuple[Any, ...] = (
    None,
    True,
    7,
    -1,
    "",
    "someday",
    "\x00",
    [],
    [None],
    {},
    {"x": 1},
    "9" * 400,
    *EDGES,
)


def broken_copies(value: Any) -> Iterator[Any]:
    """Yield copies with one place replaced by junk, and with one place missing."""

    def places(node: Any, way: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        items: Any = (
            node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        )
        for key, child in items:
            yield (*way, key)
            yield from places(child, (*way, key))

    for *way, last in places(value, ()):
        for junk in JUNK:
            twin = copy.deepcopy(value)
            node = twin
            for step in way:
                node = node[step]
            node[last] = junk
            yield twin


def reckon(read: Any) -> None:
    """Do with an event what the use cases do."""
    event = read if isinstance(read, CalendarEvent) else read.event
    original_day(event)
    if event.recurrence is not None:
        list(islice(dates(event.recurrence), 3))


def use(schedule: Schedule) -> None:
    find_free_slots([schedule], SlotSearch(AT, AT + timedelta(days=3), STEP))


def test_graph_events_and_series() -> None:
    assert graph.series(EVENT).event.subject == "s"
    tried = 0
    for twin in broken_copies(EVENT):
        for read in (graph.series, lambda entity: graph.event(entity, calendar_id=None)):
            with contextlib.suppress(ProviderContractBroken):
                reckon(read(twin))
            tried += 1
    assert tried > 1000


def test_graph_schedules() -> None:
    assert graph_schedule.schedule(SCHEDULE, "x", AT, STEP).busy
    for twin in broken_copies(SCHEDULE):
        with contextlib.suppress(ProviderContractBroken):
            use(graph_schedule.schedule(twin, "x", AT, STEP))


ITEM = """<t:CalendarItem><t:ItemId Id="AAMk" ChangeKey="CQ"/><t:ParentFolderId Id="AAMk"/><t:Subject>s</t:Subject>
<t:Sensitivity>Private</t:Sensitivity><t:Body BodyType="HTML">x</t:Body><t:Categories><t:String>B</t:String></t:Categories>
<t:ReminderIsSet>true</t:ReminderIsSet><t:ReminderMinutesBeforeStart>5</t:ReminderMinutesBeforeStart><t:UID>u</t:UID>
<t:Start>2027-01-04T10:00:00Z</t:Start><t:End>2027-01-04T11:00:00Z</t:End><t:OriginalStart>2027-01-04T10:00:00Z</t:OriginalStart>
<t:IsAllDayEvent>true</t:IsAllDayEvent><t:CalendarItemType>RecurringMaster</t:CalendarItemType>
<t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>a@harbourvale.example</t:EmailAddress></t:Mailbox></t:Attendee>
</t:RequiredAttendees><t:Recurrence><t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek>
<t:DayOfWeekIndex>First</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence><t:EndDateRecurrence><t:StartDate>2027-01-04</t:StartDate>
<t:EndDate>2027-09-04</t:EndDate></t:EndDateRecurrence></t:Recurrence><t:ModifiedOccurrences>
<t:Occurrence><t:ItemId Id="AAMk"/>
</t:Occurrence></t:ModifiedOccurrences><t:DeletedOccurrences><t:DeletedOccurrence><t:Start>2027-01-04T10:00:00Z</t:Start>
</t:DeletedOccurrence></t:DeletedOccurrences>
<t:StartTimeZoneId>W. Europe Standard Time</t:StartTimeZoneId></t:CalendarItem>"""
FREE_BUSY = """<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>
</m:ResponseMessage><m:FreeBusyView><t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType><t:MergedFreeBusy>022</t:MergedFreeBusy>
<t:CalendarEventArray><t:CalendarEvent><t:StartTime>2027-01-04T10:00:00</t:StartTime><t:EndTime>2027-01-04T11:00:00</t:EndTime>
<t:BusyType>Busy</t:BusyType></t:CalendarEvent></t:CalendarEventArray><t:WorkingHours><t:TimeZone><t:Bias>-60</t:Bias>
<t:StandardTime><t:Bias>0</t:Bias><t:Time>03:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>10</t:Month>
<t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias><t:Time>02:00:00</t:Time>
<t:DayOrder>5</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone>
<t:WorkingPeriodArray><t:WorkingPeriod><t:DayOfWeek>Monday Weekday</t:DayOfWeek>
<t:StartTimeInMinutes>480</t:StartTimeInMinutes>
<t:EndTimeInMinutes>1020</t:EndTimeInMinutes></t:WorkingPeriod></t:WorkingPeriodArray></t:WorkingHours></m:FreeBusyView>
</m:FreeBusyResponse>"""


def xml_copies(xml: str) -> Iterator[Any]:
    """Yield the document with one element's text replaced by junk, or with one element missing."""
    source = f'<r xmlns:t="{TYPES}" xmlns:m="{MESSAGES}">{xml}</r>'
    count = len(list(etree.fromstring(source).iter())) - 2
    for number in range(count):
        for junk in ("", "someday", "-1", "9" * 400, "2027-99-99T10:00:00Z", *EDGES, None):
            root = etree.fromstring(source)
            node = list(root.iter())[number + 2]
            if junk is None:
                parent = node.getparent()
                assert parent is not None
                parent.remove(node)
            else:
                node.text = junk
            yield root[0]


def read_item(node: Any) -> None:
    reckon(ews.event(node, calendar_id=None, series_id=None))
    ews.cancelled_on(node)
    ews.exception_ids(node)
    ews.parent_id(node)


@pytest.mark.parametrize(
    ("xml", "read"),
    [(ITEM, read_item), (FREE_BUSY, lambda node: use(ews_schedule.schedule(node, "x", AT, STEP)))],
    ids=["item", "schedule"],
)
def test_ews_items_and_schedules(xml: str, read: Any) -> None:
    read(etree.fromstring(f'<r xmlns:t="{TYPES}" xmlns:m="{MESSAGES}">{xml}</r>')[0])
    for node in xml_copies(xml):
        with contextlib.suppress(ProviderContractBroken):
            read(node)
