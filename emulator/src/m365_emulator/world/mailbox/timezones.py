"""Time zones by their Windows and IANA names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import InvalidContent


@dataclass(frozen=True, slots=True)
class WindowsZone:
    """One Windows time zone and the IANA zones it stands for; the first is its own."""

    name: str
    display_name: str
    iana: tuple[str, ...]


class UnknownTimeZone(InvalidContent):
    """The name is neither a Windows nor an IANA name; correct it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A valid TimeZone value must be specified. The following TimeZone value is not supported: '{name[:100]}'.",
            "timeZone",
        )


def _row(line: str) -> WindowsZone:
    name, display_name, iana = line.split("|")
    return WindowsZone(name, display_name, tuple(iana.split()))


def _table() -> list[str]:
    text = files("m365_emulator.world.mailbox").joinpath("windows_zones.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@cache
def windows_zones() -> dict[str, WindowsZone]:
    """Return all Windows zones by name, in the order Windows lists them."""
    return {zone.name: zone for zone in map(_row, _table())}


@cache
def _names() -> dict[str, str]:
    """Map every known name in lower case, IANA or Windows, to the Windows name."""
    names: dict[str, str] = {}
    for zone in windows_zones().values():
        for iana in zone.iana:
            names.setdefault(iana.lower(), zone.name)
    names |= {name.lower(): name for name in windows_zones()}
    return names


def windows_name(name: str) -> str:
    """Return the Windows name of a zone given by either name, in any case.

    Raises:
        UnknownTimeZone: It is neither.
    """
    known = _names().get(name.strip().lower())
    if known is None:
        raise UnknownTimeZone(name)
    return known


def iana_name(name: str) -> str:
    """Return the IANA name of a zone given by either name; raises UnknownTimeZone."""
    return windows_zones()[windows_name(name)].iana[0]


@cache
def zone(name: str) -> tzinfo:
    """Return the rules of a zone given by either name; raises UnknownTimeZone."""
    windows = windows_name(name)
    if windows == "UTC":
        return UTC
    # An IANA name may have rules of its own within the group that Windows puts under one name.
    for candidate in (name, *windows_zones()[windows].iana):
        if candidate in windows_zones():
            continue
        try:
            return ZoneInfo(candidate)
        except (ZoneInfoNotFoundError, ValueError):
            continue
    raise UnknownTimeZone(name)


def to_local(at: datetime, name: str) -> datetime:
    """Return the wall-clock time (naive) of an aware time in a zone."""
    return at.astimezone(zone(name)).replace(tzinfo=None)


def to_utc(wall: datetime, name: str) -> datetime:
    """Return the UTC time of a wall-clock time (naive) in a zone.

    A time skipped in spring is read with the offset before the change, one repeated in autumn as the first of the two,
    as Exchange does.
    """
    return wall.replace(tzinfo=zone(name)).astimezone(UTC)
