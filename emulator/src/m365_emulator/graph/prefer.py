"""Reading the Prefer header."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from m365_emulator.world.mailbox.timezones import UnknownTimeZone, windows_name

from .errors import GraphError

_ENTRY = re.compile(r'\s*([\w.\-]+)\s*(?:=\s*(?:"([^"]*)"|([^,;\s]+)))?\s*(?:[,;]|$)')


@dataclass(slots=True)
class Preferences:
    """What a caller prefers; `applied` collects what the answer honoured, in the header's own words."""

    immutable_ids: bool = False
    time_zone: str | None = None
    body_type: str | None = None
    allow_unsafe_html: bool = False
    max_page_size: int | None = None
    applied: list[str] = field(default_factory=list[str])


def read_preferences(header: str) -> Preferences:
    """Return the preferences in a Prefer header; unknown ones are ignored.

    Raises:
        GraphError: The time zone does not exist.

    Source: Outlook's documentation of IdType, outlook.timezone, outlook.body-content-type, odata.maxpagesize.
    """
    found = Preferences()
    for match in _ENTRY.finditer(header):
        name, value = match[1].lower(), match[2] if match[2] is not None else (match[3] or "")
        match name:
            case "idtype":
                if value.lower() == "immutableid":
                    found.immutable_ids = True
                    found.applied.append('IdType="ImmutableId"')
            case "outlook.timezone":
                try:
                    found.time_zone = windows_name(value)
                except UnknownTimeZone as error:
                    raise GraphError(400, "TimeZoneNotSupportedException", str(error)) from error
                found.applied.append(f'outlook.timezone="{value}"')
            case "outlook.body-content-type":
                if value.lower() in ("text", "html"):
                    found.body_type = value.lower()
                    found.applied.append(f'outlook.body-content-type="{value.lower()}"')
            case "outlook.allow-unsafe-html":
                found.allow_unsafe_html = True
                found.applied.append("outlook.allow-unsafe-html")
            case "odata.maxpagesize":
                if value.isdigit() and int(value) > 0:
                    # Told as applied only where it is: in rounds of change tracking.
                    found.max_page_size = min(int(value), 1000)
            case _:
                pass
    return found
