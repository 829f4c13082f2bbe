"""From a change in a mailbox to the kind of notification a subscription gets."""

from __future__ import annotations

from m365_emulator.world.mailbox import CalendarEvent, Change, ChangeKind, Mailbox, Message

from .model import Subscription


def kind_for(subscription: Subscription, mailbox: Mailbox, change: Change) -> str | None:
    """Return created, updated or deleted, None if the change does not concern the subscription.

    Seen from a folder, coming in is creation and going out is deletion. Seen from the whole mailbox a move is an
    update, and only leaving for Recoverable Items is deletion.
    """
    if change.is_folder:
        return None
    watched = subscription.watched
    is_event = change.item_class.startswith("IPM.Appointment")
    if is_event is not (watched.kind == "events"):
        return None
    place = mailbox.calendar.number if is_event else watched.folder
    kind = _in_folder(change) if place is not None and change.folder == place else None
    if place is None:
        kind = _in_mailbox(mailbox, change)
    if kind is None:
        return None
    if subscription.test is not None:
        kind = _filtered(subscription, mailbox, change, kind)
    return kind if kind in subscription.change_types else None


def _in_folder(change: Change) -> str | None:
    match change.kind:
        case ChangeKind.CREATED | ChangeKind.MOVED_IN:
            return "created"
        case ChangeKind.UPDATED | ChangeKind.READ_FLAG:
            return "updated"
        case _:
            return "deleted"


def _in_mailbox(mailbox: Mailbox, change: Change) -> str | None:
    visible = _is_visible(mailbox, change.folder)
    match change.kind:
        case ChangeKind.DELETED:
            return "deleted" if visible else None
        case ChangeKind.MOVED_OUT:
            return None
        case ChangeKind.MOVED_IN:
            if not visible:
                return None
            was_visible = change.other_folder is not None and _is_visible(mailbox, change.other_folder)
            return "updated" if was_visible else "created"
        case ChangeKind.CREATED:
            return "created" if visible else None
        case _:
            return "updated" if visible else None


def _is_visible(mailbox: Mailbox, number: int) -> bool:
    top = mailbox.well_known("msgfolderroot")
    return any(folder.number == number and folder.is_within(top) for folder in mailbox.folders)


def _filtered(subscription: Subscription, mailbox: Mailbox, change: Change, kind: str) -> str | None:
    """Turn entering the filter into creation and leaving it into deletion."""
    matching = subscription.matching if subscription.matching is not None else set[int]()
    subscription.matching = matching
    item = mailbox.find_item(change.identity)
    test = subscription.test
    was = change.identity in matching
    matches = (
        isinstance(item, Message | CalendarEvent) and test is not None and kind != "deleted" and test(item)
    )
    if matches:
        matching.add(change.identity)
    else:
        matching.discard(change.identity)
    if was and not matches:
        return "deleted"
    if matches:
        return "updated" if was else "created"
    return None


def matching_now(subscription: Subscription) -> set[int] | None:
    """Return who passes the filter of a new subscription at its start."""
    watched = subscription.watched
    if subscription.test is None:
        return None
    mailbox = watched.target.mailbox
    if watched.kind == "events":
        items = list(mailbox.calendar.items.values())
    elif watched.folder is not None:
        items = list(mailbox.folder(watched.folder).items.values())
    else:
        items = mailbox.all_mail()
    return {item.identity for item in items if subscription.test(item)}
