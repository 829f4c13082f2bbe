"""Mail folders as Graph writes them."""

from __future__ import annotations

from typing import Any

from m365_emulator.graph.call import Call
from m365_emulator.world.mailbox import Folder

from .fields import Field, Shape

FIELDS: dict[str, Field] = {
    "id": lambda call, f: call.mailbox.ids.folder_rest_id(f.number),
    "displayName": lambda call, f: f.display_name,
    "parentFolderId": lambda call, f: call.mailbox.ids.folder_rest_id(
        f.parent.number if f.parent else f.number
    ),
    "childFolderCount": lambda call, f: f.child_count,
    "unreadItemCount": lambda call, f: f.unread_count,
    "totalItemCount": lambda call, f: f.total_count,
    "isHidden": lambda call, f: f.is_hidden,
}

FOLDER = Shape(
    "microsoft.graph.mailFolder",
    FIELDS,
    navigation=(
        "childFolders",
        "messages",
        "messageRules",
        "singleValueExtendedProperties",
        "multiValueExtendedProperties",
    ),
)


def folder_json(call: Call, folder: Folder, chosen: tuple[tuple[str, Field], ...]) -> dict[str, Any]:
    """Return a folder with the chosen properties (of `FOLDER.selection`)."""
    return {name: get(call, folder) for name, get in chosen}
