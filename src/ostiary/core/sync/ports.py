"""What following mailboxes needs from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ostiary.core.audit.ports import AuditTrail
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.connections.ports import ConnectionStore
from ostiary.core.feed.ports import Feed
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.sync.coverage import CoverageStore
from ostiary.core.sync.model import (
    ChangePage,
    Claim,
    FolderPage,
    FolderState,
    Item,
    KnownItem,
    Pending,
    Progress,
    Source,
)
from ostiary.core.sync.subscriptions import SubscriptionStore


class ChangeSource(Protocol):
    """Tells what changed in one source of a mailbox, over one access method.

    Every coroutine may raise MailboxMissing, AccessBlocked, ConsentRequired, ReauthorizationRequired, Throttled,
    TemporarilyUnavailable or ProviderContractBroken. Cursors are only good for the mailbox that gave them.
    """

    @property
    def has_stable_ids(self) -> bool:
        """Whether an item keeps its id when it moves to another folder of the mailbox."""
        ...

    async def folders(self, mailbox: MailboxAccess, cursor: str | None) -> FolderPage:
        """One page of the folder tree, or of its changes since ``cursor``.

        Raises:
            SyncCursorExpired: Microsoft forgot the cursor; begin without one.
        """
        ...

    async def changes(
        self,
        mailbox: MailboxAccess,
        folder_id: str,
        cursor: str | None,
        *,
        limit: int,
        window: tuple[datetime, datetime],
    ) -> ChangePage:
        """One page of what is in a folder, newest first, or of what changed in it since ``cursor``.

        Args:
            window: Of calendars that can only be followed in one; used where a round begins.

        Raises:
            SyncCursorExpired: Microsoft forgot the cursor; begin without one.
            NotFound: There is no such folder any more.
        """
        ...

    async def look(self, mailbox: MailboxAccess, item_ids: Sequence[str]) -> Mapping[str, Item]:
        """The items that exist, by the ids asked for, wherever they are now."""
        ...


class SyncStore(Protocol):
    """Keeps where the reading of each source stands, inside one transaction."""

    async def ensure(
        self,
        *,
        connection_id: str,
        organization_id: str,
        source: Source,
        method: AccessMethod,
        backfill_since: datetime | None,
        now: datetime,
    ) -> bool:
        """Follow a source from now on, or go on following it at once. True when it was not followed before.

        Over another method than before it is begun anew: ids and cursors of one mean nothing to the other.
        """
        ...

    async def forget(self, connection_id: str, *, source: Source | None = None) -> None:
        """Follow a connection no more: nothing is claimed from now on. Its projection goes by :meth:`purge`."""
        ...

    async def purge(self, *, limit: int) -> int | None:
        """Delete at most ``limit`` rows of a projection that nobody follows; returns how many, None: there is none."""
        ...

    async def unfollowed(self, *, limit: int) -> tuple[tuple[str, Source], ...]:
        """Sources of usable connections that are not followed yet."""
        ...

    async def mark(self, marks: Mapping[tuple[str, Source], Collection[str] | None], *, now: datetime) -> int:
        """Say that sources changed, and in which items where that is known (None: anywhere). Returns how many exist."""
        ...

    async def claim(
        self,
        *,
        holder: str,
        now: datetime,
        until: datetime,
        limit: int,
        sweep_before: datetime,
        being_read: Sequence[str] = (),
    ) -> tuple[Claim, ...]:
        """Take sources that are due: changed ones before first readings, organizations in turn (SR-89).

        Args:
            being_read: Organization of each turn that is under way: one with many of them comes after one with few.
        """
        ...

    async def hold(self, claim: Claim) -> None:
        """Make sure that a claim is still ours, before something is written that no cursor guards.

        Raises:
            Overtaken: It is another worker's by now.
        """
        ...

    async def release_all(self, *, holder: str, but: Collection[Claim]) -> None:
        """Free what is claimed by ``holder`` but for these: claims whose answer, or whose return, was lost."""
        ...

    async def hints(self, claim: Claim, *, limit: int) -> tuple[str, ...]:
        """Items that notices named, up to the claim's mark."""
        ...

    async def finish(
        self,
        claim: Claim,
        *,
        next_at: datetime,
        covered: bool,
        live: bool,
        now: datetime,
    ) -> bool:
        """Hand a claim back: what it was marked for is done. False when another worker took it over meanwhile.

        Args:
            covered: Everything was read, not only what notices named.
            live: The first reading is complete.
            now: When the reading began: what happened before is covered.
        """
        ...

    async def postpone(self, claim: Claim, *, next_at: datetime, reason: str | None, failures: int) -> None:
        """Hand a claim back with its marks."""
        ...

    async def folders(self, connection_id: str, source: Source) -> tuple[FolderState, ...]:
        """The followed folders by rank, and the state of the tree under :data:`HIERARCHY`."""
        ...

    async def keep_tree(
        self, claim: Claim, page: FolderPage, *, before: str | None, seen: Collection[str]
    ) -> tuple[str, ...]:
        """Apply one page of the folder tree and keep its cursor; returns folders that are gone.

        Args:
            before: The cursor the page was read with.
            seen: Folders of earlier pages of this round.

        Raises:
            Overtaken: Another worker moved the cursor.
        """
        ...

    async def advance(
        self,
        claim: Claim,
        folder: FolderState,
        *,
        cursor: str | None,
        is_open: bool,
        is_baselined: bool,
        round: int,  # noqa: A002 - the model's word
        counted: int,
        window_end: datetime | None,
    ) -> None:
        """Keep a folder's next cursor.

        Raises:
            Overtaken: Another worker moved it meanwhile.
        """
        ...

    async def known(self, claim: Claim, item_ids: Collection[str]) -> dict[str, KnownItem]: ...
    async def same_match(self, claim: Claim, match_keys: Collection[str]) -> dict[str, KnownItem]:
        """Items of the projection by match key."""
        ...

    async def put(self, claim: Claim, items: Sequence[Item], *, round: int) -> None:  # noqa: A002
        """Insert or replace items; nothing is pending about them any more."""
        ...

    async def touch(self, claim: Claim, item_ids: Collection[str], *, round: int) -> None:  # noqa: A002
        """Mark items as seen in a round."""
        ...

    async def set_pending(self, claim: Claim, item_ids: Collection[str], pending: Pending) -> None: ...
    async def suspect_folder(self, claim: Claim, folder_id: str, *, unless_round: int | None) -> int:
        """Mark what is in a folder as gone, except what was seen in a round; returns how many."""
        ...

    async def suspect_series(self, claim: Claim, folder_id: str) -> None:
        """Mark every series of a calendar to be looked at."""
        ...

    async def pending(self, claim: Claim, *, limit: int) -> tuple[KnownItem, ...]: ...
    async def remove(self, claim: Claim, item_ids: Collection[str]) -> None: ...
    async def restart(
        self,
        claim: Claim,
        folder: FolderState,
        *,
        round: int,  # noqa: A002
        reason: str | None,
    ) -> None:
        """Begin a folder anew: its next round lists everything, marked with ``round``.

        Args:
            reason: Why it cannot go on from its cursor, for the coverage ledger; None where that is planned.

        Raises:
            Overtaken: Another worker moved the cursor meanwhile.
        """
        ...

    async def take_reconciled(self, claim: Claim) -> str | None:
        """Return why something had to be read anew since this was asked last, and forget it."""
        ...

    async def overdue(self, *, due_before: datetime, now: datetime) -> int:
        """Count sources that have been due since then and that nobody reads."""
        ...

    async def progress(self, connection_id: str) -> tuple[Progress, ...]: ...
    async def take_streams(
        self, *, holder: str, now: datetime, until: datetime, limit: int
    ) -> tuple[str, ...]:
        """Connections over EWS whose stream nobody holds; nobody else takes them before ``until``."""
        ...

    async def keep_streams(
        self, connection_ids: Collection[str], *, holder: str, until: datetime
    ) -> tuple[str, ...]:
        """Go on holding streams; returns those that are still ours."""
        ...

    async def open_stream(self, connection_id: str, *, holder: str, is_open: bool) -> None:
        """Say whether a held stream is heard: only then reading may wait for what it says."""
        ...

    async def end_stream(self, connection_id: str, *, until: datetime) -> None:
        """Take a stream from its holder, who ends it and drops it; nobody takes it anew before ``until``."""
        ...

    async def drop_streams(self, connection_ids: Collection[str], *, holder: str) -> None: ...


class SyncTransaction(Protocol):
    """What one transaction of following can reach."""

    @property
    def sync(self) -> SyncStore: ...
    @property
    def coverage(self) -> CoverageStore: ...
    @property
    def subscriptions(self) -> SubscriptionStore: ...
    @property
    def feed(self) -> Feed: ...
    @property
    def connections(self) -> ConnectionStore: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def jobs(self) -> JobQueue: ...
