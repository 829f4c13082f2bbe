"""GetFolder: folders by name or id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.adapters.ews.operations.shape import FolderId, folder_ids, folder_shape

OPERATION: Final = "GetFolder"


def request(folders: Sequence[FolderId], *, fields: Sequence[str] = ()) -> str:
    """Ask for folders; one response message each.

    Source: EWS GetFolder operation.
    """
    return f"<m:GetFolder>{folder_shape(fields)}{folder_ids('FolderIds', folders)}</m:GetFolder>"
