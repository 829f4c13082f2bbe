"""FindItem by the stamp of a creation."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.codec.event_xml import STAMP_PATH
from ostiary.adapters.ews.operations.shape import FolderId, folder_ids, item_shape
from ostiary.adapters.ews.soap import attribute

OPERATION: Final = "FindItem"


def request(folder: FolderId, stamp: str) -> str:
    """Ask for the item of a folder that was created under a stamp.

    Source: EWS FindItem operation, Restriction.
    """
    return (
        f'<m:FindItem Traversal="Shallow">{item_shape(())}'
        '<m:IndexedPageItemView MaxEntriesReturned="1" Offset="0" BasePoint="Beginning"/>'
        f"<m:Restriction><t:IsEqualTo>{STAMP_PATH}<t:FieldURIOrConstant><t:Constant Value={attribute(stamp)}/>"
        "</t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>"
        f"{folder_ids('ParentFolderIds', [folder])}</m:FindItem>"
    )
