"""JSON values become dataclasses, by the types of their fields."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ostiary_client.errors import BadAnswer

T = TypeVar("T")
Decoder = Callable[[Any], Any]


def decode(kind: type[T], value: object) -> T:
    """Return ``value`` as ``kind``, a dataclass; fields it does not know are left out.

    Raises:
        BadAnswer: A field is missing, or of another kind.
    """
    try:
        return cast(T, _decoder(kind)(value))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"The answer is no {kind.__name__}: {type(error).__name__} at {error}.") from None


@cache
def _decoder(kind: Any) -> Decoder:
    """Looking at the types is slow; it is done once for each."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind))
    if origin is tuple:
        inner = _decoder(get_args(kind)[0])
        return lambda value: tuple(inner(each) for each in _of(list, value))
    if origin is not None and issubclass(_class(origin), Mapping):
        inner = _decoder(get_args(kind)[1])
        return lambda value: _mapping(inner, value)
    if is_dataclass(kind):
        return _dataclass(cast("type[Any]", kind))
    if kind is datetime:
        return lambda value: datetime.fromisoformat(_of(str, value))
    if kind is date:
        return lambda value: date.fromisoformat(_of(str, value))
    if origin is Literal:
        # A newer service may know more words than we do.
        kind = str
    return lambda value: _of(kind, value)


def _class(origin: Any) -> type[Any]:
    return origin if isinstance(origin, type) else object


def _dataclass(kind: type[Any]) -> Decoder:
    hints = get_type_hints(kind)
    decoders = [(field.name, _decoder(hints[field.name])) for field in fields(kind)]
    optional = {field.name for field in fields(kind) if field.default is not MISSING}

    def decode_fields(value: Any) -> Any:
        present = [each for each in decoders if each[0] not in optional or each[0] in value]
        return kind(**{name: decoder(value[name]) for name, decoder in present})

    return decode_fields


def _union(members: tuple[Any, ...]) -> Decoder:
    others = [member for member in members if member is not types.NoneType]
    if len(others) == 1:
        only = _decoder(others[0])
        return lambda value: None if value is None else only(value)
    # Plain values of several kinds, where only lists have to be made unchangeable.
    return _unchangeable


def _mapping(inner: Decoder, value: Any) -> dict[str, Any]:
    entries = cast("dict[str, Any]", _of(dict, value))
    return {name: inner(each) for name, each in entries.items()}


def _unchangeable(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def _of(kind: type[T], value: object) -> T:
    # JSON's true is no number, although Python's is.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"a {type(value).__name__} instead of a {kind.__name__}")
    return value
