"""Mail folders: tree, names, changes."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox import Folder
from m365_emulator.world.mailbox.errors import FolderNotFound

from .access import MAIL_READ_BASIC
from .call import Call, Reply
from .getters import folder_listing
from .odata.listing import page_json, select_page
from .operations import Operations
from .shapes.folders import FOLDER, folder_json

operations = Operations()
_ALIASES = {"root": "msgfolderroot"}


@operations.get("/{mailbox}/mailFolders", MAIL_READ_BASIC)
def list_top(call: Call) -> Reply:
    """List the folders below the top of the mailbox."""
    return _list(call, call.mailbox.well_known("msgfolderroot"), "mailFolders")


@operations.get("/{mailbox}/mailFolders/{folder}/childFolders", MAIL_READ_BASIC)
def list_children(call: Call) -> Reply:
    """List the folders below a folder."""
    name = call.arguments["folder"]
    return _list(call, folder_of(call, name), f"mailFolders('{name}')/childFolders")


@operations.get("/{mailbox}/mailFolders/$count", MAIL_READ_BASIC)
def count_top(call: Call) -> Reply:
    """Count the folders below the top of the mailbox."""
    return _count(call, call.mailbox.well_known("msgfolderroot"))


@operations.get("/{mailbox}/mailFolders/{folder}/childFolders/$count", MAIL_READ_BASIC)
def count_children(call: Call) -> Reply:
    """Count the folders below a folder."""
    return _count(call, folder_of(call, call.arguments["folder"]))


@operations.get("/{mailbox}/mailFolders/{folder}", MAIL_READ_BASIC)
def get(call: Call) -> Reply:
    """Return one folder."""
    return folder_reply(call, folder_of(call, call.arguments["folder"]))


def folder_of(call: Call, name: str) -> Folder:
    """Return the mail folder a path or body names, by well-known name in any case or by id.

    Raises:
        FolderNotFound: There is none in this mailbox.
        MalformedId: It is neither a name nor an id.
    """
    mailbox = call.mailbox
    known = mailbox.find_well_known(_ALIASES.get(name.lower(), name))
    folder = known or mailbox.resolve_folder(mailbox.ids.read_rest(name))
    if folder.is_calendar:
        raise FolderNotFound
    return folder


def folder_reply(call: Call, folder: Folder, status: int = 200) -> Reply:
    """Return one folder as an answer."""
    body: dict[str, Any] = {"@odata.context": f"{call.context('mailFolders')}/$entity"}
    body |= folder_json(call, folder, FOLDER.selection(call))
    for expansion in call.options.expand:
        if expansion.name.lower() == "childfolders":
            chosen = FOLDER.selection(call, ())
            body["childFolders"] = [folder_json(call, child, chosen) for child in children_of(call, folder)]
    return Reply(status, body)


def children_of(call: Call, folder: Folder) -> list[Folder]:
    """Return the mail folders below a folder, hidden ones only on request, in the order Outlook shows them."""
    hidden = (call.options.other("includeHiddenFolders") or "").lower() == "true"
    found = [child for child in folder.children.values() if child.is_mail and (hidden or not child.is_hidden)]
    return sorted(found, key=lambda child: child.display_name.casefold())


def _list(call: Call, folder: Folder, context: str) -> Reply:
    chosen = FOLDER.selection(call)
    page = select_page(call, folder_listing(call), children_of(call, folder))
    rendered = [folder_json(call, child, chosen) for child in page.items]
    for expansion in call.options.expand:
        if expansion.name.lower() == "childfolders":
            all_fields = FOLDER.selection(call, ())
            for child, found in zip(page.items, rendered, strict=True):
                found["childFolders"] = [
                    folder_json(call, one, all_fields) for one in children_of(call, child)
                ]
    return Reply(json=page_json(call, page, call.context(context), rendered))


def _count(call: Call, folder: Folder) -> Reply:
    page = select_page(call, folder_listing(call), children_of(call, folder))
    return Reply(content=str(page.total).encode(), content_type="text/plain")
