"""Small values as EWS writes them: times, people, enumerations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from m365_emulator.ews import xml
from m365_emulator.world.mailbox.event import Attendee
from m365_emulator.world.mailbox.item import Recipient

FREE_BUSY: Mapping[str, str] = {
    "free": "Free",
    "tentative": "Tentative",
    "busy": "Busy",
    "oof": "OOF",
    "workingElsewhere": "WorkingElsewhere",
    "unknown": "NoData",
}
RESPONSE: Mapping[str, str] = {
    "none": "Unknown",
    "organizer": "Organizer",
    "tentativelyAccepted": "Tentative",
    "accepted": "Accept",
    "declined": "Decline",
    "notResponded": "NoResponseReceived",
}
FLAG_STATUS: Mapping[str, str] = {"notFlagged": "NotFlagged", "flagged": "Flagged", "complete": "Complete"}
ITEM_TYPE: Mapping[str, str] = {
    "singleInstance": "Single",
    "seriesMaster": "RecurringMaster",
    "occurrence": "Occurrence",
    "exception": "Exception",
}


def reverse(table: Mapping[str, str]) -> dict[str, str]:
    """Return the table for reading: EWS's word to the store's."""
    return {theirs: ours for ours, theirs in table.items()}


def is_set(moment: datetime | None) -> bool:
    """Return whether the store holds a time at all (``datetime.min`` stands for "never")."""
    return moment is not None and moment.year > 1


def moment(value: datetime) -> str:
    """Return a UTC time with second precision, as Exchange writes all its times."""
    if value.tzinfo is not None and value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return f"{value.isoformat()[:19]}Z"


def time_element(name: str, value: datetime | None) -> str:
    """Return ``<t:name>`` with a time, or nothing when there is none."""
    return f"<t:{name}>{moment(value)}</t:{name}>" if value is not None and value.year > 1 else ""


def bool_element(name: str, value: bool) -> str:
    """Return ``<t:name>`` with a truth value."""
    return f"<t:{name}>{'true' if value else 'false'}</t:{name}>"


def text_element(name: str, value: str) -> str:
    """Return ``<t:name>`` with text; Exchange leaves out what is empty."""
    return f"<t:{name}>{xml.text(value)}</t:{name}>" if value else ""


def mailbox(person: Recipient) -> str:
    """Return a ``t:Mailbox``; the schema does not allow an empty address, so such a one is left out."""
    name = f"<t:Name>{xml.text(person.name)}</t:Name>" if person.name else ""
    address = f"<t:EmailAddress>{xml.text(person.address)}</t:EmailAddress>" if person.address else ""
    return (
        f"<t:Mailbox>{name}{address}<t:RoutingType>SMTP</t:RoutingType>"
        "<t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>"
    )


def single_recipient(name: str, person: Recipient | None) -> str:
    """Return an element with one mailbox, or nothing."""
    return f"<t:{name}>{mailbox(person)}</t:{name}>" if person is not None else ""


def recipients(name: str, people: Iterable[Recipient]) -> str:
    """Return a list of mailboxes, or nothing: an empty list is not sent."""
    inner = "".join(mailbox(person) for person in people)
    return f"<t:{name}>{inner}</t:{name}>" if inner else ""


def attendees(name: str, people: Iterable[Attendee]) -> str:
    """Return a list of attendees with their answers, or nothing."""
    inner = "".join(_attendee(person) for person in people)
    return f"<t:{name}>{inner}</t:{name}>" if inner else ""


def display_names(people: Iterable[Recipient]) -> str:
    """Return the names as one line, as in DisplayTo."""
    return "; ".join(person.name or person.address for person in people)


def _attendee(person: Attendee) -> str:
    return (
        f"<t:Attendee>{mailbox(person.recipient)}"
        f"<t:ResponseType>{RESPONSE.get(person.response, 'Unknown')}</t:ResponseType>"
        f"{time_element('LastResponseTime', person.responded_at)}"
        f"{time_element('ProposedStart', person.proposed_start)}"
        f"{time_element('ProposedEnd', person.proposed_end)}</t:Attendee>"
    )
