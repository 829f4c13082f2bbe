"""Folders, items, the change log."""

from __future__ import annotations

import pytest

from m365_emulator.world.mailbox import Change, ChangeKind, DeleteMode, Mailbox, Message
from m365_emulator.world.mailbox.errors import (
    ChangeConflict,
    ChangesForgotten,
    FolderExists,
    FolderProtected,
    InvalidContent,
    ItemNotFound,
)


def test_move_changes_the_entry_and_keeps_the_identity(sales: Mailbox) -> None:
    message = sales.add(Message(subject="x"), sales.well_known("inbox"))
    before = sales.key_of(message)
    sales.move(message, sales.well_known("archive"))
    after = sales.key_of(message)
    assert after.identity == before.identity
    assert after.entry != before.entry
    with pytest.raises(ItemNotFound):
        sales.resolve(sales.ids.read_rest(sales.ids.rest_id(before.folder, before.entry)))
    assert sales.resolve(sales.ids.read_rest(sales.ids.immutable_id(before.identity))) is message


def test_counts_follow_every_change(sales: Mailbox) -> None:
    inbox, archive = sales.well_known("inbox"), sales.well_known("archive")
    first = sales.add(Message(subject="1"), inbox)
    second = sales.add(Message(subject="2", is_read=True), inbox)
    assert (inbox.total_count, inbox.unread_count) == (2, 1)
    sales.update(first, {"is_read": True})
    sales.update(second, {"is_read": False})
    sales.move(second, archive)
    assert (inbox.total_count, inbox.unread_count) == (1, 0)
    assert (archive.total_count, archive.unread_count) == (1, 1)
    sales.delete(second, DeleteMode.HARD)
    assert (archive.total_count, archive.unread_count) == (0, 0)


def test_change_key_changes_with_every_change_and_guards_against_stale_writers(sales: Mailbox) -> None:
    message = sales.add(Message(subject="x"), sales.well_known("inbox"))
    key = sales.change_key_of(message)
    sales.update(message, {"subject": "y"}, change_key=key)
    with pytest.raises(ChangeConflict):
        sales.update(message, {"subject": "z"}, change_key=key)
    assert message.subject == "y"


def test_delete_leads_through_deleted_items_to_recoverable_items(sales: Mailbox) -> None:
    message = sales.add(Message(subject="x"), sales.well_known("inbox"))
    for place in ("deleteditems", "recoverableitemsdeletions"):
        sales.delete(message)
        assert message.folder.well_known == place
    sales.delete(message, DeleteMode.HARD)
    assert sales.find_item(message.identity) is None


def test_net_changes_leave_out_what_came_and_went(sales: Mailbox) -> None:
    inbox = sales.well_known("inbox")
    stays, goes = sales.add(Message(subject="a"), inbox), sales.add(Message(subject="b"), inbox)
    start = sales.change_number
    brief = sales.add(Message(subject="c"), inbox)
    sales.delete(brief, DeleteMode.HARD)
    sales.update(stays, {"is_read": True})
    entry = goes.entry
    sales.move(goes, sales.well_known("archive"))
    net = [
        (change.kind, change.identity, change.entry) for change in sales.log.net_since(inbox.number, start)
    ]
    assert net == [
        (ChangeKind.READ_FLAG, stays.identity, stays.entry),
        (ChangeKind.DELETED, goes.identity, entry),
    ]
    archived = sales.log.net_since(sales.well_known("archive").number, start)
    assert [(change.kind, change.entry) for change in archived] == [(ChangeKind.CREATED, goes.entry)]


def test_item_that_left_and_came_back_is_gone_under_its_old_id_and_new_under_its_new_one(
    sales: Mailbox,
) -> None:
    inbox = sales.well_known("inbox")
    message = sales.add(Message(subject="a"), inbox)
    start, entry = sales.change_number, message.entry
    sales.move(message, sales.well_known("archive"))
    sales.move(message, inbox)
    net = [(change.kind, change.entry) for change in sales.log.net_since(inbox.number, start)]
    assert net == [(ChangeKind.DELETED, entry), (ChangeKind.CREATED, message.entry)]


def test_round_of_several_pages_ends_where_it_began(sales: Mailbox) -> None:
    inbox = sales.well_known("inbox")
    first = sales.add(Message(subject="a"), inbox)
    start = sales.change_number
    sales.update(first, {"subject": "b"})
    end = sales.change_number
    sales.add(Message(subject="late"), inbox)
    assert [change.identity for change in sales.log.net_since(inbox.number, start, end)] == [first.identity]


def test_forgotten_changes_are_refused_and_a_new_round_works(sales: Mailbox) -> None:
    inbox = sales.well_known("inbox")
    old = sales.change_number
    sales.log.forget(sales.change_number)
    with pytest.raises(ChangesForgotten):
        sales.log.net_since(inbox.number, old)
    start = sales.begin_round()
    sales.add(Message(subject="x"), inbox)
    assert len(sales.log.net_since(inbox.number, start)) == 1


def test_subscriber_hears_every_change_until_it_leaves(sales: Mailbox) -> None:
    heard: list[Change] = []
    leave = sales.subscribe(heard.append)
    message = sales.add(Message(subject="x"), sales.well_known("inbox"), is_new_mail=True)
    sales.delete(message)
    leave()
    sales.delete(message)
    assert [change.kind for change in heard] == [
        ChangeKind.CREATED,
        ChangeKind.MOVED_OUT,
        ChangeKind.MOVED_IN,
    ]
    assert heard[0].is_new_mail
    assert (heard[1].other_folder, heard[1].other_entry) == (heard[2].folder, heard[2].entry)


def test_folders_guard_names_and_places(sales: Mailbox) -> None:
    inbox = sales.well_known("inbox")
    made = sales.create_folder(inbox, "Plans")
    with pytest.raises(FolderExists):
        sales.create_folder(inbox, "PLANS")
    with pytest.raises(InvalidContent):
        sales.create_folder(inbox, " ")
    child = sales.create_folder(made, "2027")
    with pytest.raises(InvalidContent):
        sales.move_folder(made, child)
    with pytest.raises(FolderProtected):
        sales.delete_folder(inbox, DeleteMode.HARD)
    sales.add(Message(subject="x"), child)
    sales.delete_folder(made, DeleteMode.TO_DELETED_ITEMS)
    assert made.parent is sales.well_known("deleteditems")
    sales.delete_folder(made, DeleteMode.TO_DELETED_ITEMS)
    assert made.number not in {folder.number for folder in sales.folders}


def test_copied_folder_holds_copies(sales: Mailbox) -> None:
    made = sales.create_folder(sales.well_known("inbox"), "Plans")
    original = sales.add(Message(subject="x"), made)
    twin = sales.copy_folder(made, sales.well_known("archive"))
    [copy] = twin.items.values()
    assert copy.subject == "x"
    assert copy.identity != original.identity
