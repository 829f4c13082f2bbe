"""Views: which part of a result the caller wants, and the attributes that say where it goes on.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/indexedpageitemview
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.soap import Node, local_name

# Exchange Online's EWSFindCountLimit: more are never returned at once, fewer when the store has to search.
MAX_FOUND = 1000
MAX_FOUND_WITH_RESTRICTION = 250

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """One page of a result, and the attributes of ``m:RootFolder`` that belong to it."""

    found: Sequence[_T]
    attributes: dict[str, str]


def whole(found: Sequence[_T], total: int | None = None) -> Page[_T]:
    """Return everything as one page."""
    return Page(
        found,
        {"TotalItemsInView": str(len(found) if total is None else total), "IncludesLastItemInRange": "true"},
    )


def page(found: Sequence[_T], view: Node | None, *, limit: int = MAX_FOUND) -> Page[_T]:
    """Return the page that an indexed or fractional view asks for; without view, the first ``limit``.

    Raises:
        ResponseError: The numbers make no page.
    """
    if view is None:
        return _indexed(found, 0, limit, from_end=False)
    most = min(number(view, "MaxEntriesReturned", default=limit), limit)
    if most <= 0:
        raise ResponseError("ErrorInvalidPagingMaxRows", "MaxEntriesReturned must be at least 1.")
    if local_name(view).startswith("Indexed"):
        offset = number(view, "Offset")
        if offset < 0:
            raise ResponseError("ErrorInvalidIndexedPagingParameters", "Offset must not be negative.")
        base = view.get("BasePoint")
        if base not in {"Beginning", "End"}:
            raise schema_violation("The 'BasePoint' attribute is invalid.")
        return _indexed(found, offset, most, from_end=base == "End")
    return _fractional(found, number(view, "Numerator"), number(view, "Denominator"), most)


def number(node: Node, name: str, *, default: int | None = None) -> int:
    """Return an attribute as a number; a schema fault when it is missing (and has no default) or is none."""
    text = node.get(name)
    if text is None:
        if default is None:
            raise schema_violation(f"The required attribute '{name}' is missing.")
        return default
    try:
        value = int(text)
    except ValueError as error:
        raise schema_violation(
            f"The '{name}' attribute is invalid - The value '{text[:50]}' is invalid."
        ) from error
    if not -(2**31) <= value < 2**31:
        raise schema_violation(f"The '{name}' attribute is invalid - The value '{text[:50]}' is invalid.")
    return value


def _indexed(found: Sequence[_T], offset: int, most: int, *, from_end: bool) -> Page[_T]:
    total = len(found)
    if from_end:
        stop = max(0, total - offset)
        chosen = found[max(0, stop - most) : stop]
        last = stop - most <= 0
    else:
        chosen = found[offset : offset + most]
        last = offset + most >= total
    following = min(total, offset + len(chosen))
    return Page(
        chosen,
        {
            "IndexedPagingOffset": str(following),
            "TotalItemsInView": str(total),
            "IncludesLastItemInRange": "true" if last else "false",
        },
    )


def _fractional(found: Sequence[_T], numerator: int, denominator: int, most: int) -> Page[_T]:
    if denominator < 1 or not 0 <= numerator <= denominator:
        raise ResponseError("ErrorInvalidFractionalPagingParameters", "The fraction must be between 0 and 1.")
    total = len(found)
    offset = total * numerator // denominator
    chosen = found[offset : offset + most]
    return Page(
        chosen,
        {
            "NumeratorOffset": str(offset + len(chosen)),
            "AbsoluteDenominator": str(max(total, 1)),
            "TotalItemsInView": str(total),
            "IncludesLastItemInRange": "true" if offset + most >= total else "false",
        },
    )
