"""CreateFolder, UpdateFolder, DeleteFolder, MoveFolder, CopyFolder, EmptyFolder, MarkAllItemsAsRead."""

from __future__ import annotations

from collections.abc import Mapping

from m365_emulator.ews import xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.fields.folder import element_of
from m365_emulator.ews.operations.delete_item import delete_mode
from m365_emulator.ews.operations.move_item import to_folder
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.targets import FolderTarget, folder_target, listed, single
from m365_emulator.world.mailbox import Message
from m365_emulator.world.mailbox.errors import FolderProtected

_CLASSES: Mapping[str, str] = {
    "Folder": "IPF.Note",
    "CalendarFolder": "IPF.Appointment",
    "ContactsFolder": "IPF.Contact",
    "TasksFolder": "IPF.Task",
}

_PERMISSIONS = "folder:PermissionSet"


def create_folder(call: Call) -> str:
    """Answer one message per folder with its id.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/createfolder-operation
    """
    single(call, "ParentFolderId")

    def answer(node: Node) -> str:
        kind = local_name(node)
        if kind not in _CLASSES:
            raise ResponseError("ErrorInvalidFolderTypeForOperation", f"A {kind} cannot be created here.")
        try:
            parent = folder_target(call, single(call, "ParentFolderId"))
        except ResponseError as error:
            if error.code == "ErrorFolderNotFound":
                raise ResponseError(
                    "ErrorParentFolderNotFound", "The parent folder was not found."
                ) from error
            raise
        name = (node.findtext(f"{xml.T}DisplayName") or "").strip()
        folder_class = (node.findtext(f"{xml.T}FolderClass") or "").strip() or _CLASSES[kind]
        made = parent.mailbox.create_folder(parent.folder, name, folder_class)
        return _folders(call, FolderTarget(parent.mailbox, made))

    return each("CreateFolder", listed(call, "Folders"), answer)


def update_folder(call: Call) -> str:
    """Answer one message per folder with its new change key; names can be changed, permissions are accepted.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/updatefolder-operation
    """

    def answer(node: Node) -> str:
        children = elements(node)
        if len(children) != 2 or local_name(children[1]) != "Updates":
            raise schema_violation("The element 'FolderChange' needs an id and Updates.")
        target = folder_target(call, children[0])
        for update in elements(children[1]):
            _update(target, update)
        return _folders(call, target)

    return each("UpdateFolder", listed(call, "FolderChanges"), answer)


def delete_folder(call: Call) -> str:
    """Answer one message per folder; well-known ones are ErrorDeleteDistinguishedFolder.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/deletefolder-operation
    """
    mode = delete_mode(call)

    def answer(node: Node) -> str:
        target = folder_target(call, node)
        target.mailbox.delete_folder(target.folder, mode)
        return ""

    return each("DeleteFolder", listed(call, "FolderIds"), answer)


def empty_folder(call: Call) -> str:
    """Answer one message per folder, which stays while what is in it goes.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/emptyfolder-operation
    """
    mode = delete_mode(call)
    with_subfolders = read_boolean(call.body.get("DeleteSubFolders"), default=False)

    def answer(node: Node) -> str:
        target = folder_target(call, node)
        if target.folder.is_calendar or target.folder.is_search:
            raise ResponseError("ErrorCannotEmptyFolder", "Calendar and search folders cannot be emptied.")
        target.mailbox.empty_folder(target.folder, mode, with_subfolders=with_subfolders)
        return ""

    return each("EmptyFolder", listed(call, "FolderIds"), answer)


def move_folder(call: Call) -> str:
    """Answer one message per folder; its id stays the same.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/movefolder-operation
    """

    def answer(node: Node) -> str:
        source, target = folder_target(call, node), to_folder(call)
        _check_same_mailbox(source, target)
        try:
            source.mailbox.move_folder(source.folder, target.folder)
        except FolderProtected as error:
            raise ResponseError("ErrorMoveDistinguishedFolder", str(error)) from error
        return _folders(call, source)

    return each("MoveFolder", listed(call, "FolderIds"), answer)


def copy_folder(call: Call) -> str:
    """Answer one message per folder with the copy's id.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/copyfolder-operation
    """

    def answer(node: Node) -> str:
        source, target = folder_target(call, node), to_folder(call)
        _check_same_mailbox(source, target)
        made = source.mailbox.copy_folder(source.folder, target.folder)
        return _folders(call, FolderTarget(source.mailbox, made))

    return each("CopyFolder", listed(call, "FolderIds"), answer)


def mark_all_items_as_read(call: Call) -> str:
    """Answer one message per folder.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/markallitemsasread-operation
    """
    read = read_boolean(call.body.findtext(f"{xml.M}ReadFlag"), default=True)

    def answer(node: Node) -> str:
        target = folder_target(call, node)
        for item in list(target.folder.items.values()):
            if isinstance(item, Message) and item.is_read is not read:
                target.mailbox.update(item, {"is_read": read})
        return ""

    return each("MarkAllItemsAsRead", listed(call, "FolderIds"), answer)


def _check_same_mailbox(source: FolderTarget, target: FolderTarget) -> None:
    if source.mailbox is not target.mailbox:
        raise ResponseError(
            "ErrorCrossMailboxMoveCopy", "Folders cannot be moved or copied to another mailbox."
        )


def _folders(call: Call, target: FolderTarget) -> str:
    kind = element_of(target.folder)
    return f"<m:Folders><t:{kind}>{call.view(target.mailbox).folder_id(target.folder)}</t:{kind}></m:Folders>"


def _update(target: FolderTarget, update: Node) -> None:
    children = elements(update)
    if not children:
        raise schema_violation(f"The element '{local_name(update)}' has incomplete content.")
    uri = children[0].get("FieldURI") or ""
    if local_name(update) == "SetFolderField" and len(children) == 2:
        _set(target, children[0], elements(children[1]))
    elif local_name(update) == "DeleteFolderField" and uri == _PERMISSIONS:
        target.mailbox.touch_folder(target.folder)
    else:
        raise ResponseError("ErrorInvalidPropertySet", f"Set action is invalid for property {uri[:100]}.")


def _set(target: FolderTarget, path: Node, properties: list[Node]) -> None:
    if len(properties) != 1:
        raise ResponseError("ErrorIncorrectUpdatePropertyCount", "An update must hold exactly one property.")
    uri = path.get("FieldURI") or ""
    if local_name(path) == "FieldURI" and uri.partition(":")[2] != local_name(properties[0]):
        raise ResponseError("ErrorUpdatePropertyMismatch", "The property is not the one its path names.")
    text = (properties[0].text or "").strip()
    match uri:
        case "folder:DisplayName":
            target.mailbox.rename_folder(target.folder, text)
        case "folder:FolderClass":
            _set_class(target, text)
        case "folder:PermissionSet":
            # Clients write back the set they read with every change of a folder; rights are the mailbox's own here.
            target.mailbox.touch_folder(target.folder)
        case _:
            raise ResponseError("ErrorInvalidPropertySet", f"Set action is invalid for property {uri[:100]}.")


def _set_class(target: FolderTarget, folder_class: str) -> None:
    """Give a mail folder a class of its own; folders with an element of their own keep theirs."""
    if folder_class == target.folder.folder_class:
        return
    if element_of(target.folder) != "Folder" or not folder_class.startswith("IPF."):
        raise ResponseError("ErrorNoFolderClassOverride", "The folder class cannot be changed.")
    target.folder.folder_class = folder_class
    target.mailbox.touch_folder(target.folder)
