"""When people are taken and when they are free, as far as the person of a connection may see it."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Request

from ostiary.core.access.model import Permission
from ostiary.core.calendar.availability import SlotSearch
from ostiary.entrypoints.api.calendar_requests import FreeBusyRequest, FreeSlotsRequest
from ostiary.entrypoints.api.calendar_shapes import FreeSlotsShape, ScheduleShape, SchedulesShape, SlotShape
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.problems import MAILBOX
from ostiary.entrypoints.api.shapes import ObjectId
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="calendar", dependencies=[NAMES_CONNECTION])
_MAY_READ = [requires(Permission.API_MAILBOX_READ)]


@router.post(
    "/free-busy",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="See when people are taken",
    operation_id="get_free_busy",
)
async def free_busy(request: Request, connection_id: ObjectId, wanted: FreeBusyRequest) -> SchedulesShape:
    """When each of several people is taken, and their working hours. Changes nothing."""
    starts_at, ends_at = wanted.window()
    schedules = await services(request).calendar.free_busy(
        connection_id,
        wanted.people,
        organization_id=principal(request).organization_id,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    return SchedulesShape(items=[ScheduleShape.model_validate(each) for each in schedules])


@router.post(
    "/free-slots",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="Find common free times",
    operation_id="find_free_slots",
)
async def find_free_slots(
    request: Request, connection_id: ObjectId, wanted: FreeSlotsRequest
) -> FreeSlotsShape:
    """Times at which everybody is free for a meeting. Changes nothing."""
    starts_at, ends_at = wanted.window()
    search = SlotSearch(
        starts_at,
        ends_at,
        timedelta(minutes=wanted.duration_minutes),
        step=timedelta(minutes=wanted.step_minutes),
        only_working_hours=wanted.only_working_hours,
        tentative_is_free=wanted.tentative_is_free,
    )
    found = await services(request).calendar.find_free_slots(
        connection_id,
        wanted.people,
        search,
        organization_id=principal(request).organization_id,
        with_owner=wanted.with_owner,
    )
    return FreeSlotsShape(
        items=[SlotShape.model_validate(slot) for slot in found.slots],
        unknown=[each.address for each in found.schedules if each.problem is not None],
    )
