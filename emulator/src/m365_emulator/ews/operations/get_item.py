"""GetItem: items, occurrences and recurring masters by id."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.shapes import read_item_shape
from m365_emulator.ews.soap import Node
from m365_emulator.ews.targets import item_target, listed


def get_item(call: Call) -> str:
    """Answer one message per id, in order.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getitem-operation
    """
    shape = read_item_shape(call.body.find(f"{xml.M}ItemShape"))

    own = call.view(shape=shape)

    def answer(node: Node) -> str:
        target = item_target(call, node)
        view = own if target.mailbox is call.mailbox else call.view(target.mailbox, shape)
        return f"<m:Items>{shape.element(view, target.item)}</m:Items>"

    return each("GetItem", listed(call, "ItemIds"), answer, on_error="<m:Items/>")
