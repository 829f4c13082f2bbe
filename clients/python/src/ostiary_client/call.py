"""Calls as values: what to ask, how to read the answer, whether it may be asked again. No I/O."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import IO, Any, Generic, TypeVar
from urllib.parse import quote

from ostiary_client.decoding import decode
from ostiary_client.errors import BadAnswer

T = TypeVar("T")
FileContent = bytes | IO[bytes] | Iterable[bytes] | AsyncIterable[bytes]
"""A file's bytes: at hand, readable (opened in binary), or in pieces; asynchronous ones need ``AsyncOstiary``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of the service."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way to the service."""

    content: FileContent = field(repr=False)
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of the API."""

    method: str
    path: str
    parse: Callable[[Answer], T]
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_repeatable: bool = False
    """Asking again does nothing twice: it changes nothing, or carries an ``Idempotency-Key``."""
    waits_seconds: float = 0
    """The service may hold the answer back for so long."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. A short page is not the last: ``next_cursor`` is None on that."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list that comes in pages."""

    first: Call[Page[T]]

    def after(self, page: Page[T]) -> Call[Page[T]] | None:
        """Return the call that gets the page after this one; None after the last."""
        if page.next_cursor is None:
            return None
        return replace(self.first, query={**self.first.query, "cursor": page.next_cursor})


def get(path: str, parse: Callable[[Answer], T], **query: object) -> Call[T]:
    """Return a call that changes nothing."""
    return Call("GET", path, parse, query=query_of(query), is_repeatable=True)


def listing(path: str, kind: type[T], **query: object) -> Listing[T]:
    """Return a list of ``kind`` in pages."""
    return Listing(get(path, page_of(kind), **query))


def create(
    method: str, path: str, parse: Callable[[Answer], T], body: Mapping[str, Any] | None, key: str | None
) -> Call[T]:
    """Return a call that does its work once: with the caller's key, or with one of ours."""
    headers = {"Idempotency-Key": new_key() if key is None else key}
    return Call(method, path, parse, body=body, headers=headers, is_repeatable=True)


def new_key() -> str:
    """Return a fresh ``Idempotency-Key``."""
    return str(uuid.uuid4())


def path_of(*parts: str) -> str:
    """Return an address below ``/v1`` whose parts keep to themselves, whatever characters they have."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def query_of(values: Mapping[str, object]) -> dict[str, str]:
    """Return what was given as query parameters; a trailing underscore keeps a name apart from Python's words."""
    return {name.rstrip("_"): _query_text(value) for name, value in values.items() if value is not None}


def body_of(values: Mapping[str, object]) -> dict[str, Any]:
    """Return what was given as fields of a body; None means that it was not."""
    return {name: plain(value) for name, value in values.items() if value is not None}


def plain(value: object) -> Any:
    """Return times as RFC 3339 text and sequences as lists."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def nothing(answer: Answer) -> None:
    """Read an answer that says no more than that it was done."""
    del answer


def one(kind: type[T]) -> Callable[[Answer], T]:
    """Return how to read one object."""
    return lambda answer: decode(kind, _json(answer))


def one_tagged(kind: type[T]) -> Callable[[Answer], T]:
    """Return how to read one object together with its ``ETag``."""
    return lambda answer: decode(kind, {**_json(answer), "etag": answer.headers.get("etag")})


def match_header(if_match: str | None) -> dict[str, str]:
    """Return the header that lets a change through only while the object is as it was."""
    return {} if if_match is None else {"If-Match": if_match}


def page_of(kind: type[T]) -> Callable[[Answer], Page[T]]:
    """Return how to read a page of objects."""

    def parse(answer: Answer) -> Page[T]:
        document = _json(answer)
        cursor = document.get("next_cursor")
        return Page(items_in(kind, document), cursor if isinstance(cursor, str) else None)

    return parse


def items_of(kind: type[T]) -> Callable[[Answer], tuple[T, ...]]:
    """Return how to read a list that comes whole."""
    return lambda answer: items_in(kind, _json(answer))


def items_in(kind: type[T], document: Mapping[str, Any]) -> tuple[T, ...]:
    """Return the objects of a list."""
    items = document.get("items")
    if not isinstance(items, list):
        raise BadAnswer("The answer is no list.")
    return tuple(decode(kind, each) for each in items)


def number(name: str) -> Callable[[Answer], int]:
    """Return how to read one number."""

    def parse(answer: Answer) -> int:
        value = _json(answer).get(name)
        if not isinstance(value, int):
            raise BadAnswer(f"The answer has no number {name}.")
        return value

    return parse


def _json(answer: Answer) -> dict[str, Any]:
    try:
        document: Any = json.loads(answer.content)
    except ValueError:
        raise BadAnswer(f"The answer with status {answer.status} is no JSON.") from None
    if not isinstance(document, dict):
        raise BadAnswer("The answer is no JSON object.")
    return document


def _query_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone: datetime(…, tzinfo=UTC)")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
