"""Small values as Graph writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from m365_emulator.world.mailbox import Recipient
from m365_emulator.world.mailbox.item import NOT_SET
from m365_emulator.world.mailbox.timezones import to_local


def moment(at: datetime | None) -> str | None:
    """Return a UTC time in whole seconds: 2026-11-25T10:00:00Z."""
    if at is None or at == NOT_SET:
        return None
    return at.isoformat()[:19] + "Z"


def moment_in_zone(at: datetime, zone: str) -> dict[str, str]:
    """Return a dateTimeTimeZone: wall-clock time with seven digits, and the zone's Windows name."""
    wall = at if zone == "UTC" else to_local(at, zone)
    return {"dateTime": wall.isoformat()[:19] + ".0000000", "timeZone": zone}


def recipient(person: Recipient | None) -> dict[str, Any] | None:
    """Return a recipient."""
    if person is None:
        return None
    return {"emailAddress": {"name": person.name or person.address, "address": person.address}}


def recipients(people: Iterable[Recipient]) -> list[dict[str, Any]]:
    """Return a list of recipients."""
    return [
        {"emailAddress": {"name": person.name or person.address, "address": person.address}}
        for person in people
    ]
