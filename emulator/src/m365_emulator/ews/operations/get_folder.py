"""GetFolder: folders by id or by their distinguished names."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.shapes import read_folder_shape
from m365_emulator.ews.soap import Node
from m365_emulator.ews.targets import folder_target, listed


def get_folder(call: Call) -> str:
    """Answer one message per id, in order; names the mailbox does not have are ErrorFolderNotFound.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getfolder-operation
    """
    shape = read_folder_shape(call.body.find(f"{xml.M}FolderShape"))

    def answer(node: Node) -> str:
        target = folder_target(call, node)
        return f"<m:Folders>{shape.element(call.view(target.mailbox), target.folder)}</m:Folders>"

    return each("GetFolder", listed(call, "FolderIds"), answer)
