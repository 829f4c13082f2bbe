"""What the API takes of calendars and events."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, StrictBool, StrictInt

from ostiary.core.calendar.drafts import MOST_ATTENDEES, Answer, Body, EventChange, Invitee, Scope
from ostiary.core.calendar.model import AttendeeKind, Sensitivity, ShowAs
from ostiary.core.calendar.recurrence import Pattern, Recurrence, Weekday, WeekIndex
from ostiary.core.calendar.times import EventTimes
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.entrypoints.api.shapes import Line, ObjectId, RequestShape

MOST_BODY_CHARACTERS: Final = 500_000
_LONGEST_REMINDER_MINUTES: Final = 2_629_800
"""Five years: more than Exchange takes none (ews.md §6)."""

Text = Annotated[str, Field(max_length=MOST_BODY_CHARACTERS, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
"""Several lines: no control characters but tabs and line ends."""
Address = Annotated[
    str,
    Field(
        max_length=320,
        pattern=r"^[^\x00-\x20\x7f@<>()\[\]\\,;:\"]+@[^\x00-\x20\x7f@<>()\[\]\\,;:\"]+$",
        examples=["dana.okafor@harbourvale.example"],
    ),
]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$", examples=["2027-01-29"])]
Moment = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$",
        examples=["2026-11-24T09:00:00Z"],
    ),
]
Time = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$",
        description="With an offset a moment; without one a reading of the clock in `time_zone`; of an all-day event "
        "its day, or midnight of it.",
        examples=["2026-11-24T10:00:00"],
    ),
]
_MEETING: Final[dict[str, Any]] = {
    "subject": "Weekly planning",
    "starts_at": "2026-11-24T10:00:00",
    "ends_at": "2026-11-24T10:30:00",
    "time_zone": "Europe/Berlin",
    "location": "Room 2",
    "text": "Figures of the week",
    "attendees": [{"address": "dana.okafor@harbourvale.example", "name": "Dana Okafor"}],
    "reminder_minutes": 15,
    "recurrence": {"pattern": "weekly", "days": ["tuesday"], "week_starts_on": "monday", "count": 10},
}


class InviteeRequest(RequestShape):
    """Somebody to invite."""

    address: Address
    name: Annotated[Line, Field(max_length=255)] = ""
    kind: AttendeeKind = AttendeeKind.REQUIRED


class RecurrenceRequest(RequestShape):
    """How an event repeats. It starts on the first day of the pattern that is not before the event's start."""

    pattern: Pattern
    interval: Annotated[StrictInt, Field(ge=1, le=99, description="Every how many days, weeks, …")] = 1
    days: Annotated[
        list[Weekday],
        Field(
            max_length=7,
            description="Weekly: each of them. Relative: one day, all five workdays, the weekend, or all seven days.",
        ),
    ] = Field(default_factory=list)
    day_of_month: Annotated[StrictInt | None, Field(ge=1, le=31)] = None
    month: Annotated[StrictInt | None, Field(ge=1, le=12)] = None
    index: WeekIndex | None = None
    week_starts_on: Weekday = Weekday.MONDAY
    ends_on: Day | None = None
    count: Annotated[StrictInt | None, Field(ge=1, le=999)] = None

    def recurrence(self) -> Recurrence:
        """Return it as use cases take it."""
        return Recurrence(
            pattern=self.pattern,
            interval=self.interval,
            days=tuple(day for day in Weekday if day in self.days),
            day_of_month=self.day_of_month,
            month=self.month,
            index=self.index,
            week_starts_on=self.week_starts_on,
            ends_on=None if self.ends_on is None else _day(self.ends_on),
            count=self.count,
        )


class EventFields(RequestShape):
    """What can be written about an event."""

    subject: Annotated[Line, Field(max_length=255)] = ""
    is_all_day: StrictBool = False
    time_zone: Annotated[
        str | None,
        Field(
            max_length=100,
            pattern=r"^[A-Za-z0-9_+/ .()-]+$",
            description="IANA name. Left out beside times without an offset: the owner's own zone is meant.",
            examples=["Europe/Berlin"],
        ),
    ] = None
    location: Annotated[Line, Field(max_length=255)] = ""
    text: Annotated[Text | None, Field(description="The body as plain text; not together with `html`.")] = (
        None
    )
    html: Annotated[Text | None, Field(description="The body as HTML.")] = None
    attendees: Annotated[
        list[InviteeRequest],
        Field(
            max_length=MOST_ATTENDEES,
            description="Everybody who is invited; who was before keeps the answer.",
        ),
    ] = Field(default_factory=list)
    show_as: ShowAs = ShowAs.BUSY
    sensitivity: Sensitivity = Sensitivity.NORMAL
    categories: Annotated[
        list[Annotated[Line, Field(min_length=1, max_length=255)]], Field(max_length=50)
    ] = Field(default_factory=list)
    reminder_minutes: Annotated[
        StrictInt | None, Field(ge=0, le=_LONGEST_REMINDER_MINUTES, description="Null: no reminder.")
    ] = None
    is_online_meeting: Annotated[
        StrictBool, Field(description="With a Teams link. Over Graph only; once online it stays so.")
    ] = False
    recurrence: Annotated[RecurrenceRequest | None, Field(description="Null: it does not repeat.")] = None

    def change(self) -> EventChange:
        """Return what was sent, without the times."""
        sent = self.model_fields_set
        plain = ("subject", "location", "show_as", "sensitivity", "reminder_minutes", "is_online_meeting")
        given: dict[str, Any] = {name: getattr(self, name) for name in plain if name in sent}
        if "categories" in sent:
            given["categories"] = tuple(dict.fromkeys(self.categories))
        if "attendees" in sent:
            given["attendees"] = tuple(
                Invitee(MailAddress(each.address, each.name), each.kind) for each in self.attendees
            )
        if "recurrence" in sent:
            given["recurrence"] = None if self.recurrence is None else self.recurrence.recurrence()
        if sent & {"text", "html"}:
            given["body"] = self._body()
        return EventChange(**given)

    def _body(self) -> Body | None:
        if self.text is not None and self.html is not None:
            raise InvalidRequest("A body is text or HTML, not both.", field="html")
        if self.html is not None:
            return Body(self.html, is_html=True)
        return None if self.text is None else Body(self.text)


class NewEvent(EventFields):
    """A new event. Who is named in `attendees` is invited at once."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                _MEETING,
                {
                    "subject": "Away",
                    "starts_at": "2026-12-24",
                    "ends_at": "2027-01-02",
                    "is_all_day": True,
                    "show_as": "out_of_office",
                },
            ]
        },
    )

    starts_at: Time
    ends_at: Annotated[Time, Field(description="Exclusive; of an all-day event the day after its last.")]
    calendar_id: Annotated[
        ObjectId | None, Field(description="Where to; leave it out for the default calendar.")
    ] = None

    def times(self) -> EventTimes:
        """Return when it is."""
        return EventTimes(_time(self.starts_at), _time(self.ends_at), self.is_all_day, self.time_zone)


class EventUpdate(EventFields):
    """What shall be different about an event. What is left out stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {"subject": "Weekly planning, longer"},
                {
                    "starts_at": "2026-11-24T10:00:00",
                    "ends_at": "2026-11-24T11:30:00",
                    "time_zone": "Europe/Berlin",
                },
            ]
        },
    )

    starts_at: Annotated[Time | None, Field(description="Only together with `ends_at`.")] = None
    ends_at: Annotated[Time | None, Field(description="Only together with `starts_at`.")] = None

    def times(self) -> EventTimes | None:
        """Return when it shall be; None when that stays.

        Raises:
            InvalidRequest: Only a part of it was sent.
        """
        if self.starts_at is not None and self.ends_at is not None:
            return EventTimes(_time(self.starts_at), _time(self.ends_at), self.is_all_day, self.time_zone)
        if self.model_fields_set & {"starts_at", "ends_at", "is_all_day", "time_zone"}:
            raise InvalidRequest("Send `starts_at` and `ends_at` together.", field="starts_at")
        return None


class ScopeQuery(RequestShape):
    """Which meetings of a series are meant."""

    scope: Annotated[
        Scope | None,
        Field(
            description="Of a series: this meeting, this and all following ones, or all. Else: what was named."
        ),
    ] = None


class NotifyQuery(RequestShape):
    """Whether attendees hear of it."""

    notify: Annotated[
        bool,
        Field(description="Tell the attendees. Over Graph Microsoft always does: false is refused there."),
    ] = True


class ChangeQuery(ScopeQuery, NotifyQuery):
    """Which meetings, and whether attendees hear of it."""


class AnswerRequest(RequestShape):
    """What somebody invited says."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"answer": "tentative", "comment": "I may be late.", "send": True}]},
    )

    answer: Answer
    comment: Annotated[Text, Field(max_length=5000)] = ""
    send: Annotated[StrictBool, Field(description="Tell the organizer.")] = True


class CancelRequest(RequestShape):
    """Why a meeting is called off."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"comment": "Sorry, next week."}]},
    )

    comment: Annotated[Text, Field(max_length=5000)] = ""


class FreeBusyRequest(RequestShape):
    """Whose time is wanted, and when."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "people": ["dana.okafor@harbourvale.example"],
                    "starts_at": "2026-11-24T00:00:00Z",
                    "ends_at": "2026-11-28T00:00:00Z",
                }
            ]
        },
    )

    people: Annotated[list[Address], Field(min_length=1, max_length=50)]
    starts_at: Moment
    ends_at: Annotated[Moment, Field(description="At most 42 days later.")]

    def window(self) -> tuple[datetime, datetime]:
        """Return the window."""
        return _time(self.starts_at), _time(self.ends_at)


class FreeSlotsRequest(FreeBusyRequest):
    """What kind of time is wanted."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "people": ["dana.okafor@harbourvale.example"],
                    "starts_at": "2026-11-24T00:00:00Z",
                    "ends_at": "2026-11-28T00:00:00Z",
                    "duration_minutes": 30,
                }
            ]
        },
    )

    duration_minutes: Annotated[StrictInt, Field(ge=5, le=7 * 24 * 60)]
    step_minutes: Annotated[
        StrictInt, Field(ge=5, le=24 * 60, description="Slots start at multiples of it after midnight UTC.")
    ] = 30
    with_owner: Annotated[StrictBool, Field(description="The mailbox's own person takes part.")] = True
    only_working_hours: Annotated[
        StrictBool, Field(description="Within everybody's working hours, where they are known.")
    ] = True
    tentative_is_free: StrictBool = False


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"{text} is no time.", field="starts_at") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"{text} is no day.", field="recurrence.ends_on") from error
