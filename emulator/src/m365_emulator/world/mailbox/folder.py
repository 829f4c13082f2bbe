"""Folders of a mailbox, and the table of well-known folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .item import Item

MAIL = "IPF.Note"
CALENDAR = "IPF.Appointment"
CONTACTS = "IPF.Contact"
TASKS = "IPF.Task"
NOTES = "IPF.StickyNote"
JOURNAL = "IPF.Journal"


@dataclass(slots=True, eq=False)
class CalendarLook:
    """What a calendar has beyond a folder."""

    color: str = "auto"
    hex_color: str = ""


@dataclass(slots=True, eq=False)
class Folder:
    """A folder; its `number` never changes, whatever happens to name or place.

    `well_known` is the lower-case EWS/Graph name (`inbox`), None for folders made by people.
    """

    number: int
    parent: Folder | None
    display_name: str
    folder_class: str = MAIL
    well_known: str | None = None
    is_hidden: bool = False
    is_search: bool = False
    change: int = 0
    calendar: CalendarLook | None = None
    children: dict[int, Folder] = field(default_factory=dict)
    items: dict[int, Item] = field(default_factory=dict)
    unread_count: int = 0
    sorted_items: dict[str, list[Item]] = field(default_factory=dict)

    @property
    def child_count(self) -> int:
        return sum(1 for child in self.children.values() if not child.is_hidden)

    @property
    def total_count(self) -> int:
        return len(self.items)

    @property
    def is_mail(self) -> bool:
        return self.folder_class.startswith(MAIL)

    @property
    def is_calendar(self) -> bool:
        return self.folder_class.startswith(CALENDAR)

    def walk(self) -> Iterator[Folder]:
        """Yield every folder below this one, parents first."""
        for child in list(self.children.values()):
            yield child
            yield from child.walk()

    def is_within(self, ancestor: Folder) -> bool:
        """Return whether this folder is `ancestor` or lies below it."""
        at: Folder | None = self
        while at is not None:
            if at is ancestor:
                return True
            at = at.parent
        return False

    def newest_first(
        self, order: str, key: Callable[[Item], object], kind: type[Item] | None = None
    ) -> list[Item]:
        """Return the items (of one kind, if given) sorted by `key`, largest first; kept as `order` until the folder changes.

        Folders are of mixed content: a deleted event lies among the messages of Deleted Items.
        """
        known = self.sorted_items.get(order)
        if known is None:
            fitting = (item for item in self.items.values() if kind is None or isinstance(item, kind))
            known = sorted(fitting, key=key, reverse=True)  # type: ignore[arg-type]
            self.sorted_items[order] = known
        return known


@dataclass(frozen=True, slots=True)
class WellKnown:
    """One row of the table of folders every mailbox is born with."""

    name: str
    display_name: str
    parent: str | None
    folder_class: str = MAIL
    is_hidden: bool = False
    is_search: bool = False


WELL_KNOWN_FOLDERS: tuple[WellKnown, ...] = (
    WellKnown("root", "", None, "", is_hidden=True),
    WellKnown("msgfolderroot", "Top of Information Store", "root", MAIL),
    WellKnown("inbox", "Inbox", "msgfolderroot"),
    WellKnown("drafts", "Drafts", "msgfolderroot"),
    WellKnown("sentitems", "Sent Items", "msgfolderroot"),
    WellKnown("deleteditems", "Deleted Items", "msgfolderroot"),
    WellKnown("junkemail", "Junk Email", "msgfolderroot"),
    WellKnown("outbox", "Outbox", "msgfolderroot"),
    WellKnown("archive", "Archive", "msgfolderroot"),
    WellKnown("conversationhistory", "Conversation History", "msgfolderroot"),
    WellKnown("calendar", "Calendar", "msgfolderroot", CALENDAR),
    WellKnown("contacts", "Contacts", "msgfolderroot", CONTACTS),
    WellKnown("tasks", "Tasks", "msgfolderroot", TASKS),
    WellKnown("notes", "Notes", "msgfolderroot", NOTES),
    WellKnown("journal", "Journal", "msgfolderroot", JOURNAL),
    WellKnown("clutter", "Clutter", "msgfolderroot", is_hidden=True),
    WellKnown("scheduled", "Scheduled", "msgfolderroot", is_hidden=True),
    WellKnown("syncissues", "Sync Issues", "msgfolderroot", is_hidden=True),
    WellKnown("conflicts", "Conflicts", "syncissues", is_hidden=True),
    WellKnown("localfailures", "Local Failures", "syncissues", is_hidden=True),
    WellKnown("serverfailures", "Server Failures", "syncissues", is_hidden=True),
    WellKnown("searchfolders", "Finder", "root", "", is_hidden=True),
    WellKnown("recoverableitemsroot", "Recoverable Items", "root", MAIL, is_hidden=True),
    WellKnown("recoverableitemsdeletions", "Deletions", "recoverableitemsroot", MAIL, is_hidden=True),
    WellKnown("recoverableitemspurges", "Purges", "recoverableitemsroot", MAIL, is_hidden=True),
    WellKnown("recoverableitemsversions", "Versions", "recoverableitemsroot", MAIL, is_hidden=True),
)
"""Parents first. Source: well-known folder names of Graph's mailFolder and EWS's DistinguishedFolderId."""
