"""FindFolder: the folders below a folder."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import schema_violation
from m365_emulator.ews.paging import page
from m365_emulator.ews.restriction import read_restriction
from m365_emulator.ews.shapes import read_folder_shape
from m365_emulator.ews.soap import Node
from m365_emulator.ews.targets import folder_target, listed


def find_folder(call: Call) -> str:
    """Answer one message per parent folder.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/findfolder-operation
    """
    shape = read_folder_shape(call.body.find(f"{xml.M}FolderShape"))
    traversal = call.body.get("Traversal")
    if traversal not in {"Shallow", "Deep", "SoftDeleted"}:
        raise schema_violation("The 'Traversal' attribute is invalid.")
    window = call.body.find(f"{xml.M}IndexedPageFolderView")
    if window is None:
        window = call.body.find(f"{xml.M}FractionalPageFolderView")

    def answer(node: Node) -> str:
        target = folder_target(call, node)
        view = call.view(target.mailbox)
        test = read_restriction(call, call.body.find(f"{xml.M}Restriction"))
        if traversal == "SoftDeleted":
            below = []
        else:
            below = list(target.folder.walk() if traversal == "Deep" else target.folder.children.values())
        found = [folder for folder in below if test is None or test(view, folder)]
        part = page(found, window)
        inner = "".join(shape.element(view, folder) for folder in part.found)
        return xml.element("m:RootFolder", f"<t:Folders>{inner}</t:Folders>", part.attributes)

    return each("FindFolder", listed(call, "ParentFolderIds"), answer)
