"""Mail and calendar as ``--json`` shows them: the API's names and forms, made from our models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, cast


def document_of(value: object) -> Any:
    """Return a model as plain JSON values: times in RFC 3339 UTC, enumerations by their word."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: document_of(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {str(name): document_of(inner) for name, inner in mapping.items()}
    if isinstance(value, (list, tuple)):
        return [document_of(inner) for inner in cast("Iterable[object]", value)]
    return value
