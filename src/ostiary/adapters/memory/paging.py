"""Pages of lists in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.page import Page

T = TypeVar("T")


def page_of(items: Sequence[T], binding: str, cursor: str | None, limit: int) -> Page[T]:
    """Return one page of a list, with a cursor that holds how far it got."""
    start = 0
    if cursor is not None:
        position = unwrap_cursor(cursor, binding=f"memory {binding}").get("offset")
        if not isinstance(position, int) or position < 0:
            raise InvalidRequest("This cursor does not belong to this list.", field="cursor")
        start = position
    end = start + limit
    following = wrap_cursor({"offset": end}, binding=f"memory {binding}") if end < len(items) else None
    return Page(tuple(items[start:end]), following)
