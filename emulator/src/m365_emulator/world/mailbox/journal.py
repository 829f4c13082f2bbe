"""The numbers of a mailbox and the record of its changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .changes import Change, ChangeKind, ChangeLog

if TYPE_CHECKING:
    from .folder import Folder
    from .item import Item
    from .surroundings import MailboxWorld

Subscriber = Callable[[Change], None]
_FIRST_CHANGE = 1000
_FIRST_NUMBER = 0x0900


class Journal:
    """Hands out numbers and change numbers, keeps the change log, tells subscribers."""

    def __init__(self, world: MailboxWorld) -> None:
        self.world = world
        self.log = ChangeLog()
        self.change_number = _FIRST_CHANGE
        self._counter = _FIRST_NUMBER
        self._subscribers: list[Subscriber] = []

    def now(self) -> datetime:
        """Return the world's time, whole seconds, UTC."""
        return self.world.clock.now().replace(microsecond=0)

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

    def __getstate__(self) -> dict[str, Any]:
        """Leave subscribers out of snapshots: they belong to whoever runs, and come back by themselves."""
        return self.__dict__ | {"_subscribers": []}

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
