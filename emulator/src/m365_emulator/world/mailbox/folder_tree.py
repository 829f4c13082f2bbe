"""The folders of a mailbox: finding, making, renaming, moving."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .changes import ChangeKind
from .errors import FolderExists, FolderNotFound, FolderProtected, InvalidContent
from .folder import CALENDAR, MAIL, WELL_KNOWN_FOLDERS, CalendarLook, Folder
from .journal import Journal

if TYPE_CHECKING:
    from .surroundings import MailboxWorld


class FolderTree(Journal):
    """A tree of folders that begins with all well-known ones."""

    def __init__(self, world: MailboxWorld) -> None:
        super().__init__(world)
        self._folders: dict[int, Folder] = {}
        self._well_known: dict[str, Folder] = {}
        for row in WELL_KNOWN_FOLDERS:
            parent = self._well_known[row.parent] if row.parent else None
            folder = self._new_folder(parent, row.display_name, row.folder_class)
            folder.well_known, folder.is_hidden, folder.is_search = row.name, row.is_hidden, row.is_search
            if folder.is_calendar:
                folder.calendar = CalendarLook()
            self._well_known[row.name] = folder

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
        self._tree_changed()

    def _tree_changed(self) -> None:
        """Forget what depends on where folders hang."""

    def _new_folder(self, parent: Folder | None, display_name: str, folder_class: str) -> Folder:
        folder = Folder(self.next_number(), parent, display_name, folder_class)
        self.change_number += 1
        folder.change = self.change_number
        self._folders[folder.number] = folder
        if parent is not None:
            parent.children[folder.number] = folder
        return folder


def _check_folder_name(display_name: str) -> None:
    if not display_name.strip():
        raise InvalidContent("The folder name is empty.", "displayName")
    if len(display_name) > 255:
        raise InvalidContent("The folder name is longer than 255 characters.", "displayName")
