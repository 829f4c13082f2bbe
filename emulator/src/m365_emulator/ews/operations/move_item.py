"""MoveItem and CopyItem: the same items in another folder, under new ids."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.fields.registry import kind_of
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.ews.soap import Node
from m365_emulator.ews.targets import FolderTarget, folder_target, item_target, listed, single
from m365_emulator.world.mailbox import CalendarEvent


def move_item(call: Call) -> str:
    """Answer one message per item with its new id.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/moveitem-operation
    """
    return _transfer(call, "MoveItem")


def copy_item(call: Call) -> str:
    """Answer one message per item with the copy's id.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/copyitem-operation
    """
    return _transfer(call, "CopyItem")


def to_folder(call: Call) -> FolderTarget:
    """Return the folder of ``m:ToFolderId``; one that is gone is ErrorToFolderNotFound."""
    try:
        return folder_target(call, single(call, "ToFolderId"))
    except ResponseError as error:
        if error.code == "ErrorFolderNotFound":
            raise ResponseError("ErrorToFolderNotFound") from error
        raise


def _transfer(call: Call, operation: str) -> str:
    with_ids = read_boolean(call.body.findtext(f"{xml.M}ReturnNewItemIds"), default=True)
    single(call, "ToFolderId")

    def answer(node: Node) -> str:
        source, target = item_target(call, node), to_folder(call)
        if source.mailbox is not target.mailbox:
            raise ResponseError(
                "ErrorCrossMailboxMoveCopy", "Items cannot be moved or copied to another mailbox."
            )
        if isinstance(source.item, CalendarEvent) and source.item.original_start is not None:
            raise ResponseError(
                "ErrorCalendarCannotMoveOrCopyOccurrence", "A single occurrence cannot be moved or copied."
            )
        mailbox = source.mailbox
        item = (
            mailbox.move(source.item, target.folder)
            if operation == "MoveItem"
            else mailbox.copy(source.item, target.folder)
        )
        if not with_ids:
            return "<m:Items/>"
        kind = kind_of(item)
        return f"<m:Items><t:{kind}>{call.view(mailbox).item_id(item)}</t:{kind}></m:Items>"

    return each(operation, listed(call, "ItemIds"), answer, on_error="<m:Items/>")
