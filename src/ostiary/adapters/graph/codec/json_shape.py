"""Reading decoded JSON that may be of any shape: a surprise becomes one named error, never a crash."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from ostiary.core.kernel.errors import ProviderContractBroken, TemporarilyUnavailable
from ostiary.core.kernel.mail_address import MailAddress

JSONObject = dict[str, Any]


def broken(what: str) -> ProviderContractBroken:
    """Return the error for an answer that Microsoft's documents do not allow."""
    return ProviderContractBroken(f"Microsoft gave an answer we do not understand ({what}).")


def parse_object(body: bytes | bytearray) -> JSONObject:
    """Decode one JSON object.

    Raises:
        TemporarilyUnavailable: Not JSON at all: garbage on the way, or cut short; repeat later.
        ProviderContractBroken: JSON, but no object.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise TemporarilyUnavailable(
            "Microsoft isn’t answering properly.", reason="microsoft_down"
        ) from error
    return as_object(value, "body")


def as_object(value: object, what: str) -> JSONObject:
    """Return ``value`` as an object; raises ProviderContractBroken."""
    if isinstance(value, dict):
        return value
    raise broken(what)


def values(answer: JSONObject) -> list[JSONObject]:
    """Return the entities of a collection answer."""
    entities = answer.get("value")
    if not isinstance(entities, list):
        raise broken("value")
    return [as_object(entity, "value") for entity in entities]


def text(entity: JSONObject, name: str) -> str:
    """Return a text property; empty when absent or null."""
    value = entity.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise broken(name)


def optional_text(entity: JSONObject, name: str) -> str | None:
    """Return a text property or None."""
    value = entity.get(name)
    if value is None or isinstance(value, str):
        return value
    raise broken(name)


def required_text(entity: JSONObject, name: str) -> str:
    """Return a text property that must be there."""
    value = optional_text(entity, name)
    if not value:
        raise broken(name)
    return value


def flag(entity: JSONObject, name: str) -> bool:
    """Return a boolean property; False when absent or null."""
    value = entity.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise broken(name)
    return value


def count(entity: JSONObject, name: str) -> int:
    """Return a whole number; 0 when absent or null."""
    value = entity.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise broken(name)
    return value


def texts(entity: JSONObject, name: str) -> tuple[str, ...]:
    """Return a list of texts; empty when absent or null."""
    items = _items(entity, name)
    found = [item for item in items if isinstance(item, str)]
    if len(found) != len(items):
        raise broken(name)
    return tuple(found)


def objects(entity: JSONObject, name: str) -> tuple[JSONObject, ...]:
    """Return a list of objects; empty when absent or null."""
    return tuple([as_object(item, name) for item in _items(entity, name)])


def moment(entity: JSONObject, name: str) -> datetime | None:
    """Return a DateTimeOffset property as an aware UTC time, or None."""
    value = optional_text(entity, name)
    return None if value is None else parse_moment(value)


def parse_moment(value: str) -> datetime:
    """Return Graph's time as aware UTC; one without an offset is UTC (we never ask for another zone)."""
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is UTC:
            return at
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise broken("time") from error


def recipient(value: object) -> MailAddress | None:
    """Return the person of a ``recipient``, or None when it names nobody."""
    if value is None:
        return None
    box = as_object(value, "recipient").get("emailAddress")
    if box is None:
        return None
    entity = as_object(box, "emailAddress")
    address, name = text(entity, "address"), text(entity, "name")
    return MailAddress(address, name) if address or name else None


def recipients(entity: JSONObject, name: str) -> tuple[MailAddress, ...]:
    """Return the people of a list of recipients."""
    people = [recipient(item) for item in _items(entity, name)]
    return tuple([person for person in people if person is not None])


def _items(entity: JSONObject, name: str) -> list[object]:
    items = entity.get(name)
    if items is None:
        return []
    if not isinstance(items, list):
        raise broken(name)
    return items
