"""Our drafts and changes of events as Exchange takes them. The order of elements is that of Microsoft's schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from ostiary.adapters.ews.codec.recurrence import recurrence_xml
from ostiary.adapters.ews.soap import attribute
from ostiary.core.calendar.drafts import UNCHANGED, Body, EventChange, EventDraft, Invitee
from ostiary.core.calendar.model import AttendeeKind, ShowAs
from ostiary.core.calendar.time_zones import windows_zone_name
from ostiary.core.calendar.times import WallTimes
from ostiary.core.kernel.errors import InvalidRequest

STAMP_PATH: Final = (
    '<t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="OstiaryCreation" '
    'PropertyType="String"/>'
)
"""Where the stamp of a creation is kept, in the property set for programs' own names (ews.md §6)."""

_SHOW_AS: Final = {
    ShowAs.FREE: "Free",
    ShowAs.TENTATIVE: "Tentative",
    ShowAs.BUSY: "Busy",
    ShowAs.OUT_OF_OFFICE: "OOF",
    ShowAs.WORKING_ELSEWHERE: "WorkingElsewhere",
    ShowAs.UNKNOWN: "NoData",
}
_LISTS: Final = (
    (AttendeeKind.REQUIRED, "RequiredAttendees"),
    (AttendeeKind.OPTIONAL, "OptionalAttendees"),
    (AttendeeKind.RESOURCE, "Resources"),
)
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def draft_xml(draft: EventDraft, stamp: str) -> str:
    """Return a ``CalendarItem`` for CreateItem.

    Source: EWS CalendarItem element; MS-OXWSMTGS, MS-OXWSCORE.
    """
    times = draft.times
    zone = attribute(windows_zone_name(times.zone, year=times.start.year))
    return (
        "<t:CalendarItem>"
        f"<t:Subject>{xml_text(draft.subject)}</t:Subject>"
        f"<t:Sensitivity>{draft.sensitivity.value.capitalize()}</t:Sensitivity>"
        f"{_body(draft.body) if draft.body else ''}"
        f"{_categories(draft.categories) if draft.categories else ''}"
        f"{_reminder(draft.reminder_minutes)}"
        f"<t:ExtendedProperty>{STAMP_PATH}<t:Value>{xml_text(stamp)}</t:Value></t:ExtendedProperty>"
        f"<t:Start>{_moment(times.starts_at)}</t:Start><t:End>{_moment(times.ends_at)}</t:End>"
        f"<t:IsAllDayEvent>{_flag(times.is_all_day)}</t:IsAllDayEvent>"
        f"<t:LegacyFreeBusyStatus>{_SHOW_AS[draft.show_as]}</t:LegacyFreeBusyStatus>"
        f"<t:Location>{xml_text(draft.location)}</t:Location>"
        f"{''.join(_attendees(name, people) for name, people in _by_list(draft.attendees) if people)}"
        f"{recurrence_xml(draft.recurrence) if draft.recurrence else ''}"
        f"<t:StartTimeZone Id={zone}/><t:EndTimeZone Id={zone}/>"
        "</t:CalendarItem>"
    )


def updates_xml(change: EventChange) -> str:
    """Return the updates of UpdateItem, one property each.

    Source: EWS UpdateItem operation (ews.md §6).
    """
    return "".join(_updates(change))


def _updates(change: EventChange) -> Iterator[str]:
    if change.subject is not UNCHANGED:
        yield _set("item:Subject", f"<t:Subject>{xml_text(change.subject)}</t:Subject>")
    if change.sensitivity is not UNCHANGED:
        word = change.sensitivity.value.capitalize()
        yield _set("item:Sensitivity", f"<t:Sensitivity>{word}</t:Sensitivity>")
    if change.body is not UNCHANGED:
        yield _set("item:Body", _body(change.body or Body("")))
    if change.categories is not UNCHANGED:
        yield _set_or_delete("item:Categories", _categories(change.categories), bool(change.categories))
    if change.reminder_minutes is not UNCHANGED:
        yield from _reminder_updates(change.reminder_minutes)
    if change.times is not UNCHANGED:
        yield from _time_updates(change.times)
    if change.show_as is not UNCHANGED:
        word = _SHOW_AS[change.show_as]
        yield _set(
            "calendar:LegacyFreeBusyStatus", f"<t:LegacyFreeBusyStatus>{word}</t:LegacyFreeBusyStatus>"
        )
    if change.location is not UNCHANGED:
        place = f"<t:Location>{xml_text(change.location)}</t:Location>"
        yield _set_or_delete("calendar:Location", place, bool(change.location))
    if change.attendees is not UNCHANGED:
        for name, people in _by_list(change.attendees):
            yield _set_or_delete(f"calendar:{name}", _attendees(name, people), bool(people))
    if change.recurrence is not UNCHANGED:
        written = "" if change.recurrence is None else recurrence_xml(change.recurrence)
        yield _set_or_delete("calendar:Recurrence", written, bool(written))


def xml_text(value: str) -> str:
    """Return text for an element.

    Raises:
        InvalidRequest: It holds a character that no XML can carry, such as NUL.
    """
    if _NOT_XML.search(value):
        raise InvalidRequest("The text holds a control character that Microsoft does not take.")
    return escape(value)


def comment_xml(comment: str, name: str) -> str:
    """Return a comment as a plain text body; nothing for none."""
    return f'<t:{name} BodyType="Text">{xml_text(comment)}</t:{name}>' if comment else ""


def _time_updates(times: WallTimes) -> Iterator[str]:
    zone = attribute(windows_zone_name(times.zone, year=times.start.year))
    # The zone first: an all-day event is laid on the midnights of its zone.
    yield _set("calendar:StartTimeZone", f"<t:StartTimeZone Id={zone}/>")
    yield _set("calendar:EndTimeZone", f"<t:EndTimeZone Id={zone}/>")
    yield _set("calendar:Start", f"<t:Start>{_moment(times.starts_at)}</t:Start>")
    yield _set("calendar:End", f"<t:End>{_moment(times.ends_at)}</t:End>")
    yield _set("calendar:IsAllDayEvent", f"<t:IsAllDayEvent>{_flag(times.is_all_day)}</t:IsAllDayEvent>")


def _reminder_updates(minutes: int | None) -> Iterator[str]:
    yield _set("item:ReminderIsSet", f"<t:ReminderIsSet>{_flag(minutes is not None)}</t:ReminderIsSet>")
    if minutes is not None:
        yield _set(
            "item:ReminderMinutesBeforeStart",
            f"<t:ReminderMinutesBeforeStart>{minutes}</t:ReminderMinutesBeforeStart>",
        )


def _reminder(minutes: int | None) -> str:
    lead = (
        "" if minutes is None else f"<t:ReminderMinutesBeforeStart>{minutes}</t:ReminderMinutesBeforeStart>"
    )
    return f"<t:ReminderIsSet>{_flag(minutes is not None)}</t:ReminderIsSet>{lead}"


def _set(uri: str, element: str) -> str:
    return (
        f'<t:SetItemField><t:FieldURI FieldURI="{uri}"/><t:CalendarItem>{element}</t:CalendarItem>'
        "</t:SetItemField>"
    )


def _set_or_delete(uri: str, element: str, has_value: bool) -> str:
    if has_value:
        return _set(uri, element)
    return f'<t:DeleteItemField><t:FieldURI FieldURI="{uri}"/></t:DeleteItemField>'


def _body(body: Body) -> str:
    return f'<t:Body BodyType="{"HTML" if body.is_html else "Text"}">{xml_text(body.content)}</t:Body>'


def _categories(names: Sequence[str]) -> str:
    strings = "".join(f"<t:String>{xml_text(name)}</t:String>" for name in names)
    return f"<t:Categories>{strings}</t:Categories>"


def _by_list(invitees: Sequence[Invitee]) -> Iterator[tuple[str, list[Invitee]]]:
    for kind, name in _LISTS:
        yield name, [each for each in invitees if each.kind is kind]


def _attendees(name: str, people: Sequence[Invitee]) -> str:
    listed = "".join(
        f"<t:Attendee><t:Mailbox>{f'<t:Name>{xml_text(each.who.name)}</t:Name>' if each.who.name else ''}"
        f"<t:EmailAddress>{xml_text(each.who.address)}</t:EmailAddress></t:Mailbox></t:Attendee>"
        for each in people
    )
    return f"<t:{name}>{listed}</t:{name}>"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _flag(value: bool) -> str:
    return "true" if value else "false"
