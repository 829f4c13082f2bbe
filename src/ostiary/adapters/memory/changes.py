"""A mailbox's changes as a script: pages that say what a test wants Microsoft to say."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime

from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import OstiaryError, TemporarilyUnavailable
from ostiary.core.sync.model import ChangePage, FolderPage, FolderSeen, Item


class MemoryChanges:
    """``ChangeSource`` that gives prepared answers in turn, and says what it was asked."""

    def __init__(self, *, has_stable_ids: bool = True) -> None:
        self.has_stable_ids = has_stable_ids
        self.tree: list[str] = ["inbox"]
        self.pages: dict[str, deque[ChangePage | OstiaryError]] = {}
        self.items: dict[str, Item] = {}
        """What a look finds."""
        self.asked: list[str] = []

    def script(self, folder_id: str, *pages: ChangePage | OstiaryError) -> None:
        """Have a folder answer with these pages, one a call; then with an empty last one."""
        self.pages.setdefault(folder_id, deque()).extend(pages)

    async def folders(self, mailbox: MailboxAccess, cursor: str | None) -> FolderPage:
        """Every folder, at once."""
        del mailbox, cursor
        seen = tuple(FolderSeen(each, 0, rank) for rank, each in enumerate(self.tree))
        return FolderPage(seen, (), None, is_last=True, is_complete=True)

    async def changes(
        self,
        mailbox: MailboxAccess,
        folder_id: str,
        cursor: str | None,
        *,
        limit: int,
        window: tuple[datetime, datetime],
    ) -> ChangePage:
        """The next prepared page."""
        del mailbox, limit, window
        self.asked.append(f"{folder_id} {cursor}")
        if len(self.asked) > 1_000:
            raise TemporarilyUnavailable("The script is asked without end.")
        waiting = self.pages.get(folder_id)
        page = waiting.popleft() if waiting else ChangePage((), (), f"end {len(self.asked)}", is_last=True)
        if isinstance(page, OstiaryError):
            raise page
        return page

    async def look(self, mailbox: MailboxAccess, item_ids: Sequence[str]) -> Mapping[str, Item]:
        """The prepared items."""
        del mailbox
        self.asked.append(f"look {' '.join(sorted(item_ids))}")
        return {item_id: self.items[item_id] for item_id in item_ids if item_id in self.items}
