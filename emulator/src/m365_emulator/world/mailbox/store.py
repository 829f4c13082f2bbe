"""The mailbox: folders, items, ids, change log. Use cases of mail and meetings stand on it in their own modules."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from .changes import Change, ChangeKind, ChangeLog
from .errors import (
    ChangeConflict,
    FolderExists,
    FolderNotFound,
    FolderProtected,
    InvalidContent,
    ItemNotFound,
)
from .event import CalendarEvent
from .folder import CALENDAR, MAIL, WELL_KNOWN_FOLDERS, CalendarLook, Folder
from .ids import IdCodec, IdFormat, ItemKey, ObjectKey
from .item import NOT_SET, Attachment, Item
from .message import Message
from .recurrence import occurrence_at
from .settings import MailboxSettings

if TYPE_CHECKING:
    from .rules import MessageRule


class Clock(Protocol):
    """Tells the world's time, aware UTC."""

    def now(self) -> datetime: ...


class MailboxWorld(Protocol):
    """What a mailbox needs of the world around it."""

    @property
    def clock(self) -> Any: ...

    def find_mailbox(self, address_or_guid: str) -> Mailbox | None: ...

    def find_tenant(self, id_or_domain: str) -> Any: ...

    def find_user(self, address_or_oid: str) -> Any: ...


class MailboxOwner(Protocol):
    """What a mailbox needs of the user it belongs to."""

    @property
    def oid(self) -> str: ...
    @property
    def upn(self) -> str: ...
    @property
    def mail(self) -> str | None: ...
    @property
    def display_name(self) -> str: ...


class DeleteMode(StrEnum):
    """Where a deleted item goes."""

    TO_DELETED_ITEMS = "toDeletedItems"
    SOFT = "soft"
    """Into Recoverable Items\\Deletions."""
    PURGE = "purge"
    """Into Recoverable Items\\Purges, out of the user's reach (Graph's permanentDelete)."""
    HARD = "hard"
    """Out of the mailbox at once (EWS HardDelete)."""


Subscriber = Callable[[Change], None]
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


class Mailbox:
    """One person's mailbox, behind Graph and EWS alike.

    Args:
        world: Gives the time and the other mailboxes.
        owner: The user; address and name are read from it whenever they are needed.
        guid: The mailbox GUID, which is inside every id.
        time_zone: Windows name of the owner's zone.
    """

    def __init__(self, world: MailboxWorld, owner: MailboxOwner, guid: str, time_zone: str = "UTC") -> None:
        self.world = world
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
        self.log = ChangeLog()
        self.change_number = 1000
        self._counter = 0x0900
        self._folders: dict[int, Folder] = {}
        self._well_known: dict[str, Folder] = {}
        self._items: dict[int, Item] = {}
        self._by_entry: dict[int, Item] = {}
        self._by_message_id: dict[str, list[Item]] = {}
        self._events_by_uid: dict[str, int] = {}
        self._subscribers: list[Subscriber] = []
        self._sorted_mail: list[Item] | None = None
        for row in WELL_KNOWN_FOLDERS:
            parent = self._well_known[row.parent] if row.parent else None
            folder = self._new_folder(parent, row.display_name, row.folder_class)
            folder.well_known, folder.is_hidden, folder.is_search = row.name, row.is_hidden, row.is_search
            if folder.is_calendar:
                folder.calendar = CalendarLook()
            self._well_known[row.name] = folder

    # -- the owner and the time --------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the world's time, whole seconds, UTC."""
        return self.world.clock.now().replace(microsecond=0)

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

    @property
    def root(self) -> Folder:
        """The very top, above msgfolderroot."""
        return self._well_known["root"]

    @property
    def calendar(self) -> Folder:
        """The default calendar."""
        return self._well_known["calendar"]

    @property
    def folders(self) -> Iterable[Folder]:
        """Every folder, in the order they were made."""
        return self._folders.values()

    def well_known(self, name: str) -> Folder:
        """Return a well-known folder by its name in any case; raises FolderNotFound."""
        folder = self._well_known.get(name.lower())
        if folder is None:
            raise FolderNotFound
        return folder

    def find_well_known(self, name: str) -> Folder | None:
        """Return a well-known folder by its name in any case, or None."""
        return self._well_known.get(name.lower())

    def folder(self, number: int) -> Folder:
        """Return a folder by number; raises FolderNotFound."""
        folder = self._folders.get(number)
        if folder is None:
            raise FolderNotFound
        return folder

    def find_folder_named(self, parent: Folder, display_name: str) -> Folder | None:
        """Return the child folder with that name, compared without regard to case."""
        wanted = display_name.casefold()
        return next(
            (child for child in parent.children.values() if child.display_name.casefold() == wanted), None
        )

    def create_folder(
        self, parent: Folder, display_name: str, folder_class: str = MAIL, *, is_hidden: bool = False
    ) -> Folder:
        """Make a folder.

        Raises:
            FolderExists: A sibling has that name.
            InvalidContent: The name is empty or longer than 255 characters.
        """
        _check_folder_name(display_name)
        if self.find_folder_named(parent, display_name) is not None:
            raise FolderExists(f"A folder with the specified name already exists., {display_name}")
        folder = self._new_folder(parent, display_name, folder_class)
        folder.is_hidden = is_hidden
        if folder_class.startswith(CALENDAR):
            folder.calendar = CalendarLook()
        self._log_folder(folder, ChangeKind.CREATED)
        self._log_folder(parent, ChangeKind.UPDATED)
        return folder

    def rename_folder(self, folder: Folder, display_name: str) -> None:
        """Give a folder another name; raises like `create_folder`, and FolderProtected for well-known ones."""
        _check_folder_name(display_name)
        if folder.well_known is not None and not folder.is_calendar:
            raise FolderProtected("Distinguished folders cannot be renamed.")
        sibling = self.find_folder_named(folder.parent, display_name) if folder.parent else None
        if sibling is not None and sibling is not folder:
            raise FolderExists
        folder.display_name = display_name
        self._log_folder(folder, ChangeKind.UPDATED)

    def touch_folder(self, folder: Folder) -> None:
        """Record that something of the folder itself changed."""
        self._log_folder(folder, ChangeKind.UPDATED)

    def move_folder(self, folder: Folder, parent: Folder) -> None:
        """Hang a folder under another; its number, and so its id, stays."""
        if folder.well_known is not None:
            raise FolderProtected("Distinguished folders cannot be moved.")
        if parent.is_within(folder):
            raise InvalidContent("A folder cannot be moved into itself.", "destinationId")
        if self.find_folder_named(parent, folder.display_name) is not None:
            raise FolderExists
        old = folder.parent
        if old is not None:
            del old.children[folder.number]
        folder.parent = parent
        parent.children[folder.number] = folder
        self._log_folder(folder, ChangeKind.UPDATED)
        for end in (old, parent):
            if end is not None:
                self._log_folder(end, ChangeKind.UPDATED)
        self._sorted_mail = None

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

    def find_by_internet_message_id(self, message_id: str) -> list[Item]:
        """Return the messages with that Message-ID header."""
        return list(self._by_message_id.get(message_id, []))

    def find_event_by_uid(self, uid: str) -> CalendarEvent | None:
        """Return the single event or series master with that iCalendar UID."""
        item = self._items.get(self._events_by_uid.get(uid, 0))
        return item if isinstance(item, CalendarEvent) else None

    def all_mail(self) -> list[Item]:
        """Return the messages of all visible mail folders, newest first."""
        if self._sorted_mail is None:
            found: list[Item] = []
            top = self.well_known("msgfolderroot")
            for folder in top.walk():
                if folder.is_mail:
                    found.extend(folder.items.values())
            found.sort(
                key=lambda item: (
                    (item.received_at, item.identity)
                    if isinstance(item, Message)
                    else (item.created_at, item.identity)
                ),
                reverse=True,
            )
            self._sorted_mail = found
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
        if isinstance(item, Message) and "internet_message_id" in values:
            self._unindex(item)
        was_read = isinstance(item, Message) and item.is_read
        for name, value in values.items():
            setattr(item, name, value)
        if isinstance(item, Message):
            if item.is_read != was_read:
                item.folder.unread_count += -1 if item.is_read else 1
            self._index(item)
        elif isinstance(item, CalendarEvent) and item.uid:
            self._events_by_uid[item.uid] = item.identity
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
        twin = _clone(item)
        if twin.attachments is not None:
            twin.attachments = [self._copy_attachment(part) for part in twin.attachments]
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

    # -- changes -----------------------------------------------------------------------------------------------

    def begin_round(self) -> int:
        """Return the change number at which a new round of synchronization begins."""
        self.change_number = max(self.change_number, self.log.floor)
        return self.change_number

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call `callback` with every change from now on; returns a function that ends it.

        The callback runs inside the change and must neither block nor change the mailbox.
        """
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def next_number(self) -> int:
        """Return a number never used before in this mailbox."""
        self._counter += 1
        return self._counter

    def random_key(self) -> bytes:
        """Return 16 fresh bytes from the mailbox's own generator."""
        return self.rng.randbytes(16)

    def __getstate__(self) -> dict[str, Any]:
        """Leave subscribers out of snapshots: they belong to whoever runs, and come back by themselves."""
        return self.__dict__ | {"_subscribers": []}

    # -- inside ------------------------------------------------------------------------------------------------

    def _new_folder(self, parent: Folder | None, display_name: str, folder_class: str) -> Folder:
        folder = Folder(self.next_number(), parent, display_name, folder_class)
        self.change_number += 1
        folder.change = self.change_number
        self._folders[folder.number] = folder
        if parent is not None:
            parent.children[folder.number] = folder
        return folder

    def _copy_attachment(self, part: Attachment) -> Attachment:
        return Attachment(
            self.random_key(),
            part.name,
            part.content_type,
            part.content,
            part.modified_at,
            part.is_inline,
            part.content_id,
            part.content_location,
            part.item,
            part.source_url,
            part.declared_size,
        )

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
        self._sorted_mail = None

    def _index(self, item: Item) -> None:
        if isinstance(item, Message) and item.internet_message_id:
            same = self._by_message_id.setdefault(item.internet_message_id, [])
            if item not in same:
                same.append(item)
        elif isinstance(item, CalendarEvent) and item.uid:
            self._events_by_uid[item.uid] = item.identity

    def _unindex(self, item: Item) -> None:
        if isinstance(item, Message) and item.internet_message_id:
            same = self._by_message_id.get(item.internet_message_id)
            if same and item in same:
                same.remove(item)
                if not same:
                    del self._by_message_id[item.internet_message_id]
        elif isinstance(item, CalendarEvent) and self._events_by_uid.get(item.uid) == item.identity:
            del self._events_by_uid[item.uid]

    def _log_item(
        self,
        item: Item,
        kind: ChangeKind,
        *,
        is_new_mail: bool = False,
        is_copy: bool = False,
        other: tuple[int, int] | None = None,
        occurrence: datetime | None = None,
    ) -> None:
        self._log(
            Change(
                self.change_number,
                kind,
                item.folder.number,
                item.identity,
                item.entry,
                item.modified_at,
                item.item_class,
                is_new_mail=is_new_mail,
                is_copy=is_copy,
                other_folder=other[0] if other else None,
                other_entry=other[1] if other else None,
                occurrence=occurrence,
            )
        )

    def _log_folder(self, folder: Folder, kind: ChangeKind) -> None:
        self.change_number += 1
        folder.change = self.change_number
        parent = folder.parent.number if folder.parent else folder.number
        self._log(
            Change(
                self.change_number,
                kind,
                parent,
                0,
                folder.number,
                self.now(),
                folder.folder_class,
                is_folder=True,
            )
        )

    def _log(self, change: Change) -> None:
        self.log.append(change)
        for subscriber in list(self._subscribers):
            subscriber(change)


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


def _check_folder_name(display_name: str) -> None:
    if not display_name.strip():
        raise InvalidContent("The folder name is empty.", "displayName")
    if len(display_name) > 255:
        raise InvalidContent("The folder name is longer than 255 characters.", "displayName")


def _clone(item: Item) -> Item:
    twin = object.__new__(type(item))
    for owner in type(item).__mro__:
        for name in getattr(owner, "__slots__", ()):
            setattr(twin, name, getattr(item, name))
    if item.properties is not None:
        twin.properties = dict(item.properties)
    if isinstance(item, CalendarEvent) and isinstance(twin, CalendarEvent):
        twin.attendees = [attendee.copy() for attendee in item.attendees]
        twin.exceptions = dict(item.exceptions)
        twin.cancelled = set(item.cancelled)
    return twin
