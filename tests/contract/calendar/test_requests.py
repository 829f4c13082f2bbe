"""What is written to Microsoft has a place in Microsoft's own schemas."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from ostiary.adapters.ews.codec.event_xml import draft_xml, updates_xml
from ostiary.adapters.ews.operations import (
    answer_meeting,
    create_calendar_item,
    delete_calendar_item,
    find_stamped,
    update_calendar_item,
)
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.soap import envelope
from ostiary.adapters.graph.codec.event_json import change_json, draft_json
from ostiary.core.calendar.drafts import Answer, Body, EventChange, EventDraft, Invitee
from ostiary.core.calendar.model import AttendeeKind, Sensitivity, ShowAs
from ostiary.core.calendar.recurrence import WEEK, Pattern, Recurrence, WeekIndex
from ostiary.core.calendar.times import EventTimes, wall_times
from ostiary.core.kernel.mail_address import MailAddress

DAY = date(2027, 1, 4)
PATTERNS = [
    Recurrence(Pattern.DAILY, DAY, interval=3),
    Recurrence(Pattern.WEEKLY, DAY, days=WEEK[:2], ends_on=date(2027, 6, 1)),
    Recurrence(Pattern.ABSOLUTE_MONTHLY, DAY, day_of_month=31, count=3),
    Recurrence(Pattern.RELATIVE_MONTHLY, DAY, days=WEEK[:5], index=WeekIndex.LAST),
    Recurrence(Pattern.ABSOLUTE_YEARLY, DAY, day_of_month=29, month=2),
    Recurrence(Pattern.ABSOLUTE_YEARLY, DAY, interval=2, day_of_month=29, month=2),
    Recurrence(Pattern.RELATIVE_YEARLY, DAY, days=(WEEK[0],), index=WeekIndex.SECOND, month=10),
]


def draft(recurrence: Recurrence | None, show_as: ShowAs = ShowAs.BUSY) -> EventDraft:
    start = datetime(2027, 1, 4, 10)
    times = EventTimes(start, start + timedelta(hours=1), time_zone="Europe/Vienna")
    return EventDraft(
        subject="A <b> & c",
        times=wall_times(times, own_zone="Etc/UTC"),
        recurrence=recurrence,
        location="Room & lobby",
        body=Body("<p>x</p>", is_html=True),
        attendees=tuple(
            Invitee(MailAddress(f"{kind.value}@harbourvale.example", kind.value), kind)
            for kind in AttendeeKind
        ),
        show_as=show_as,
        sensitivity=Sensitivity.CONFIDENTIAL,
        categories=("Blue category",),
        reminder_minutes=5,
    )


def whole(of: EventDraft) -> EventChange:
    return EventChange(**{name: getattr(of, name) for name in EventDraft.__dataclass_fields__})


@pytest.mark.parametrize("recurrence", [None, *PATTERNS])
def test_events_as_graph_gets_them(load_checker: Any, recurrence: Recurrence | None) -> None:
    checker = load_checker("graph_schema")
    wanted = draft(recurrence)

    for body in (draft_json(wanted, "stamp"), change_json(whole(wanted), wanted.times)):
        assert checker.violations(body, "event") == []
    for show_as in ShowAs:
        assert checker.violations(draft_json(draft(None, show_as), "stamp"), "event") == []


@pytest.mark.parametrize("recurrence", [None, *PATTERNS])
def test_events_as_ews_gets_them(load_checker: Any, recurrence: Recurrence | None) -> None:
    checker = load_checker("ews_schema")
    wanted = draft(recurrence)
    empty = EventChange(
        location="", categories=(), attendees=(), recurrence=None, reminder_minutes=None, body=None
    )
    requests = [
        create_calendar_item.request(FolderId.named("calendar"), draft_xml(wanted, "stamp"), notify=True),
        update_calendar_item.request("AAMk", updates_xml(whole(wanted)), version="CQAA", notify=True),
        update_calendar_item.request("AAMk", updates_xml(empty), version=None, notify=False),
        delete_calendar_item.request("AAMk", notify=False),
        find_stamped.request(FolderId.by_id("AAMk"), "stamp"),
        answer_meeting.cancel_request("AAMk", "CQAA", comment="So & so"),
        *(
            answer_meeting.answer_request("AAMk", "CQAA", answer, comment=comment, send=send)
            for answer in Answer
            for comment, send in (("", True), ("So <so>", False))
        ),
    ]

    for request in requests:
        assert checker.violations(envelope(request)) == [], request
