"""Our cursors around EWS's offsets."""

from __future__ import annotations

from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest

_MOST_ITEMS = 10_000_000


def start_offset(cursor: str | None, binding: str) -> int:
    """Return where a page starts; raises InvalidRequest for a cursor of another list."""
    if cursor is None:
        return 0
    offset = unwrap_cursor(cursor, binding=binding).get("offset")
    if not isinstance(offset, int) or not 0 <= offset <= _MOST_ITEMS:
        raise InvalidRequest("This cursor does not belong to this list. Start without one.", field="cursor")
    return offset


def next_offset(offset: int, found_count: int, is_last_page: bool, binding: str) -> str | None:
    """Return the cursor of the next page; None after the last one, or when a page brought nothing."""
    if is_last_page or found_count == 0:
        return None
    return wrap_cursor({"offset": offset + found_count}, binding=binding)
