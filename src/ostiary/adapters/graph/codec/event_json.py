"""Our drafts and changes of events as Graph takes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ostiary.adapters.graph.codec.json_shape import JSONObject
from ostiary.adapters.graph.codec.recurrence import recurrence_json
from ostiary.core.calendar.drafts import UNCHANGED, Body, EventChange, EventDraft, Invitee
from ostiary.core.calendar.model import ShowAs
from ostiary.core.calendar.recurrence import Recurrence
from ostiary.core.calendar.time_zones import windows_zone_name
from ostiary.core.calendar.times import WallTimes, to_moment

STAMP_PROPERTY: Final = "String {00020329-0000-0000-c000-000000000046} Name OstiaryCreation"
"""Where the stamp of a creation is kept, in the property set for programs' own names (graph.md §7)."""

_SHOW_AS: Final = {
    ShowAs.OUT_OF_OFFICE: "oof",
    ShowAs.WORKING_ELSEWHERE: "workingElsewhere",
}


def draft_json(draft: EventDraft, stamp: str) -> JSONObject:
    """Return a new event. The stamp goes along twice: Graph itself refuses to create under the same one again."""
    body = change_json(
        EventChange(**{name: getattr(draft, name) for name in EventDraft.__dataclass_fields__}), draft.times
    )
    if draft.recurrence is None:
        del body["recurrence"]
    if not draft.is_online_meeting:
        del body["isOnlineMeeting"]
    body["transactionId"] = stamp
    body["singleValueExtendedProperties"] = [{"id": STAMP_PROPERTY, "value": stamp}]
    return body


def change_json(change: EventChange, times: WallTimes | None) -> JSONObject:
    """Return what shall be different. ``times`` says in which zone a recurrence's days are, where it changes."""
    body: JSONObject = {}
    if change.subject is not UNCHANGED:
        body["subject"] = change.subject
    if change.times is not UNCHANGED:
        body |= _times(change.times, is_series=isinstance(change.recurrence, Recurrence))
    if change.recurrence is not UNCHANGED:
        body["recurrence"] = recurrence_json(change.recurrence, _zone_name(times) if times else "UTC")
    if change.location is not UNCHANGED:
        body["location"] = {"displayName": change.location}
    if change.body is not UNCHANGED:
        body["body"] = _body(change.body)
    if change.attendees is not UNCHANGED:
        body["attendees"] = _attendees(change.attendees)
    if change.show_as is not UNCHANGED:
        body["showAs"] = _SHOW_AS.get(change.show_as, change.show_as.value)
    if change.sensitivity is not UNCHANGED:
        body["sensitivity"] = change.sensitivity.value
    if change.categories is not UNCHANGED:
        body["categories"] = list(change.categories)
    if change.reminder_minutes is not UNCHANGED:
        body |= _reminder(change.reminder_minutes)
    if change.is_online_meeting is not UNCHANGED:
        body["isOnlineMeeting"] = change.is_online_meeting
        if change.is_online_meeting:
            body["onlineMeetingProvider"] = "teamsForBusiness"
    return body


def _times(times: WallTimes, *, is_series: bool) -> JSONObject:
    if (
        not is_series
        and not times.is_all_day
        and (_is_second(times.start, times) or _is_second(times.end, times))
    ):
        # Of an hour that the clocks repeat Graph reads the first; the second can only be named in UTC.
        start, end = (at.replace(tzinfo=None) for at in (times.starts_at, times.ends_at))
        return {"start": _edge(start, "UTC"), "end": _edge(end, "UTC"), "isAllDay": False}
    name = _zone_name(times)
    return {
        "start": _edge(times.start, name),
        "end": _edge(times.end, name),
        "isAllDay": times.is_all_day,
    }


def _is_second(wall: datetime, times: WallTimes) -> bool:
    return wall.fold == 1 and to_moment(wall, times.zone) != to_moment(wall.replace(fold=0), times.zone)


def _edge(wall: datetime, zone: str) -> JSONObject:
    return {"dateTime": wall.isoformat(timespec="seconds"), "timeZone": zone}


def _zone_name(times: WallTimes) -> str:
    return windows_zone_name(times.zone, year=times.start.year)


def _body(body: Body | None) -> JSONObject:
    if body is None:
        return {"contentType": "text", "content": ""}
    return {"contentType": "html" if body.is_html else "text", "content": body.content}


def _attendees(invitees: Sequence[Invitee]) -> list[JSONObject]:
    return [
        {
            "emailAddress": {"address": each.who.address, "name": each.who.name or each.who.address},
            "type": each.kind.value,
        }
        for each in invitees
    ]


def _reminder(minutes: int | None) -> JSONObject:
    if minutes is None:
        return {"isReminderOn": False}
    return {"isReminderOn": True, "reminderMinutesBeforeStart": minutes}
