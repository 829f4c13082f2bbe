"""GetUserAvailability: when people are free and busy. Answers outside ``ResponseMessages``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from m365_emulator.ews import xml
from m365_emulator.ews.bias_zone import BiasZone, read_bias_zone, write_bias_zone
from m365_emulator.ews.call import FIRST_YEAR, LAST_YEAR, Call
from m365_emulator.ews.faults import ResponseError, SoapFault, schema_violation
from m365_emulator.ews.fields.values import FREE_BUSY, bool_element, text_element
from m365_emulator.ews.soap import Node, elements
from m365_emulator.world.mailbox import Mailbox, schedule
from m365_emulator.world.mailbox.event import DAYS
from m365_emulator.world.mailbox.timezones import iana_name

_MAX_MAILBOXES = 100
# Exchange's default for the longest window, configurable on a server of one's own.
_MAX_WINDOW = timedelta(days=42)
_VIEWS = frozenset({"None", "MergedOnly", "FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged"})


class _Options:
    """What ``t:FreeBusyViewOptions`` asks for."""

    def __init__(self, call: Call, zone: BiasZone) -> None:
        node = call.body.find(f"{xml.T}FreeBusyViewOptions")
        if node is None:
            raise schema_violation("The element 'FreeBusyViewOptions' is missing.")
        window = f"{xml.T}TimeWindow/{xml.T}"
        self.start = _moment(node.findtext(f"{window}StartTime") or "", zone)
        self.end = _moment(node.findtext(f"{window}EndTime") or "", zone)
        self.view = (node.findtext(f"{xml.T}RequestedView") or "FreeBusyMerged").strip()
        minutes = (node.findtext(f"{xml.T}MergedFreeBusyIntervalInMinutes") or "30").strip()
        if self.view not in _VIEWS:
            raise ResponseError("ErrorInvalidFreeBusyViewType", "The requested view is invalid.")
        if not minutes.isascii() or not minutes.isdigit() or not 5 <= int(minutes[:6]) <= 1440:
            raise ResponseError(
                "ErrorInvalidMergedFreeBusyInterval", "The interval must be from 5 to 1440 minutes."
            )
        self.interval = timedelta(minutes=int(minutes))
        if self.end <= self.start:
            raise ResponseError("ErrorInvalidTimeInterval", "The end of the window is not after its start.")
        if self.end - self.start > _MAX_WINDOW:
            raise ResponseError("ErrorTimeIntervalTooBig", "The window is longer than 42 days.")


def get_user_availability(call: Call) -> str:
    """Answer with one free/busy view per mailbox, in order.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuseravailability-operation
    """
    zone_node = call.body.find(f"{xml.T}TimeZone")
    if zone_node is None:
        raise SoapFault("ErrorTimeZone", "The time zone of the request is missing.")
    zone = read_bias_zone(zone_node)
    listed = call.body.find(f"{xml.M}MailboxDataArray")
    people = elements(listed) if listed is not None else []
    if not people:
        raise SoapFault("ErrorMailboxDataArrayEmpty", "The mailbox data array is empty.")
    if len(people) > _MAX_MAILBOXES:
        raise SoapFault("ErrorMailboxDataArrayTooBig", "The mailbox data array is too big.")
    try:
        options = _Options(call, zone)
    except ResponseError as error:
        answers = "".join(_failure(error) for _ in people)
    else:
        answers = "".join(_answer(call, person, zone, options) for person in people)
    return (
        f"<m:GetUserAvailabilityResponse><m:FreeBusyResponseArray>{answers}</m:FreeBusyResponseArray>"
        "</m:GetUserAvailabilityResponse>"
    )


def _answer(call: Call, person: Node, zone: BiasZone, options: _Options) -> str:
    address = (person.findtext(f"{xml.T}Email/{xml.T}Address") or "").strip()
    user = call.world.find_user(address, call.user.tenant) if address else None
    mailbox = call.world.mailbox_of(user) if user is not None else None
    if mailbox is None:
        return _failure(
            ResponseError("ErrorMailRecipientNotFound", f"Unable to resolve e-mail address {address[:100]}.")
        )
    blocks = schedule.busy_blocks(mailbox, options.start, options.end)
    # Others see when somebody is busy, not with what: the default permission on a calendar.
    detailed = options.view.startswith("Detailed") and mailbox is call.mailbox
    view = options.view if detailed or not options.view.startswith("Detailed") else _UNDETAILED[options.view]
    merged = ""
    if "Merged" in view:
        digits = schedule.merged_view(blocks, options.start, options.end, options.interval)
        merged = f"<t:MergedFreeBusy>{digits}</t:MergedFreeBusy>"
    listing = ""
    if view not in {"MergedOnly", "None"}:
        inner = "".join(_event(block, zone, detailed=detailed) for block in blocks)
        listing = f"<t:CalendarEventArray>{inner}</t:CalendarEventArray>" if inner else ""
    return (
        '<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
        f"</m:ResponseMessage><m:FreeBusyView><t:FreeBusyViewType>{view}</t:FreeBusyViewType>{merged}{listing}"
        f"{_working_hours(mailbox)}</m:FreeBusyView></m:FreeBusyResponse>"
    )


_UNDETAILED = {"Detailed": "FreeBusy", "DetailedMerged": "FreeBusyMerged"}


def _failure(error: ResponseError) -> str:
    return (
        f'<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Error"><m:MessageText>{xml.text(error.message)}'
        f"</m:MessageText><m:ResponseCode>{error.code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        "</m:ResponseMessage><m:FreeBusyView><t:FreeBusyViewType>None</t:FreeBusyViewType></m:FreeBusyView>"
        "</m:FreeBusyResponse>"
    )


def _event(block: schedule.BusyBlock, zone: BiasZone, *, detailed: bool) -> str:
    start, end = zone.to_local(block.start), zone.to_local(block.end)
    details = ""
    if detailed:
        details = (
            f"<t:CalendarEventDetails>{text_element('Subject', block.subject)}{text_element('Location', block.location)}"
            f"{bool_element('IsMeeting', block.is_meeting)}{bool_element('IsRecurring', block.is_recurring)}"
            f"{bool_element('IsException', block.is_exception)}{bool_element('IsReminderSet', block.is_reminder_set)}"
            f"{bool_element('IsPrivate', block.is_private)}</t:CalendarEventDetails>"
        )
    return (
        f"<t:CalendarEvent><t:StartTime>{start:%Y-%m-%dT%H:%M:%S}</t:StartTime>"
        f"<t:EndTime>{end:%Y-%m-%dT%H:%M:%S}</t:EndTime>"
        f"<t:BusyType>{FREE_BUSY.get(block.show_as, 'Busy')}</t:BusyType>{details}</t:CalendarEvent>"
    )


def _working_hours(mailbox: Mailbox) -> str:
    hours = mailbox.settings.working_hours
    zone = write_bias_zone(iana_name(hours.zone or mailbox.time_zone), mailbox.now().year)
    days = " ".join(day.capitalize() for day in DAYS if day in hours.days)
    start, end = hours.start.hour * 60 + hours.start.minute, hours.end.hour * 60 + hours.end.minute
    period = (
        f"<t:WorkingPeriod><t:DayOfWeek>{days}</t:DayOfWeek><t:StartTimeInMinutes>{start}</t:StartTimeInMinutes>"
        f"<t:EndTimeInMinutes>{end}</t:EndTimeInMinutes></t:WorkingPeriod>"
    )
    return f"<t:WorkingHours>{zone}<t:WorkingPeriodArray>{period}</t:WorkingPeriodArray></t:WorkingHours>"


def _moment(text: str, zone: BiasZone) -> datetime:
    """Read a time of the window; one without offset is in the request's own zone."""
    try:
        found = datetime.fromisoformat(text.strip())
        moment = found.astimezone(UTC) if found.tzinfo is not None else zone.to_utc(found)
    except (ValueError, OverflowError) as error:
        raise schema_violation(f"'{text[:50]}' is not a valid date and time.") from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ResponseError("ErrorInvalidTimeInterval", f"'{text[:50]}' is out of range.")
    return moment
