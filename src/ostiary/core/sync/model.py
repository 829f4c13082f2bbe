"""What is known of a followed mailbox. Pure, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ostiary.core.kernel.access_method import AccessMethod

CLAIM_LIFE: Final = timedelta(minutes=5)
"""What a worker claimed and fell silent about is free after this long; far longer than a turn, or one renewal.

Of a worker that is dead it is free within seconds (:mod:`ostiary.core.kernel.presence`).
"""

HIERARCHY: Final = ""
"""Folder id under which the cursor of the folder tree itself is kept."""


class Source(StrEnum):
    """The two things that a connection can be followed for."""

    MAIL = "mail"
    CALENDAR = "calendar"


class Stage(StrEnum):
    """How far the reading of a source has come."""

    INITIAL = "initial"
    """The first reading runs: what is found was there before."""
    LIVE = "live"


class ItemKind(StrEnum):
    """What an item of a projection is."""

    MESSAGE = "message"
    SINGLE = "single"
    SERIES = "series"
    OCCURRENCE = "occurrence"
    """One of a series, or an exception of it. Never in a projection: it says that its series has to be looked at."""


@dataclass(frozen=True, slots=True)
class Item:
    """A message or calendar event as a page of changes shows it."""

    id: str
    version: str
    folder_id: str
    kind: ItemKind
    changed_at: datetime | None = None
    match_key: str | None = None
    """Same for an item before and after a move, where moving gives it a new id; a message's internet message id."""
    received_at: datetime | None = None
    is_read: bool | None = None
    is_draft: bool | None = None
    series_id: str | None = None
    ical_uid: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class Pending(StrEnum):
    """What is still to be found out about an item of the projection."""

    NO = ""
    GONE = "gone"
    """It left its folder: moved or deleted."""
    LOOK = "look"
    """Something about it changed that the page of changes did not say."""


@dataclass(frozen=True, slots=True)
class KnownItem:
    """An item of the projection."""

    id: str
    version: str
    folder_id: str
    kind: ItemKind
    pending: Pending = Pending.NO


@dataclass(frozen=True, slots=True)
class FolderSeen:
    """A folder or calendar as the folder tree shows it."""

    id: str
    item_count: int
    rank: int = 50
    """Read first where small: the inbox before the archive, deleted items last."""


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Some changes of one folder. Order is not promised and an item may repeat: the last one counts."""

    changed: tuple[Item, ...]
    removed: tuple[str, ...]
    """Ids of items that are no longer in this folder."""
    cursor: str
    """Where the next page, or the next round, begins."""
    is_last: bool
    """The round is complete: the cursor is for a later one."""


@dataclass(frozen=True, slots=True)
class FolderPage:
    """Some changes of the folder tree."""

    seen: tuple[FolderSeen, ...]
    removed: tuple[str, ...]
    cursor: str | None
    is_last: bool
    is_complete: bool
    """The round tells of every folder there is: what it leaves out is gone."""


@dataclass(frozen=True, slots=True)
class FolderState:
    """One followed folder: where its reading stands."""

    id: str
    cursor: str | None
    is_baselined: bool
    """One whole round has been read."""
    is_open: bool
    """In the middle of a round: the cursor names its next page."""
    round: int
    """Number of the round that lists everything, for which items are marked as seen; 0 for rounds of changes."""
    rank: int
    total_count: int
    counted: int
    window_end: datetime | None = None
    """Of a calendar that is followed in a window."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A source that this worker may read now."""

    connection_id: str
    organization_id: str
    source: Source
    method: AccessMethod
    stage: Stage
    holder: str
    until: datetime
    """With the holder it tells this claim from a later one: whose it is no more writes nothing more."""
    mark: int
    """Notices up to this number are covered by what is read now."""
    is_full: bool
    """Every folder has to be read."""
    failures: int
    backfill_since: datetime | None
    started_at: datetime
    """When it began to be followed."""
    is_pushed: bool
    """Notices tell when to read, so that a sweep is only a proof."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reading of one source has come, for people."""

    source: Source
    stage: Stage
    method: AccessMethod
    folders_done: int
    folders_total: int
    items_counted: int
    items_total: int
    """As the folders say; changes while it is counted."""
    started_at: datetime
    done_at: datetime | None
    covered_until: datetime | None
    """Everything that happened before is in the feed."""
    stalled_reason: str | None
    """Why nothing is read at the moment, as a reason id or code."""
    backfill_since: datetime | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """What the operator decides about following mailboxes."""

    push: bool = True
    """False: poll only, for instances that Microsoft cannot reach."""
    poll_every: timedelta = timedelta(minutes=1)
    sweep_every: timedelta = timedelta(hours=6)
    """With notices: how often everything is read all the same, to prove that nothing was missed."""
    backfill: timedelta | None = timedelta(days=90)
    """How far back the first reading tells of what was there; None: all of it."""
    calendar_back: timedelta = timedelta(days=30)
    calendar_ahead: timedelta = timedelta(days=365)
    page_size: int = 200
