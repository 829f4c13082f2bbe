"""SyncFolderHierarchy: what changed among the folders of a mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.adapters.ews.codec.xml_shape import required_id
from ostiary.adapters.ews.operations.find_folder import IS_HIDDEN
from ostiary.adapters.ews.operations.shape import FolderId, folder_shape
from ostiary.adapters.ews.soap import Element, M, T
from ostiary.core.kernel.errors import ProviderContractBroken

OPERATION: Final = "SyncFolderHierarchy"
_ROOT: Final = FolderId.named("msgfolderroot")


@dataclass(frozen=True, slots=True)
class HierarchyChanges:
    """One page of changed folders."""

    changed: tuple[Element, ...]
    removed: tuple[str, ...]
    state: str
    is_last: bool


def request(state: str | None, *, fields: Sequence[str]) -> str:
    """Ask for folders, all of them or those changed since a sync state.

    Source: EWS SyncFolderHierarchy operation.
    """
    known = "" if state is None else f"<m:SyncState>{state}</m:SyncState>"
    return (
        f"<m:SyncFolderHierarchy>{folder_shape(fields, extended=IS_HIDDEN)}"
        f"<m:SyncFolderId>{_ROOT.xml}</m:SyncFolderId>{known}</m:SyncFolderHierarchy>"
    )


def changes(message: Element) -> HierarchyChanges:
    """Take the response message apart."""
    state = (message.findtext(f"{M}SyncState") or "").strip()
    if not state:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (SyncState).")
    listed = message.find(f"{M}Changes")
    changed: list[Element] = []
    removed: list[str] = []
    for change in () if listed is None else listed:
        if change.tag == f"{T}Delete":
            removed.append(required_id(change, "FolderId"))
        elif change.tag in (f"{T}Create", f"{T}Update") and len(change):
            changed.append(change[0])
    is_last = (message.findtext(f"{M}IncludesLastFolderInRange") or "").strip() in ("true", "1")
    return HierarchyChanges(tuple(changed), tuple(removed), state, is_last)
