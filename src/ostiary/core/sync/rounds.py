"""Reading one source of one mailbox: its folder tree, its folders, and what is pending, as far as a turn allows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import NotFound, ProviderContractBroken, SyncCursorExpired
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.sync.model import (
    HIERARCHY,
    ChangePage,
    Claim,
    FolderState,
    Item,
    KnownItem,
    Pending,
    Source,
    Stage,
    SyncSettings,
)
from ostiary.core.sync.pages import apply_page, take_items
from ostiary.core.sync.ports import ChangeSource, SyncTransaction
from ostiary.core.sync.settling import settle

MOST_HINTS: Final = 100
"""More changed items than this are found faster by reading every folder."""

_LOOK_AT_ONCE: Final = 200
_MOST_PASSES: Final = 3
_REBASE_WINDOW_AFTER: Final = timedelta(days=60)
"""A calendar's window moves on before the part of it that lies ahead gets much shorter."""


class Round:
    """One turn of reading. Everything it has applied is committed, wherever it stops."""

    def __init__(
        self,
        *,
        transactions: Transactions[SyncTransaction],
        clock: Clock,
        entropy: Entropy,
        settings: SyncSettings,
        claim: Claim,
        gateway: ChangeSource,
        mailbox: MailboxAccess,
        has_time: Callable[[], bool],
    ) -> None:
        """``has_time`` says whether the turn may go on."""
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._settings = settings
        self._claim = claim
        self._gateway = gateway
        self._mailbox = mailbox
        self._has_time = has_time
        self.was_complete = False
        """Every folder was read to the end, not only those that notices named."""

    async def run(self) -> bool:
        """Read everything, or what notices named; return whether the turn came to its end.

        Raises:
            Overtaken: Another worker reads the same.
            NotFound, MailboxMissing, AccessBlocked, ConsentRequired, ReauthorizationRequired, Throttled,
            TemporarilyUnavailable, ProviderContractBroken: As the gateway says; what was applied stays.
        """
        if self._claim.is_full or self._claim.stage is Stage.INITIAL:
            return await self._everything()
        hints = await self._hints()
        folders = await self._named_folders(hints)
        if folders is None:
            return await self._everything()
        if not await self._read(folders):
            return False
        if not self._gateway.has_stable_ids:
            # What left these folders may have gone to one that was not named.
            return await self._everything() if await self._pending(limit=1) else True
        await self._take_named(hints)
        return await self._settle()

    async def _everything(self) -> bool:
        await self._read_tree()
        for turn in range(_MOST_PASSES):
            folders = [each for each in await self._folders() if each.id != HIERARCHY]
            if not await self._read(folders):
                return False
            if self._gateway.has_stable_ids or turn or not await self._pending(limit=1):
                break
            # Where a move gives a new id, its arrival may have come after its folder was read: look once more
            # before what left is called deleted.
        self.was_complete = await self._settle()
        return self.was_complete

    async def _hints(self) -> tuple[str, ...]:
        """Return what notices named: items over Graph, folders over EWS. None where reading every folder is quicker."""
        if self._claim.source is Source.CALENDAR and self._gateway.has_stable_ids:
            return ()
        async with self._transactions() as tx:
            hints = await tx.sync.hints(self._claim, limit=MOST_HINTS + 1)
        return hints if len(hints) <= MOST_HINTS else ()

    async def _named_folders(self, hints: Sequence[str]) -> list[FolderState] | None:
        """Return the folders that hold, or held, what notices named; None: read everything."""
        if not hints:
            return None
        wanted = set(hints)
        if self._gateway.has_stable_ids:
            found = await self._look(hints)
            await hit(Failpoint.FOLLOW_CONTENT_READ)
            async with self._transactions() as tx:
                known = await tx.sync.known(self._claim, hints)
            wanted = {item.folder_id for item in (*known.values(), *found.values())}
        folders = [each for each in await self._folders() if each.id in wanted]
        # One in a folder we do not know yet: the tree changed.
        return folders if len(folders) == len(wanted) else None

    async def _take_named(self, hints: Sequence[str]) -> None:
        """Make sure of what notices named: Microsoft's notices can be ahead of its pages of changes."""
        found = await self._look(hints)
        async with self._transactions() as tx:
            await tx.sync.hold(self._claim)
            known = await tx.sync.known(self._claim, hints)
            folders = {
                each.id for each in await tx.sync.folders(self._claim.connection_id, self._claim.source)
            }
            here = [item for item in found.values() if item.folder_id in folders]
            await take_items(tx, self._claim, here, now=self._clock.now())
            gone = [item_id for item_id in known if item_id not in {item.id for item in here}]
            await tx.sync.set_pending(self._claim, gone, Pending.GONE)

    async def _folders(self) -> tuple[FolderState, ...]:
        async with self._transactions() as tx:
            return await tx.sync.folders(self._claim.connection_id, self._claim.source)

    async def _read_tree(self) -> None:
        """Bring the list of folders up to date; what was in folders that are gone is looked for elsewhere."""
        state = next((each for each in await self._folders() if each.id == HIERARCHY), None)
        cursor = None if state is None else state.cursor
        stored = cursor
        seen: set[str] = set()
        been: set[str] = set()
        while True:
            try:
                page = await self._gateway.folders(self._mailbox, cursor)
            except SyncCursorExpired:
                if cursor is None:
                    raise
                cursor, seen = None, set()
                continue
            async with self._transactions() as tx:
                await tx.sync.hold(self._claim)
                gone = await tx.sync.keep_tree(self._claim, page, before=stored, seen=seen)
                for folder_id in gone:
                    await tx.sync.suspect_folder(self._claim, folder_id, unless_round=None)
            seen |= {folder.id for folder in page.seen}
            if page.is_last:
                return
            cursor = stored = page.cursor
            if cursor is None or cursor in been:
                raise ProviderContractBroken("Microsoft leads us round in circles among the folders.")
            been.add(cursor)

    async def _read(self, folders: Sequence[FolderState]) -> bool:
        for folder in folders:
            try:
                if not await self._read_folder(folder):
                    return False
            except NotFound:
                # Gone between the tree and now; the next look at the tree removes it.
                async with self._transactions() as tx:
                    await tx.sync.hold(self._claim)
                    await tx.sync.suspect_folder(self._claim, folder.id, unless_round=None)
        return True

    async def _read_folder(self, folder: FolderState) -> bool:
        been: set[str] = set()
        now = self._clock.now()
        # A round that an earlier turn began tells nothing of what happened since: after it comes another one.
        is_resumed = folder.is_open
        if folder.window_end is not None and not folder.is_open and self._is_window_old(folder, now):
            folder = await self._restart(folder, reason=None)
        if folder.cursor is None and folder.round == 0:
            folder = await self._restart(folder, reason=None)
        ahead: asyncio.Task[ChangePage] | None = None
        try:
            while True:
                window = self._window(folder, now)
                if ahead is None:
                    ahead = self._ask(folder.id, folder.cursor, window)
                try:
                    page = await ahead
                except SyncCursorExpired:
                    if folder.cursor is None:
                        raise
                    folder, ahead = await self._restart(folder, reason="cursor_forgotten"), None
                    await hit(Failpoint.FOLLOW_RESET)
                    continue
                await hit(Failpoint.FOLLOW_PAGE_FETCHED)
                if not page.is_last and (page.cursor in been or page.cursor == folder.cursor):
                    # A loop is cut: the folder is listed anew, and compared, in a later turn.
                    await self._restart(folder, reason="endless_pages")
                    raise ProviderContractBroken("Microsoft leads us round in circles among the pages.")
                been.add(page.cursor)
                # While this page is stored, Microsoft finds the next one. A page is known by its cursor alone.
                goes_on = not page.is_last and self._has_time()
                ahead = self._ask(folder.id, page.cursor, window) if goes_on else None
                folder = await self._apply(folder, page, window)
                if page.is_last and not is_resumed:
                    return True
                is_resumed = is_resumed and not page.is_last
                if not self._has_time():
                    return False
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    def _ask(
        self, folder_id: str, cursor: str | None, window: tuple[datetime, datetime]
    ) -> asyncio.Task[ChangePage]:
        return asyncio.create_task(
            self._gateway.changes(
                self._mailbox, folder_id, cursor, limit=self._settings.page_size, window=window
            )
        )

    async def _apply(
        self, folder: FolderState, page: ChangePage, window: tuple[datetime, datetime]
    ) -> FolderState:
        moved = await self._moves(page)
        async with self._transactions() as tx:
            if moved:
                await tx.sync.remove(self._claim, [was.id for was in moved.values()])
            following = await apply_page(
                tx,
                self._claim,
                folder,
                page,
                now=self._clock.now(),
                window_end=window[1] if self._claim.source is Source.CALENDAR else None,
                moved_from=moved,
            )
            await hit(Failpoint.FOLLOW_PAGE_WRITTEN)
        await hit(Failpoint.FOLLOW_PAGE_COMMITTED)
        return following

    async def _moves(self, page: ChangePage) -> dict[str, KnownItem]:
        """Return, by new id, what the arrivals of a page were before, where moving gives a new id."""
        if self._gateway.has_stable_ids or self._claim.stage is not Stage.LIVE:
            return {}
        async with self._transactions() as tx:
            known = await tx.sync.known(self._claim, [item.id for item in page.changed])
            arrivals = {
                item.match_key: item
                for item in page.changed
                if item.id not in known and item.match_key is not None
            }
            twins = await tx.sync.same_match(self._claim, list(arrivals))
        there = [was.id for was in twins.values() if was.pending is not Pending.GONE]
        # One that is still where it was has been copied, not moved.
        found = await self._look(there)
        return {
            arrivals[key].id: was
            for key, was in twins.items()
            if was.id not in found and was.folder_id != arrivals[key].folder_id
        }

    async def _settle(self) -> bool:
        while True:
            pending = await self._pending(limit=_LOOK_AT_ONCE)
            if not pending:
                return True
            found = await self._look([item.id for item in pending])
            folders = {folder.id for folder in await self._folders()} - {HIERARCHY}
            if {item.folder_id for item in found.values()} - folders - {""}:
                # In a folder that is new: the tree is read once more before it is called deleted.
                await self._read_tree()
                folders = {folder.id for folder in await self._folders()} - {HIERARCHY}
            async with self._transactions() as tx:
                await tx.sync.hold(self._claim)
                await settle(tx, self._claim, pending, found, folders=folders, now=self._clock.now())
            if not self._has_time():
                return False

    async def _look(self, item_ids: Sequence[str]) -> dict[str, Item]:
        return dict(await self._gateway.look(self._mailbox, item_ids)) if item_ids else {}

    async def _pending(self, *, limit: int) -> tuple[KnownItem, ...]:
        async with self._transactions() as tx:
            return await tx.sync.pending(self._claim, limit=limit)

    async def _restart(self, folder: FolderState, *, reason: str | None) -> FolderState:
        """Begin a folder anew. What it does not show then is looked for, never taken as deleted."""
        # Any number that no earlier round had; clocks may stand still or step back.
        number = int.from_bytes(self._entropy.token_bytes(7), "big") | 1
        async with self._transactions() as tx:
            await tx.sync.restart(self._claim, folder, round=number, reason=reason)
        return replace(folder, cursor=None, is_open=True, round=number, window_end=None)

    def _window(self, folder: FolderState, now: datetime) -> tuple[datetime, datetime]:
        settings = self._settings
        if folder.window_end is not None:
            return folder.window_end - settings.calendar_ahead - settings.calendar_back, folder.window_end
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - settings.calendar_back, midnight + settings.calendar_ahead

    def _is_window_old(self, folder: FolderState, now: datetime) -> bool:
        if self._claim.source is not Source.CALENDAR or folder.window_end is None:
            return False
        return folder.window_end < now + self._settings.calendar_ahead - _REBASE_WINDOW_AFTER


def turn_clock(seconds: float) -> Callable[[], bool]:
    """Return a function that tells whether a turn that begins now still has time."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    return lambda: loop.time() < ends
