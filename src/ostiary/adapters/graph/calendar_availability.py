"""When people are taken, over Microsoft Graph."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.adapters.graph.calendar_reading import GraphEventReading
from ostiary.adapters.graph.codec import schedule as codec
from ostiary.adapters.graph.codec.json_shape import JSONObject, text, values
from ostiary.core.calendar.availability import Schedule
from ostiary.core.connections.model import MailboxAccess

_MOST_AT_ONCE: Final = 20
"""Source: Graph, getSchedule; more in one call are not recommended (graph.md §5)."""
_SHORTEST_INTERVAL: Final = timedelta(minutes=5)
_LONGEST_VIEW: Final = 900
"""Digits asked for in one view; Graph refuses answers of more than a thousand entries (graph.md §5)."""


class GraphAvailability(GraphEventReading):
    """``AvailabilityReader`` over Graph."""

    async def free_busy(
        self, mailbox: MailboxAccess, addresses: Sequence[str], *, starts_at: datetime, ends_at: datetime
    ) -> tuple[Schedule, ...]:
        """Ask for twenty people at a time.

        Source: Graph, calendar: getSchedule.
        """
        interval = _interval(ends_at - starts_at)
        found: list[Schedule] = []
        for start in range(0, len(addresses), _MOST_AT_ONCE):
            batch = addresses[start : start + _MOST_AT_ONCE]
            body = {
                "schedules": list(batch),
                "startTime": _edge(starts_at),
                "endTime": _edge(ends_at),
                "availabilityViewInterval": interval // timedelta(minutes=1),
            }
            answer = await self._client.post(mailbox, "/me/calendar/getSchedule", body)
            known = {text(entity, "scheduleId").lower(): entity for entity in values(answer)}
            found += [_schedule(known.get(each.lower()), each, starts_at, interval) for each in batch]
        return tuple(found)


def _schedule(entity: JSONObject | None, address: str, starts_at: datetime, interval: timedelta) -> Schedule:
    if entity is None:
        return Schedule(address=address, problem="NotAnswered")
    return codec.schedule(entity, address, starts_at, interval)


def _interval(window: timedelta) -> timedelta:
    """Return the finest interval of whole minutes whose view is not too long."""
    minutes = -(-window // (_LONGEST_VIEW * timedelta(minutes=1)))
    return max(_SHORTEST_INTERVAL, timedelta(minutes=minutes))


def _edge(at: datetime) -> JSONObject:
    return {
        "dateTime": at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
        "timeZone": "UTC",
    }
