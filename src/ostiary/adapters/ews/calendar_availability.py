"""When people are taken, over EWS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.adapters.ews.calendar_reading import EWSEventReading
from ostiary.adapters.ews.codec import schedule as codec
from ostiary.adapters.ews.operations import get_user_availability
from ostiary.core.calendar.availability import Schedule
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import InvalidRequest

_INTERVAL: Final = timedelta(minutes=5)
"""The finest that Exchange tells: others' calendars may show no more than the view (ews.md §6)."""
_A_DAY: Final = timedelta(days=1)


class EWSAvailability(EWSEventReading):
    """``AvailabilityReader`` over EWS."""

    async def free_busy(
        self, mailbox: MailboxAccess, addresses: Sequence[str], *, starts_at: datetime, ends_at: datetime
    ) -> tuple[Schedule, ...]:
        """Ask for all people in one call; Exchange takes a hundred (ews.md §6).

        Source: EWS GetUserAvailability operation.
        """
        body = get_user_availability.request(addresses, starts_at, ends_at, _INTERVAL)
        response = await self._session.call(mailbox, get_user_availability.OPERATION, body)
        answers = get_user_availability.answers(response, expected_count=len(addresses))
        return tuple(
            codec.schedule(answer, address, starts_at, _INTERVAL)
            for answer, address in zip(answers, addresses, strict=True)
        )

    async def own_zone(self, mailbox: MailboxAccess, *, at: datetime) -> str:
        """The zone of the owner's working hours: the one place where EWS tells it.

        Source: EWS WorkingHours element.
        """
        begin = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        (own,) = await self.free_busy(mailbox, [mailbox.address], starts_at=begin, ends_at=begin + _A_DAY)
        if own.working_hours is None:
            raise InvalidRequest(
                "The person’s own time zone is not known. Say which is meant.", field="time_zone"
            )
        return own.working_hours.zone
