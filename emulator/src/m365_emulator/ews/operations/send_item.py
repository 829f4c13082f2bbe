"""SendItem: send a draft that was saved before."""

from __future__ import annotations

from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.operations.create_item import saved_item_folder
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.ews.soap import Node
from m365_emulator.ews.targets import item_target, listed
from m365_emulator.world.mailbox import Message, delivery


def send_item(call: Call) -> str:
    """Answer one message per item; the caller must hold the current change key.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/senditem-operation
    """
    wanted = call.body.get("SaveItemToFolder")
    if wanted is None:
        raise schema_violation("The required attribute 'SaveItemToFolder' is missing.")
    save = read_boolean(wanted, default=True)

    def answer(node: Node) -> str:
        folder = saved_item_folder(call)
        if folder is not None and not save:
            raise ResponseError(
                "ErrorInvalidSendItemSaveSettings", "A folder is named, but nothing is to be saved."
            )
        target = item_target(call, node)
        if target.change_key is None:
            raise ResponseError("ErrorChangeKeyRequiredForWriteOperations")
        if not isinstance(target.item, Message):
            raise ResponseError("ErrorInvalidItemForOperationSendItem", "Only messages can be sent.")
        if target.change_key != target.mailbox.change_key_of(target.item):
            raise ResponseError("ErrorStaleObject")
        delivery.send(target.mailbox, target.item, save_copy=save, folder=folder.folder if folder else None)
        return ""

    return each("SendItem", listed(call, "ItemIds"), answer)
