"""What all use cases of calendars share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC

from ostiary.core.calendar.ports import CalendarGateway
from ostiary.core.calendar.times import EventTimes, WallTimes, wall_times
from ostiary.core.connections.mailboxes import Mailboxes, Part
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.entropy import Entropy


@dataclass(frozen=True, slots=True)
class OpenCalendar:
    """A mailbox and the gateway that reaches it."""

    gateway: CalendarGateway
    mailbox: MailboxAccess


class CalendarUseCases:
    """Opens mailboxes for use cases. They raise what :class:`Mailboxes` and ``CalendarGateway`` raise."""

    def __init__(
        self, *, mailboxes: Mailboxes, gateways: Mapping[AccessMethod, CalendarGateway], entropy: Entropy
    ) -> None:
        self._mailboxes = mailboxes
        self._gateways = gateways
        self._entropy = entropy

    @asynccontextmanager
    async def _open(self, connection_id: str, organization_id: str | None) -> AsyncGenerator[OpenCalendar]:
        async with self._mailboxes.use(
            connection_id, Part.CALENDAR, organization_id=organization_id
        ) as mailbox:
            yield OpenCalendar(self._gateways[mailbox.method], mailbox.access)


async def placed(calendar: OpenCalendar, times: EventTimes) -> WallTimes:
    """Return times by the clock of their zone; floating ones are laid into the owner's own."""
    own_zone = "Etc/UTC"
    if times.is_floating:
        at = times.starts_at.replace(tzinfo=UTC)
        own_zone = await calendar.gateway.own_zone(calendar.mailbox, at=at)
    return wall_times(times, own_zone=own_zone)
