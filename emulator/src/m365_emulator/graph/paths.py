"""Taking a request path apart: case, parentheses and detours folded to one spelling."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CALL = re.compile(r"^([\w.]+)\((.*)\)$", re.DOTALL)
_PARAMETER = re.compile(r"\s*(\w+)\s*=\s*(?:[\w.]*'((?:[^']|'')*)'|([^,]*))\s*(?:,|$)")
_PREFIX = re.compile(r"^microsoft\.graph\.", re.IGNORECASE)
_CASTS = frozenset(
    {
        "eventmessage",
        "eventmessagerequest",
        "eventmessageresponse",
        "message",
        "event",
        "fileattachment",
        "itemattachment",
    }
)


@dataclass(slots=True)
class Path:
    """Segments below /v1.0, and the parameters of a function at the end of them."""

    segments: list[str]
    parameters: dict[str, str] = field(default_factory=dict[str, str])


def parse_path(text: str) -> Path:
    """Split a decoded path into segments.

    `messages('id')` becomes `messages`, `id`; `microsoft.graph.delta()` becomes `delta`; a cast to a type is dropped;
    the parameters of `f(a='b')` are returned apart, keys in lower case.
    """
    path = Path([])
    for position, raw in enumerate(part for part in text.split("/") if part):
        match = _CALL.match(raw)
        name = _PREFIX.sub("", match[1] if match else raw)
        if match is None:
            if name != raw and name.lower() in _CASTS and position > 1:
                continue
            path.segments.append(name if name != raw else raw)
            continue
        inside = match[2].strip()
        path.segments.append(name)
        if not inside:
            continue
        if "=" in inside and not inside.startswith("'"):
            for parameter in _PARAMETER.finditer(inside):
                value = parameter[2] if parameter[2] is not None else parameter[3]
                path.parameters[parameter[1].lower()] = (value or "").replace("''", "'").strip()
        else:
            path.segments.append(inside.removeprefix("'").removesuffix("'").replace("''", "'"))
    return path


def fold(segments: list[str]) -> list[str]:
    """Return segments (below the mailbox) with every detour to the same thing replaced by the shortest way.

    A folder below folders is that folder; a message inside a folder is that message; the default calendar has an
    address of its own (`calendar`), like any of a calendar group; an occurrence below its series is an event.
    """
    parts = list(segments)
    while True:
        lowered = [part.lower() for part in parts]
        shorter = _shorten(parts, lowered)
        if shorter is None:
            return parts
        parts = shorter


_NOT_IDS = frozenset({"delta", "$count", ""})


def _shorten(parts: list[str], low: list[str]) -> list[str] | None:
    count = len(parts)
    if count >= 4 and low[0] == "mailfolders" and low[2] == "childfolders" and low[3] not in _NOT_IDS:
        return ["mailFolders", *parts[3:]]
    if count >= 4 and low[0] == "mailfolders" and low[2] == "messages" and low[3] not in _NOT_IDS:
        return ["messages", *parts[3:]]
    if low[:1] == ["calendar"]:
        return ["calendars", "calendar", *parts[1:]]
    if count >= 3 and low[0] in ("calendargroup", "calendargroups") and "calendars" in low[1:3]:
        return parts[low.index("calendars", 1) :]
    if (
        count >= 4
        and low[0] == "calendars"
        and low[2] in ("events", "calendarview")
        and low[3] not in _NOT_IDS
    ):
        return ["events", *parts[3:]]
    if count >= 2 and low[0] == "calendarview" and low[1] not in _NOT_IDS:
        return ["events", *parts[1:]]
    if (
        count >= 4
        and low[0] == "events"
        and low[2] in ("instances", "exceptionoccurrences")
        and low[3] not in _NOT_IDS
    ):
        return ["events", *parts[3:]]
    return None
