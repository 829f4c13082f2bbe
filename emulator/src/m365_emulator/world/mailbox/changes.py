"""The change log of a mailbox: what Graph delta, EWS sync and both kinds of notification are served from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .errors import ChangesForgotten


class ChangeKind(StrEnum):
    """What happened to an item or folder, seen from the folder it is logged under."""

    CREATED = "created"
    UPDATED = "updated"
    READ_FLAG = "readFlag"
    MOVED_IN = "movedIn"
    MOVED_OUT = "movedOut"
    DELETED = "deleted"


GONE = frozenset({ChangeKind.DELETED, ChangeKind.MOVED_OUT})
ARRIVED = frozenset({ChangeKind.CREATED, ChangeKind.MOVED_IN})


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log.

    `folder` is the number of the folder concerned (for a folder's own change: its parent); `identity`, `entry` the
    keys of the item at that moment, so that the id of something gone can still be written. For a change of a folder
    itself `identity` is 0 and `entry` the folder's number. `other_folder` and `other_entry` name the other end of a
    move or the source of a copy. `is_new_mail` marks arrivals by delivery, `is_soft` deletions that can be undone.
    """

    number: int
    kind: ChangeKind
    folder: int
    identity: int
    entry: int
    at: datetime
    item_class: str = ""
    is_folder: bool = False
    is_new_mail: bool = False
    is_copy: bool = False
    is_soft: bool = False
    other_folder: int | None = None
    other_entry: int | None = None
    occurrence: datetime | None = None


@dataclass(frozen=True, slots=True)
class NetChange:
    """What a folder's reader must do about one item to catch up: `kind` is CREATED, UPDATED, READ_FLAG or DELETED."""

    kind: ChangeKind
    identity: int
    entry: int
    number: int
    is_soft: bool = False


class ChangeLog:
    """Keeps the changes of one mailbox in order, found by folder."""

    def __init__(self) -> None:
        self._all: list[Change] = []
        self._by_folder: dict[int, list[Change]] = defaultdict(list)
        self._hierarchy: list[Change] = []
        self.floor = 0
        """The lowest number a round may have begun at."""

    def append(self, change: Change) -> None:
        """Add a change; numbers must not fall."""
        self._all.append(change)
        if change.is_folder:
            self._hierarchy.append(change)
        else:
            self._by_folder[change.folder].append(change)

    def since(self, number: int) -> list[Change]:
        """Return every change after `number`, of items and folders.

        Raises:
            ChangesForgotten: The log was cut after that number; start a full round.
        """
        self.check(number)
        return _after(self._all, number)

    def in_folder_since(self, folder: int, number: int) -> list[Change]:
        """Return the item changes of one folder after `number`, oldest first; raises like `since`."""
        self.check(number)
        return _after(self._by_folder.get(folder, []), number)

    def net_since(self, folder: int, number: int, until: int | None = None) -> list[NetChange]:
        """Return at most one change per item of a folder: what came and went between is left out.

        Ordered by the last change of each item, oldest first. Raises like `since`.

        Args:
            until: Leave out what happened after this number, so that a round in pages stays the same round.
        """
        found: dict[int, list[Change]] = {}
        for change in _up_to(self.in_folder_since(folder, number), until):
            found.setdefault(change.identity, []).append(change)
        net: list[NetChange] = []
        for identity, steps in found.items():
            last = steps[-1]
            was_there = steps[0].kind not in ARRIVED
            if last.kind in GONE:
                if was_there:
                    # The reader knows the item by the id it had when the round began.
                    first_gone = next(step for step in steps if step.kind in GONE)
                    net.append(
                        NetChange(ChangeKind.DELETED, identity, first_gone.entry, last.number, last.is_soft)
                    )
                continue
            if was_there and not any(step.kind in GONE for step in steps):
                only_flag = all(step.kind is ChangeKind.READ_FLAG for step in steps)
                kind = ChangeKind.READ_FLAG if only_flag else ChangeKind.UPDATED
                net.append(NetChange(kind, identity, last.entry, last.number))
                continue
            if was_there:
                first_gone = next(step for step in steps if step.kind in GONE)
                if first_gone.entry != last.entry:
                    net.append(NetChange(ChangeKind.DELETED, identity, first_gone.entry, first_gone.number))
            net.append(NetChange(ChangeKind.CREATED, identity, last.entry, last.number))
        net.sort(key=lambda change: change.number)
        return net

    def hierarchy_since(self, number: int, until: int | None = None) -> list[NetChange]:
        """Return at most one change per folder; `entry` is the folder's number. Takes and raises as `net_since`."""
        self.check(number)
        found: dict[int, list[Change]] = {}
        for change in _up_to(_after(self._hierarchy, number), until):
            found.setdefault(change.entry, []).append(change)
        net: list[NetChange] = []
        for folder, steps in found.items():
            last = steps[-1]
            created = steps[0].kind is ChangeKind.CREATED
            if last.kind is ChangeKind.DELETED:
                if not created:
                    net.append(NetChange(ChangeKind.DELETED, 0, folder, last.number))
            else:
                net.append(
                    NetChange(ChangeKind.CREATED if created else ChangeKind.UPDATED, 0, folder, last.number)
                )
        net.sort(key=lambda change: change.number)
        return net

    def forget(self, number: int) -> None:
        """Cut the log: rounds that began at or before `number` can no longer be continued."""
        self.floor = max(self.floor, number + 1)

    def forget_before(self, moment: datetime) -> None:
        """Cut the log: rounds with something from before `moment` left to tell can no longer be continued."""
        old = bisect_left(self._all, moment, key=lambda change: change.at)
        if old:
            self.forget(self._all[old - 1].number - 1)

    def check(self, number: int) -> None:
        """Raise ChangesForgotten if a round that began at `number` cannot be continued."""
        if number < self.floor:
            raise ChangesForgotten


def _after(changes: list[Change], number: int) -> list[Change]:
    return changes[bisect_right(changes, number, key=lambda change: change.number) :]


def _up_to(changes: list[Change], number: int | None) -> list[Change]:
    if number is None:
        return changes
    return changes[: bisect_right(changes, number, key=lambda change: change.number)]
