"""Calendars and calendar events of a connection."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.calendar.model import AttendeeKind, EventKind, Response, ShowAs
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.problems import MAILBOX
from ostiary.entrypoints.api.shapes import AnswerShape, ListQuery, ObjectId, PageShape, page_shape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="calendar", dependencies=[NAMES_CONNECTION])
_MAY_READ = [requires(Permission.API_MAILBOX_READ)]


class EventQuery(ListQuery):
    """Which events."""

    starts_at: Annotated[
        AwareDatetime,
        Field(
            alias="from",
            description="Start of the window, RFC 3339. An event that ends at it is left out.",
            examples=["2026-11-23T00:00:00Z"],
        ),
    ]
    ends_at: Annotated[
        AwareDatetime,
        Field(
            alias="to",
            description="End of the window, at most 730 days later. An event that starts at it is left out.",
            examples=["2026-11-30T00:00:00Z"],
        ),
    ]
    calendar: Annotated[
        ObjectId | None, Field(description="A calendar's id; leave it out for the default calendar.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Most events wanted.")] = 100


class CalendarShape(AnswerShape):
    """A calendar."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "AQMkADAwATM0MDAAMS1hNmQ4LWIwAC4AAAQ",
                    "name": "Calendar",
                    "is_default": True,
                    "can_edit": True,
                }
            ]
        },
    )

    id: str
    name: str
    is_default: bool
    can_edit: bool


class PersonShape(AnswerShape):
    """Somebody's name and address."""

    address: str
    name: str


class AttendeeShape(AnswerShape):
    """Somebody invited."""

    who: PersonShape
    kind: AttendeeKind
    response: Response


class EventShape(AnswerShape):
    """An event, or one occurrence of a series, complete in itself."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0B",
                    "calendar_id": None,
                    "series_id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A",
                    "ical_uid": "040000008200E00074C5B7101A82E008",
                    "kind": "occurrence",
                    "subject": "Weekly planning",
                    "starts_at": "2026-11-24T09:00:00Z",
                    "ends_at": "2026-11-24T09:30:00Z",
                    "is_all_day": False,
                    "time_zone": "Europe/Berlin",
                    "location": "Room 2",
                    "show_as": "busy",
                    "is_cancelled": False,
                    "is_private": False,
                    "is_organizer": True,
                    "organizer": {"address": "tom.ellis@harbourvale.example", "name": "Tom Ellis"},
                    "attendees": [
                        {
                            "who": {"address": "dana.okafor@harbourvale.example", "name": "Dana Okafor"},
                            "kind": "required",
                            "response": "accepted",
                        }
                    ],
                    "my_response": "organizer",
                    "online_meeting_url": None,
                    "preview": "",
                    "version": "CQAAABYAAAB",
                }
            ]
        },
    )

    id: Annotated[str, Field(description="Opaque and case-sensitive.")]
    calendar_id: Annotated[
        str | None, Field(description="The calendar that was asked for; null for the default one.")
    ]
    series_id: Annotated[str | None, Field(description="The series this is an occurrence of.")]
    ical_uid: str | None
    kind: EventKind
    subject: str
    starts_at: Annotated[
        AwareDatetime, Field(description="UTC. All-day events: midnight UTC of the first day.")
    ]
    ends_at: Annotated[
        AwareDatetime, Field(description="UTC, exclusive. All-day events: midnight UTC after the last day.")
    ]
    is_all_day: bool
    time_zone: Annotated[
        str | None, Field(description="IANA name of the zone the event was made in, where known.")
    ]
    location: str
    show_as: ShowAs
    is_cancelled: bool
    is_private: bool
    is_organizer: bool
    organizer: PersonShape | None
    attendees: list[AttendeeShape]
    my_response: Response
    online_meeting_url: str | None
    preview: str
    version: str


@router.get(
    "/calendars",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="List calendars",
    operation_id="list_calendars",
)
async def list_calendars(
    request: Request, connection_id: ObjectId, query: Annotated[ListQuery, Query()]
) -> PageShape[CalendarShape]:
    """All calendars of the mailbox."""
    page = await services(request).calendar.list_calendars(
        connection_id,
        organization_id=principal(request).organization_id,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, CalendarShape.model_validate)


@router.get(
    "/events", dependencies=_MAY_READ, responses=MAILBOX, summary="List events", operation_id="list_events"
)
async def list_events(
    request: Request, connection_id: ObjectId, query: Annotated[EventQuery, Query()]
) -> PageShape[EventShape]:
    """Events that overlap a window, by start; recurring ones are expanded, cancelled occurrences left out."""
    page = await services(request).calendar.list_events(
        connection_id,
        organization_id=principal(request).organization_id,
        starts_at=query.starts_at,
        ends_at=query.ends_at,
        calendar_id=query.calendar,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, EventShape.model_validate)
