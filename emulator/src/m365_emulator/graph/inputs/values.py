"""Small values out of JSON and query strings."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from m365_emulator.graph.errors import GraphError, bad_request
from m365_emulator.world.mailbox import Recipient
from m365_emulator.world.mailbox.timezones import to_utc, windows_name

EARLIEST = datetime(1601, 1, 2, tzinfo=UTC)
LATEST = datetime(4500, 8, 30, tzinfo=UTC)
"""The range of times that Exchange stores. Source: MS-OXOCAL, 1601 to 4500."""
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")


def parse_moment(text: str | None, name: str) -> datetime:
    """Return an ISO time as UTC in whole seconds; without an offset it is UTC. Raises GraphError 400."""
    try:
        at = datetime.fromisoformat(_LONG_FRACTION.sub(r"\1", (text or "").strip().replace(" ", "+")))
    except ValueError as error:
        raise bad_request(
            f"The value '{(text or '')[:50]}' of parameter '{name}' is invalid.", "ErrorInvalidParameter"
        ) from error
    try:
        utc = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except OverflowError as error:
        raise bad_request(
            f"The value of parameter '{name}' is out of range.", "ErrorInvalidParameter"
        ) from error
    return min(max(utc, EARLIEST), LATEST)


def wrong_type(name: str) -> GraphError:
    """Return the error for a JSON value of the wrong kind."""
    return GraphError(
        400,
        "UnableToDeserializePostBody",
        f"were unable to deserialize: the value of '{name}' is of the wrong type.",
    )


def text_of(value: Any, name: str, *, limit: int = 1_000_000) -> str:
    """Return a string; None is the empty one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(name)
    if len(value) > limit:
        raise GraphError(400, "ErrorPropertyValidationFailure", f"The value of '{name}' is too long.")
    return value


def truth_of(value: Any, name: str) -> bool:
    """Return a Boolean; O365 writes some of them as text, which the service takes too."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise wrong_type(name)
    return value


def choice_of(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Return one of an enum's members, given in any case."""
    if not isinstance(value, str):
        raise wrong_type(name)
    found = next((choice for choice in choices if choice.lower() == value.lower()), None)
    if found is None:
        raise bad_request(f"Requested value '{value[:50]}' was not found.", "RequestBroker--ParseUri")
    return found


def object_of(value: Any, name: str) -> dict[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise wrong_type(name)
    return value


def list_of(value: Any, name: str) -> list[Any]:
    """Return a JSON array; None is the empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_type(name)
    return value


def member(value: dict[str, Any], name: str, default: Any = None) -> Any:
    """Return a member by its name in any case."""
    if name in value:
        return value[name]
    lowered = name.lower()
    return next((found for key, found in value.items() if key.lower() == lowered), default)


def recipient_of(value: Any, name: str) -> Recipient:
    """Return a recipient."""
    address = object_of(member(object_of(value, name), "emailAddress"), f"{name}/emailAddress")
    mail = text_of(member(address, "address"), f"{name}/emailAddress/address", limit=1000).strip()
    return Recipient(text_of(member(address, "name"), f"{name}/emailAddress/name", limit=1000) or mail, mail)


def recipients_of(value: Any, name: str) -> tuple[Recipient, ...]:
    """Return a list of recipients."""
    return tuple(recipient_of(one, f"{name}[{number}]") for number, one in enumerate(list_of(value, name)))


def zoned_moment_of(value: Any, name: str, default_zone: str = "UTC") -> tuple[datetime, str]:
    """Return a dateTimeTimeZone as UTC and the Windows name of its zone.

    Raises:
        GraphError: The time cannot be read.
        UnknownTimeZone: There is no such zone.
    """
    found = object_of(value, name)
    text = text_of(member(found, "dateTime"), f"{name}/dateTime", limit=50)
    zone = windows_name(text_of(member(found, "timeZone"), f"{name}/timeZone", limit=200) or default_zone)
    try:
        at = datetime.fromisoformat(_LONG_FRACTION.sub(r"\1", text))
        utc = at.astimezone(UTC) if at.tzinfo else to_utc(at, zone)
        if not EARLIEST <= utc <= LATEST:
            raise OverflowError
        return utc.replace(microsecond=0), zone
    except (ValueError, OverflowError) as error:
        raise GraphError(
            400, "ErrorPropertyValidationFailure", f"The value '{text[:50]}' of '{name}' is no valid time."
        ) from error
