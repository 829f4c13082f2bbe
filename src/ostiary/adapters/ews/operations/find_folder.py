"""FindFolder: the folders directly below others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.adapters.ews.operations.shape import FolderId, folder_ids, folder_shape
from ostiary.adapters.ews.soap import Element, M, T
from ostiary.core.kernel.errors import ProviderContractBroken

OPERATION: Final = "FindFolder"
IS_HIDDEN: Final = '<t:ExtendedFieldURI PropertyTag="0x10F4" PropertyType="Boolean"/>'
"""PidTagAttributeHidden: folders that programs made for themselves (MS-OXPROPS)."""


@dataclass(frozen=True, slots=True)
class FoundFolders:
    """Folders below one parent."""

    folders: tuple[Element, ...]
    is_last_page: bool


def request(
    parents: Sequence[FolderId], *, fields: Sequence[str], offset: int, limit: int, deep: bool = False
) -> str:
    """Ask for children, with ``deep`` for everything below; one response message per parent.

    Source: EWS FindFolder operation.
    """
    return (
        f'<m:FindFolder Traversal="{"Deep" if deep else "Shallow"}">{folder_shape(fields, extended=IS_HIDDEN)}'
        f'<m:IndexedPageFolderView MaxEntriesReturned="{limit}" Offset="{offset}" BasePoint="Beginning"/>'
        f"{folder_ids('ParentFolderIds', parents)}</m:FindFolder>"
    )


def found_folders(message: Element) -> FoundFolders:
    """Take one response message apart."""
    root = message.find(f"{M}RootFolder")
    if root is None:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (RootFolder).")
    listed = root.find(f"{T}Folders")
    return FoundFolders(
        folders=() if listed is None else tuple(listed),
        is_last_page=root.get("IncludesLastItemInRange") in ("true", "1"),
    )


def is_hidden(folder: Element) -> bool:
    """Whether programs keep the folder from people's eyes."""
    for found in folder.iterfind(f"{T}ExtendedProperty"):
        path = found.find(f"{T}ExtendedFieldURI")
        if path is not None and (path.get("PropertyTag") or "").lower() == "0x10f4":
            return (found.findtext(f"{T}Value") or "").strip().lower() in ("true", "1")
    return False
