"""The mailbox: folders, items, ids, change log. Use cases of mail and meetings stand on it in their own modules."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from .changes import Change, ChangeKind
from .copies import clone_item, copy_attachment
from .errors import (
    ChangeConflict,
    FolderNotFound,
    FolderProtected,
    InvalidContent,
    ItemNotFound,
)
from .event import CalendarEvent
from .folder import Folder
from .folder_tree import FolderTree
from .ids import IdCodec, IdFormat, ItemKey, ObjectKey
from .item import NOT_SET, Attachment, Item
from .message import Message
from .recurrence import occurrence_at
from .settings import MailboxSettings
from .surroundings import MailboxOwner, MailboxWorld

if TYPE_CHECKING:
    from .rules import MessageRule


class DeleteMode(StrEnum):
    """Where a deleted item goes."""

    TO_DELETED_ITEMS = "toDeletedItems"
    SOFT = "soft"
    """Into Recoverable Items\\Deletions."""
    PURGE = "purge"
    """Into Recoverable Items\\Purges, out of the user's reach (Graph's permanentDelete)."""
    HARD = "hard"
    """Out of the mailbox at once (EWS HardDelete)."""


ITEM_FIELDS_OF_ORDER = frozenset({"received_at", "start"})


@dataclass(slots=True)
class Category:
    """One entry of the master category list; `color` is none or preset0 … preset24."""

    id: str
    name: str
    color: str = "none"


@dataclass(slots=True)
class Permissions:
    """Who else may use the mailbox: user object ids."""

    full_access: set[str] = field(default_factory=lambda: set[str]())
    send_as: set[str] = field(default_factory=lambda: set[str]())
    send_on_behalf: set[str] = field(default_factory=lambda: set[str]())


class Mailbox(FolderTree):
    """One person's mailbox, behind Graph and EWS alike.

    Args:
        world: Gives the time and the other mailboxes.
        owner: The user; address and name are read from it whenever they are needed.
        guid: The mailbox GUID, which is inside every id.
        time_zone: Windows name of the owner's zone.
    """

    def __init__(self, world: MailboxWorld, owner: MailboxOwner, guid: str, time_zone: str = "UTC") -> None:
        super().__init__(world)
        self.owner = owner
        self.guid = guid.lower()
        self.rng = random.Random(f"mailbox {self.guid}")  # noqa: S311 - repeatable on purpose
        self.replica = self.rng.randbytes(16)
        self.ids = IdCodec(self.guid, self.replica)
        self.settings = MailboxSettings(time_zone=time_zone)
        self.permissions = Permissions()
        self.categories: list[Category] = []
        self.rules: list[MessageRule] = []
        self.auto_replied: set[str] = set()
        self._items: dict[int, Item] = {}
        self._by_entry: dict[int, Item] = {}
        self._events_by_uid: dict[str, int] = {}
        self._sorted_mail: list[Item] | None = None

    # -- the owner ---------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The owner's primary SMTP address."""
        return self.owner.mail or self.owner.upn

    @property
    def display_name(self) -> str:
        return self.owner.display_name

    @property
    def time_zone(self) -> str:
        """Windows name of the owner's time zone."""
        return self.settings.time_zone

    # -- folders -----------------------------------------------------------------------------------------------

    def copy_folder(self, folder: Folder, parent: Folder) -> Folder:
        """Copy a folder with everything in it."""
        if parent.is_within(folder):
            raise InvalidContent("A folder cannot be copied into itself.", "destinationId")
        twin = self.create_folder(
            parent, folder.display_name, folder.folder_class, is_hidden=folder.is_hidden
        )
        for item in list(folder.items.values()):
            self.copy(item, twin)
        for child in list(folder.children.values()):
            self.copy_folder(child, twin)
        return twin

    def delete_folder(self, folder: Folder, mode: DeleteMode) -> None:
        """Delete a folder with everything in it; `TO_DELETED_ITEMS` moves it below Deleted Items.

        A folder that already lies below Deleted Items is deleted for good.
        """
        if folder.well_known is not None:
            raise FolderProtected
        bin_folder = self.well_known("deleteditems")
        if mode is DeleteMode.TO_DELETED_ITEMS and not folder.is_within(bin_folder):
            name, copy_number = folder.display_name, 1
            while self.find_folder_named(bin_folder, folder.display_name) is not None:
                folder.display_name = f"{name}{copy_number}"
                copy_number += 1
            self.move_folder(folder, bin_folder)
            return
        for child in list(folder.children.values()):
            self.delete_folder(child, DeleteMode.HARD)
        for item in list(folder.items.values()):
            self.delete(item, DeleteMode.HARD if mode is DeleteMode.HARD else DeleteMode.SOFT)
        if folder.parent is not None:
            del folder.parent.children[folder.number]
        del self._folders[folder.number]
        self._log_folder(folder, ChangeKind.DELETED)

    def empty_folder(self, folder: Folder, mode: DeleteMode, *, with_subfolders: bool = False) -> None:
        """Delete everything in a folder, the folder itself stays."""
        for item in list(folder.items.values()):
            self.delete(item, mode)
        if with_subfolders:
            for child in list(folder.children.values()):
                self.delete_folder(child, mode)

    # -- finding items -----------------------------------------------------------------------------------------

    def item(self, identity: int) -> Item:
        """Return an item by identity; raises ItemNotFound."""
        item = self._items.get(identity)
        if item is None:
            raise ItemNotFound
        return item

    def find_item(self, identity: int) -> Item | None:
        """Return an item by identity, or None."""
        return self._items.get(identity)

    def resolve_folder(self, key: ObjectKey) -> Folder:
        """Return the folder an id names; raises FolderNotFound."""
        if not key.is_folder or key.folder is None:
            raise FolderNotFound
        return self.folder(key.folder)

    def resolve(self, key: ObjectKey) -> Item:
        """Return the item an id names, an occurrence where it names one.

        Raises:
            ItemNotFound: Gone, or the id is from before a move.
            OccurrenceGone: The series has no such occurrence (any more).
        """
        if key.identity is not None:
            item = self._items.get(key.identity)
        else:
            item = self._by_entry.get(key.entry) if key.entry is not None else None
            if item is not None and item.folder.number != key.folder:
                item = None
        if item is None:
            raise ItemNotFound
        if key.occurrence is not None:
            if not isinstance(item, CalendarEvent):
                raise ItemNotFound
            return occurrence_at(item, key.occurrence)
        return item

    def key_of(self, item: Item, attachment: Attachment | None = None) -> ItemKey:
        """Return the keys from which any id of the item, or of its attachment, is written."""
        occurrence = item.original_start if isinstance(item, CalendarEvent) else None
        return ItemKey(
            item.folder.number, item.entry, item.identity, occurrence, attachment.key if attachment else None
        )

    def folder_id(self, folder: Folder, target: IdFormat) -> str:
        """Return a folder's id in any of the five formats; folders have no immutable form of their own."""
        match target:
            case IdFormat.EWS:
                return self.ids.folder_ews_id(folder.number)
            case IdFormat.ENTRY | IdFormat.IMMUTABLE_ENTRY:
                return self.ids.folder_entry_id(folder.number)
            case IdFormat.REST | IdFormat.IMMUTABLE_REST:
                return self.ids.folder_rest_id(folder.number)

    def change_key_of(self, thing: Item | Folder) -> str:
        """Return the current change key of an item or folder."""
        if isinstance(thing, Folder):
            return self.ids.change_key(thing.change, 0x01)
        if isinstance(thing, CalendarEvent):
            return self.ids.change_key(thing.change, 0x0F)
        meeting = isinstance(thing, Message) and thing.meeting is not None
        return self.ids.change_key(thing.change, 0x0B if meeting else 0x09)

    def check_change_key(self, thing: Item | Folder, change_key: str) -> None:
        """Raise ChangeConflict unless the key is the current one."""
        if change_key != self.change_key_of(thing):
            raise ChangeConflict

    def find_event_by_uid(self, uid: str) -> CalendarEvent | None:
        """Return the single event or series master with that iCalendar UID."""
        item = self._items.get(self._events_by_uid.get(uid, 0))
        return item if isinstance(item, CalendarEvent) else None

    def all_mail(self) -> list[Item]:
        """Return the messages of all visible mail folders, newest first."""
        if self._sorted_mail is None:
            found: list[Message] = []
            for folder in self.well_known("msgfolderroot").walk():
                if folder.is_mail:
                    found.extend(item for item in folder.items.values() if isinstance(item, Message))
            found.sort(key=lambda message: (message.received_at, message.identity), reverse=True)
            self._sorted_mail = list[Item](found)
        return self._sorted_mail

    # -- changing items ----------------------------------------------------------------------------------------

    def add(self, item: Item, folder: Folder, *, is_new_mail: bool = False, record: bool = True) -> Item:
        """Put a new item into a folder, giving it its keys.

        Args:
            is_new_mail: It arrived by delivery, which is notified as such.
            record: Write to the change log; off only while a mailbox is being generated.
        """
        now = self.now()
        item.identity = self.next_number()
        item.entry = item.identity
        if item.created_at == NOT_SET:
            item.created_at = now
        if item.modified_at == NOT_SET:
            item.modified_at = now
        self._place(item, folder)
        self._items[item.identity] = item
        self.change_number += 1
        item.change = self.change_number
        if record:
            self._log_item(item, ChangeKind.CREATED, is_new_mail=is_new_mail)
        return item

    def update(self, item: Item, values: Mapping[str, Any], *, change_key: str | None = None) -> Item:
        """Set attributes of an item and record the change.

        Args:
            change_key: If given, it must be the current one.

        Raises:
            ChangeConflict: It is not; read the item again.
        """
        if change_key is not None:
            self.check_change_key(item, change_key)
        was_read = isinstance(item, Message) and item.is_read
        for name, value in values.items():
            setattr(item, name, value)
        if isinstance(item, Message) and item.is_read != was_read:
            item.folder.unread_count += -1 if item.is_read else 1
        self._index(item)
        if not ITEM_FIELDS_OF_ORDER.isdisjoint(values):
            self._forget_order(item.folder)
        only_flag = set(values) == {"is_read"}
        self.touch(item, ChangeKind.READ_FLAG if only_flag else ChangeKind.UPDATED)
        return item

    def touch(
        self, item: Item, kind: ChangeKind = ChangeKind.UPDATED, *, occurrence: datetime | None = None
    ) -> None:
        """Record that an item changed: new change key, new time of change, an entry in the log."""
        item.modified_at = self.now()
        self.change_number += 1
        item.change = self.change_number
        self._log_item(item, kind, occurrence=occurrence)

    def move(self, item: Item, folder: Folder) -> Item:
        """Move an item: same identity, new entry, so its immutable id stays and its other ids change."""
        if folder is item.folder:
            return item
        self._move(item, folder, ChangeKind.MOVED_OUT, is_soft=True)
        return item

    def copy(self, item: Item, folder: Folder) -> Item:
        """Copy an item; the copy is a new item with keys of its own."""
        twin = clone_item(item)
        if twin.attachments is not None:
            twin.attachments = [copy_attachment(self, part) for part in twin.attachments]
        twin.identity = self.next_number()
        twin.entry = twin.identity
        twin.created_at = twin.modified_at = self.now()
        if isinstance(twin, CalendarEvent):
            twin.uid = new_uid(self.rng)
        self._place(twin, folder)
        self._items[twin.identity] = twin
        self.change_number += 1
        twin.change = self.change_number
        self._log_item(twin, ChangeKind.CREATED, is_copy=True, other=(item.folder.number, item.entry))
        return twin

    def delete(self, item: Item, mode: DeleteMode = DeleteMode.TO_DELETED_ITEMS) -> None:
        """Delete an item; one that is in Deleted Items already goes to Recoverable Items."""
        if mode is DeleteMode.TO_DELETED_ITEMS:
            target = self.well_known("deleteditems")
            if not item.folder.is_within(target):
                self._move(item, target, ChangeKind.MOVED_OUT, is_soft=True)
                return
            mode = DeleteMode.SOFT
        if mode is DeleteMode.SOFT:
            self._move(item, self.well_known("recoverableitemsdeletions"), ChangeKind.DELETED, is_soft=True)
        elif mode is DeleteMode.PURGE:
            self._move(item, self.well_known("recoverableitemspurges"), ChangeKind.DELETED)
        else:
            self._displace(item)
            self._unindex(item)
            del self._items[item.identity]
            self.change_number += 1
            self._log_item(item, ChangeKind.DELETED)

    def add_attachment(self, item: Item, attachment: Attachment) -> Attachment:
        """Hang an attachment on an item."""
        item.attachments = [*(item.attachments or ()), attachment]
        self.touch(item)
        return attachment

    def remove_attachment(self, item: Item, attachment: Attachment) -> None:
        """Take an attachment off an item."""
        left = [part for part in item.attachments or () if part is not attachment]
        item.attachments = left or None
        self.touch(item)

    def random_key(self) -> bytes:
        """Return 16 fresh bytes from the mailbox's own generator."""
        return self.rng.randbytes(16)

    # -- inside ------------------------------------------------------------------------------------------------

    def _move(self, item: Item, folder: Folder, kind: ChangeKind, *, is_soft: bool = False) -> None:
        old_folder, old_entry = item.folder, item.entry
        self._displace(item)
        item.entry = self.next_number()
        self._place(item, folder)
        item.modified_at = self.now()
        self.change_number += 1
        item.change = self.change_number
        here = (folder.number, item.entry)
        there = (old_folder.number, old_entry)
        self._log(
            Change(
                self.change_number,
                kind,
                *_keys(there, item.identity),
                item.modified_at,
                item.item_class,
                is_soft=is_soft,
                other_folder=here[0],
                other_entry=here[1],
            )
        )
        self.change_number += 1
        item.change = self.change_number
        self._log_item(item, ChangeKind.MOVED_IN, other=there)

    def _place(self, item: Item, folder: Folder) -> None:
        item.folder = folder
        folder.items[item.identity] = item
        self._by_entry[item.entry] = item
        if isinstance(item, Message) and not item.is_read:
            folder.unread_count += 1
        self._index(item)
        self._forget_order(folder)

    def _displace(self, item: Item) -> None:
        del item.folder.items[item.identity]
        del self._by_entry[item.entry]
        if isinstance(item, Message) and not item.is_read:
            item.folder.unread_count -= 1
        self._forget_order(item.folder)

    def _forget_order(self, folder: Folder) -> None:
        folder.sorted_items.clear()
        self._tree_changed()

    def _tree_changed(self) -> None:
        self._sorted_mail = None

    def _index(self, item: Item) -> None:
        if isinstance(item, CalendarEvent) and item.uid:
            self._events_by_uid[item.uid] = item.identity

    def _unindex(self, item: Item) -> None:
        if isinstance(item, CalendarEvent) and self._events_by_uid.get(item.uid) == item.identity:
            del self._events_by_uid[item.uid]


def new_uid(rng: random.Random) -> str:
    """Return an iCalendar UID as Exchange makes them (a GlobalObjectId in hexadecimal)."""
    return (
        "040000008200E00074C5B7101A82E008"
        + "00000000"
        + rng.randbytes(8).hex().upper()
        + "000000000000000010000000"
        + rng.randbytes(16).hex().upper()
    )


def _keys(place: tuple[int, int], identity: int) -> tuple[int, int, int]:
    return place[0], identity, place[1]
