"""Recurrence as Graph writes it."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox import Recurrence


def recurrence_json(recurrence: Recurrence | None, zone: str = "UTC") -> dict[str, Any] | None:
    """Return pattern and range with every field, defaults included, as real answers show them."""
    if recurrence is None:
        return None
    return {
        "pattern": {
            "type": recurrence.pattern,
            "interval": recurrence.interval,
            "month": recurrence.month,
            "dayOfMonth": recurrence.day_of_month,
            **({"daysOfWeek": list(recurrence.days)} if recurrence.days else {}),
            "firstDayOfWeek": recurrence.first_day_of_week,
            "index": recurrence.index,
        },
        "range": {
            "type": recurrence.end,
            "startDate": recurrence.start_on.isoformat(),
            "endDate": recurrence.end_on.isoformat() if recurrence.end_on else "0001-01-01",
            "recurrenceTimeZone": recurrence.zone or zone,
            "numberOfOccurrences": recurrence.count,
        },
    }
