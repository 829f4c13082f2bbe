"""One accepted request: who calls, whose mailbox, what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from m365_emulator.entra.tokens import AccessToken
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.shapes import ItemShape
from m365_emulator.ews.soap import Node, Request
from m365_emulator.ews.state import EWSState
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox import Mailbox
from m365_emulator.world.mailbox.timezones import UnknownTimeZone, to_utc, windows_name
from m365_emulator.world.tenants import User
from m365_emulator.world.world import World

FIRST_YEAR, LAST_YEAR = 1601, 4500
"""What Exchange can store: the range of a Windows file time's calendar, and MAPI's end of time."""


@dataclass(slots=True)
class Call:
    """What every operation gets.

    ``user`` is the person the caller acts as (by token or by impersonation) and ``mailbox`` that person's own mailbox,
    which ids and names stand for unless they say otherwise.
    """

    world: World
    state: EWSState
    request: Request
    token: AccessToken
    user: User
    mailbox: Mailbox
    base_url: str
    headers: Mapping[str, str]

    @property
    def body(self) -> Node:
        """The operation's element."""
        return self.request.body

    @property
    def zone(self) -> str:
        """Windows name of the zone that times without offset are meant in.

        Raises:
            ResponseError: The TimeZoneContext header names a zone that does not exist.
        """
        node = self.request.time_zone
        name = (node.get("Id") or "") if node is not None else ""
        if not name:
            return "UTC"
        try:
            return windows_name(name)
        except UnknownTimeZone as error:
            raise ResponseError("ErrorTimeZone", f"The time zone '{name[:100]}' is not known.") from error

    def view(self, mailbox: Mailbox | None = None, shape: ItemShape | None = None) -> View:
        """Return how the answer looks at a mailbox (by default the caller's)."""
        return View(
            mailbox or self.mailbox,
            base_url=self.base_url,
            body_type=shape.body_type if shape else "Best",
            culture=self.request.culture,
        )

    def moment(self, text: str, zone: str | None = None) -> datetime:
        """Read an xs:dateTime (or a bare date) as UTC; without offset it is in ``zone``, else the request's zone.

        Raises:
            ResponseError: The text is not a time.
        """
        return read_moment(text, zone or self.zone)


def read_moment(text: str, zone: str) -> datetime:
    """Read an xs:dateTime as UTC in whole seconds; one without offset is wall-clock time in ``zone``.

    Raises:
        ResponseError: It is not a time, or one outside of what Exchange can store.
    """
    try:
        found = _parse(text.strip(), zone)
    except (ValueError, OverflowError) as error:
        raise ResponseError("ErrorInvalidArgument", f"'{text[:50]}' is not a valid date and time.") from error
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ResponseError("ErrorValueOutOfRange", f"'{text[:50]}' is out of range.")
    return found


def _parse(text: str, zone: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        # xs:date may carry a zone, which a day does not need.
        return to_utc(datetime.combine(date.fromisoformat(text[:10]), time()), zone)
    if found.tzinfo is None:
        return to_utc(found.replace(microsecond=0), zone)
    return found.astimezone(UTC).replace(microsecond=0)
