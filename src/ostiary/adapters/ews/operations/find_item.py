"""FindItem: the messages of a folder by page, or the events of a calendar in a window of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ostiary.adapters.ews.operations.shape import FolderId, folder_ids, item_shape
from ostiary.adapters.ews.soap import Element, M, T, element_text
from ostiary.core.kernel.errors import ProviderContractBroken

OPERATION: Final = "FindItem"

_NEWEST_FIRST: Final = (
    '<m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:DateTimeReceived"/>'
    "</t:FieldOrder></m:SortOrder>"
)


@dataclass(frozen=True, slots=True)
class FoundItems:
    """Items of one folder."""

    items: tuple[Element, ...]
    is_last_page: bool


def messages_request(
    folders: Sequence[FolderId],
    *,
    fields: Sequence[str],
    offset: int,
    limit: int,
    restriction: str = "",
    query: str = "",
) -> str:
    """Ask for a page of messages of each folder, newest received first; one response message per folder.

    Args:
        restriction: A search expression as XML; not together with ``query``.
        query: Words for Exchange's search index.

    Source: EWS FindItem operation; at most 1000 a page, 250 with a restriction or query (ews.md §6).
    """
    narrowed = f"<m:Restriction>{restriction}</m:Restriction>" if restriction else ""
    searched = f"<m:QueryString>{element_text(query)}</m:QueryString>" if query else ""
    return (
        f'<m:FindItem Traversal="Shallow">{item_shape(fields)}'
        f'<m:IndexedPageItemView MaxEntriesReturned="{limit}" Offset="{offset}" BasePoint="Beginning"/>'
        f"{narrowed}{_NEWEST_FIRST}{folder_ids('ParentFolderIds', folders)}{searched}</m:FindItem>"
    )


def events_request(
    folder: FolderId, *, fields: Sequence[str], starts_at: datetime, ends_at: datetime, limit: int
) -> str:
    """Ask for the events and occurrences that overlap a window, by start.

    Source: EWS FindItem with CalendarView; no order, restriction or page may be combined with it (ews.md §6).
    """
    return (
        f'<m:FindItem Traversal="Shallow">{item_shape(fields)}'
        f'<m:CalendarView MaxEntriesReturned="{limit}" StartDate="{wire(starts_at)}" EndDate="{wire(ends_at)}"/>'
        f"{folder_ids('ParentFolderIds', [folder])}</m:FindItem>"
    )


def found_items(message: Element) -> FoundItems:
    """Take the response message apart."""
    root = message.find(f"{M}RootFolder")
    if root is None:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (RootFolder).")
    listed = root.find(f"{T}Items")
    return FoundItems(
        items=() if listed is None else tuple(listed),
        is_last_page=root.get("IncludesLastItemInRange") in ("true", "1"),
    )


def wire(at: datetime) -> str:
    """Return a time as EWS reads it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
