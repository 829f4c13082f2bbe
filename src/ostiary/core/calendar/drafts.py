"""What a caller writes: a new event, or what shall be different about one. Pure data and rules, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum, StrEnum
from typing import Final

from ostiary.core.calendar.model import AttendeeKind, CalendarEvent, Sensitivity, ShowAs
from ostiary.core.calendar.recurrence import Recurrence
from ostiary.core.calendar.times import WallTimes
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.mail_address import MailAddress

MOST_ATTENDEES: Final = 500
"""Source: Graph event resource, attendees (graph.md §5)."""


class Scope(StrEnum):
    """Which meetings of a series something is for."""

    THIS = "this"
    FOLLOWING = "following"
    """This one and all after it."""
    ALL = "all"


class Answer(StrEnum):
    """What somebody invited says."""

    ACCEPT = "accept"
    TENTATIVE = "tentative"
    DECLINE = "decline"


class Unchanged(Enum):
    """Stands where a change says nothing, since None may be a value."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class Body:
    """A text, plain or HTML."""

    content: str
    is_html: bool = False


@dataclass(frozen=True, slots=True)
class Invitee:
    """Somebody to invite."""

    who: MailAddress
    kind: AttendeeKind = AttendeeKind.REQUIRED


@dataclass(frozen=True, slots=True)
class EventDraft:
    """A new event, checked."""

    subject: str
    times: WallTimes
    recurrence: Recurrence | None = None
    location: str = ""
    body: Body | None = None
    attendees: tuple[Invitee, ...] = ()
    show_as: ShowAs = ShowAs.BUSY
    sensitivity: Sensitivity = Sensitivity.NORMAL
    categories: tuple[str, ...] = ()
    reminder_minutes: int | None = None
    is_online_meeting: bool = False

    def with_changes(self, change: EventChange) -> EventDraft:
        """Return the draft as it is after a change."""
        given = {name: getattr(change, name) for name in change.names}
        return replace(self, **given)


@dataclass(frozen=True, slots=True)
class EventChange:
    """What shall be different; what is ``UNCHANGED`` stays."""

    subject: str | Unchanged = UNCHANGED
    times: WallTimes | Unchanged = UNCHANGED
    recurrence: Recurrence | Unchanged | None = UNCHANGED
    """None makes a single event of a series."""
    location: str | Unchanged = UNCHANGED
    body: Body | Unchanged | None = UNCHANGED
    attendees: tuple[Invitee, ...] | Unchanged = UNCHANGED
    """Who is invited from now on; who was invited before keeps the answer given."""
    show_as: ShowAs | Unchanged = UNCHANGED
    sensitivity: Sensitivity | Unchanged = UNCHANGED
    categories: tuple[str, ...] | Unchanged = UNCHANGED
    reminder_minutes: int | Unchanged | None = UNCHANGED
    is_online_meeting: bool | Unchanged = UNCHANGED

    @property
    def names(self) -> frozenset[str]:
        """The fields that change."""
        return frozenset(each.name for each in fields(self) if getattr(self, each.name) is not UNCHANGED)


OWN_FIELDS: Final = frozenset({"show_as", "sensitivity", "categories", "reminder_minutes"})
"""What an attendee may change on the own copy of a meeting; the rest is the organizer's."""


def check_attendees(attendees: Sequence[Invitee]) -> None:
    """Raise InvalidRequest for too many people, or the same one twice."""
    if len(attendees) > MOST_ATTENDEES:
        raise InvalidRequest(f"At most {MOST_ATTENDEES} people can be invited.", field="attendees")
    addresses = [each.who.address.lower() for each in attendees]
    if len(set(addresses)) != len(addresses):
        raise InvalidRequest("Somebody is invited twice.", field="attendees")


def invitees_of(event: CalendarEvent) -> tuple[Invitee, ...]:
    """Return who is invited to an event, without its organizer."""
    organizer = event.organizer.address.lower() if event.organizer else ""
    return tuple(
        Invitee(each.who, each.kind) for each in event.attendees if each.who.address.lower() != organizer
    )


def body_of(event: CalendarEvent) -> Body | None:
    """Return an event's body as one can be written."""
    if event.html is not None:
        return Body(event.html, is_html=True)
    return Body(event.text) if event.text else None
