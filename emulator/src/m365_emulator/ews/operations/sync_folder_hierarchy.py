"""SyncFolderHierarchy: what changed among the folders below a root since a sync state."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import failure, respond, success
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.shapes import read_folder_shape
from m365_emulator.ews.soap import elements
from m365_emulator.ews.store_errors import translate
from m365_emulator.ews.sync_state import SyncState, read_sync_state
from m365_emulator.ews.targets import FolderTarget, folder_target
from m365_emulator.world.mailbox import ChangeKind
from m365_emulator.world.mailbox.errors import FolderNotFound, MailboxError

_OPERATION = "SyncFolderHierarchy"
_EMPTY = "<m:SyncState></m:SyncState><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>"


def sync_folder_hierarchy(call: Call) -> str:
    """Answer with every change and the next sync state; the first round lists all folders below the root.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderhierarchy-operation
    """
    shape = read_folder_shape(call.body.find(f"{xml.M}FolderShape"))
    try:
        target = _root(call)
        view = call.view(target.mailbox)
        text = (call.body.findtext(f"{xml.M}SyncState") or "").strip()
        if text:
            since = read_sync_state(text, "h", target.mailbox, target.folder).since
            changes = _changes(target, since)
        else:
            changes = [(ChangeKind.CREATED, folder.number) for folder in target.folder.walk()]
        inner = ""
        for kind, number in changes:
            if kind is ChangeKind.DELETED:
                folder_id = xml.element("t:FolderId", "", {"Id": target.mailbox.ids.folder_ews_id(number)})
                inner += f"<t:Delete>{folder_id}</t:Delete>"
            else:
                name = "Create" if kind is ChangeKind.CREATED else "Update"
                inner += f"<t:{name}>{shape.element(view, target.mailbox.folder(number))}</t:{name}>"
        state = SyncState("h", target.folder.number, target.mailbox.begin_round()).write(target.mailbox)
    except ResponseError as error:
        return respond(_OPERATION, [failure(_OPERATION, error, _EMPTY)])
    except MailboxError as error:
        return respond(_OPERATION, [failure(_OPERATION, translate(error), _EMPTY)])
    payload = (
        f"<m:SyncState>{state}</m:SyncState><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>"
        f"<m:Changes>{inner}</m:Changes>"
    )
    return respond(_OPERATION, [success(_OPERATION, payload)])


def _root(call: Call) -> FolderTarget:
    node = call.body.find(f"{xml.M}SyncFolderId")
    ids = elements(node) if node is not None else []
    if not ids:
        return FolderTarget(call.mailbox, call.mailbox.well_known("msgfolderroot"))
    try:
        return folder_target(call, ids[0])
    except ResponseError as error:
        if error.code == "ErrorFolderNotFound":
            raise ResponseError(
                "ErrorSyncFolderNotFound", "The folder to synchronize does not exist."
            ) from error
        raise


def _changes(target: FolderTarget, since: int) -> list[tuple[ChangeKind, int]]:
    found: list[tuple[ChangeKind, int]] = []
    for change in target.mailbox.log.hierarchy_since(since):
        if change.kind is ChangeKind.DELETED:
            found.append((change.kind, change.entry))
            continue
        try:
            folder = target.mailbox.folder(change.entry)
        except FolderNotFound:
            continue
        if folder is not target.folder and folder.is_within(target.folder):
            found.append((change.kind, change.entry))
    return found
