"""SyncFolderItems: what changed in one folder since a sync state."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import failure, respond, success
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.shapes import ItemShape, read_item_shape
from m365_emulator.ews.soap import elements
from m365_emulator.ews.store_errors import translate
from m365_emulator.ews.sync_state import SyncState, read_sync_state
from m365_emulator.ews.targets import FolderTarget, folder_target, single
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox import ChangeKind, Item, Message, NetChange
from m365_emulator.world.mailbox.errors import MailboxError

_OPERATION = "SyncFolderItems"
_MOST_CHANGES = 512
# Clients read these two before they look whether the message is an error, so an error carries them too.
_EMPTY = "<m:SyncState></m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"


def sync_folder_items(call: Call) -> str:
    """Answer with at most MaxChangesReturned changes and the next sync state.

    The first round lists what is there, newest first; a calendar gives masters and single events, no occurrences.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderitems-operation
    """
    shape = read_item_shape(call.body.find(f"{xml.M}ItemShape"))
    most = _most_changes(call)
    try:
        try:
            target = folder_target(call, single(call, "SyncFolderId"))
        except ResponseError as error:
            if error.code == "ErrorFolderNotFound":
                raise ResponseError(
                    "ErrorSyncFolderNotFound", "The folder to synchronize does not exist."
                ) from error
            raise
        if target.folder.is_search:
            raise ResponseError(
                "ErrorInvalidFolderTypeForOperation", "Search folders cannot be synchronized."
            )
        text = (call.body.findtext(f"{xml.M}SyncState") or "").strip()
        if text:
            payload = _later_round(
                call, target, shape, read_sync_state(text, "i", target.mailbox, target.folder), most
            )
        else:
            start = SyncState(
                "i", target.folder.number, target.mailbox.begin_round(), 0, target.mailbox.next_number()
            )
            payload = _first_round(call, target, shape, start, most)
    except ResponseError as error:
        return respond(_OPERATION, [failure(_OPERATION, error, _EMPTY)])
    except MailboxError as error:
        return respond(_OPERATION, [failure(_OPERATION, translate(error), _EMPTY)])
    return respond(_OPERATION, [success(_OPERATION, payload)])


def _most_changes(call: Call) -> int:
    text = call.body.findtext(f"{xml.M}MaxChangesReturned")
    try:
        most = int(text or "")
    except ValueError as error:
        raise schema_violation("The element 'MaxChangesReturned' is missing or no number.") from error
    if not 1 <= most <= _MOST_CHANGES:
        raise schema_violation(
            f"The 'MaxChangesReturned' element is invalid - The value '{most}' is out of range."
        )
    return most


def _ignored(call: Call) -> frozenset[str]:
    listed = call.body.find(f"{xml.M}Ignore")
    return frozenset(node.get("Id") or "" for node in elements(listed)) if listed is not None else frozenset()


def _first_round(call: Call, target: FolderTarget, shape: ItemShape, state: SyncState, most: int) -> str:
    view = call.view(target.mailbox, shape)
    ignored = _ignored(call)
    waiting = sorted((identity for identity in target.folder.items if identity < state.below), reverse=True)
    listed = waiting[:most]
    changes = [
        _with_item("Create", view, shape, target.folder.items[identity], ignored) for identity in listed
    ]
    last = len(waiting) <= most
    following = SyncState("i", state.folder, state.since, 0, 0 if last else listed[-1])
    # Changes made while the listing went on are told in the next round, which the client is asked to start at once.
    finished = last and not target.mailbox.log.in_folder_since(state.folder, state.since)
    return _payload(following.write(target.mailbox), finished, changes)


def _later_round(call: Call, target: FolderTarget, shape: ItemShape, state: SyncState, most: int) -> str:
    mailbox = target.mailbox
    if state.below:
        # Whether the log still reaches back to the start must show before more is listed.
        mailbox.log.in_folder_since(state.folder, state.since)
        return _first_round(call, target, shape, state, most)
    upto = mailbox.change_number
    waiting = [
        change for change in mailbox.log.net_since(state.folder, state.since) if change.number > state.told
    ]
    part = waiting[:most]
    view = call.view(mailbox, shape)
    ignored = _ignored(call)
    changes = [_change(view, shape, target, change, ignored) for change in part]
    last = len(waiting) <= most
    unfinished = None if last else SyncState("i", state.folder, state.since, part[-1].number)
    following = unfinished or SyncState("i", state.folder, upto)
    return _payload(following.write(mailbox), last, changes)


def _payload(state: str, last: bool, changes: list[str]) -> str:
    return (
        f"<m:SyncState>{state}</m:SyncState>"
        f"<m:IncludesLastItemInRange>{xml.boolean(last)}</m:IncludesLastItemInRange>"
        f"<m:Changes>{''.join(changes)}</m:Changes>"
    )


def _change(
    view: View, shape: ItemShape, target: FolderTarget, change: NetChange, ignored: frozenset[str]
) -> str:
    mailbox = target.mailbox
    item = mailbox.find_item(change.identity)
    if change.kind is ChangeKind.DELETED or item is None or item.folder is not target.folder:
        item_id = mailbox.ids.ews_id(target.folder.number, change.entry)
        return "<t:Delete>" + xml.element("t:ItemId", "", {"Id": item_id}) + "</t:Delete>"
    if change.kind is ChangeKind.READ_FLAG and isinstance(item, Message):
        if _is_ignored(view, item, ignored):
            return ""
        return f"<t:ReadFlagChange>{view.item_id(item)}<t:IsRead>{xml.boolean(item.is_read)}</t:IsRead></t:ReadFlagChange>"
    name = "Create" if change.kind is ChangeKind.CREATED else "Update"
    return _with_item(name, view, shape, item, ignored)


def _with_item(name: str, view: View, shape: ItemShape, item: Item, ignored: frozenset[str]) -> str:
    if _is_ignored(view, item, ignored):
        return ""
    return f"<t:{name}>{shape.element(view, item)}</t:{name}>"


def _is_ignored(view: View, item: Item, ignored: frozenset[str]) -> bool:
    return bool(ignored) and view.item_id_attributes(item)["Id"] in ignored
