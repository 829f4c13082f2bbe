"""SyncFolderItems: what changed in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.adapters.ews.codec.xml_shape import required_id
from ostiary.adapters.ews.operations.shape import FolderId, item_shape
from ostiary.adapters.ews.soap import Element, M, T
from ostiary.core.kernel.errors import ProviderContractBroken

OPERATION: Final = "SyncFolderItems"
MOST_CHANGES: Final = 512
"""Source: ews.md §6."""


@dataclass(frozen=True, slots=True)
class ItemChanges:
    """One page of changed items."""

    changed: tuple[Element, ...]
    flagged: tuple[str, ...]
    """Ids of items of which only the read state changed; the answer holds nothing else about them."""
    removed: tuple[str, ...]
    state: str
    is_last: bool


def request(folder_id: str, state: str | None, *, fields: Sequence[str], limit: int) -> str:
    """Ask for items, newest first, or for those changed since a sync state.

    Source: EWS SyncFolderItems operation.
    """
    known = "" if state is None else f"<m:SyncState>{state}</m:SyncState>"
    return (
        f"<m:SyncFolderItems>{item_shape(fields)}"
        f"<m:SyncFolderId>{FolderId.by_id(folder_id).xml}</m:SyncFolderId>{known}"
        f"<m:MaxChangesReturned>{min(limit, MOST_CHANGES)}</m:MaxChangesReturned>"
        "<m:SyncScope>NormalItems</m:SyncScope></m:SyncFolderItems>"
    )


def changes(message: Element) -> ItemChanges:
    """Take the response message apart."""
    state = (message.findtext(f"{M}SyncState") or "").strip()
    if not state:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (SyncState).")
    listed = message.find(f"{M}Changes")
    changed: list[Element] = []
    flagged: list[str] = []
    removed: list[str] = []
    for change in () if listed is None else listed:
        if change.tag == f"{T}Delete":
            removed.append(required_id(change, "ItemId"))
        elif change.tag == f"{T}ReadFlagChange":
            flagged.append(required_id(change, "ItemId"))
        elif change.tag in (f"{T}Create", f"{T}Update") and len(change):
            changed.append(change[0])
    is_last = (message.findtext(f"{M}IncludesLastItemInRange") or "").strip() in ("true", "1")
    return ItemChanges(tuple(changed), tuple(flagged), tuple(removed), state, is_last)
