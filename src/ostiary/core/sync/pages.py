"""Applying what was read: the projection, the feed and the cursor change in one commit (RR-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ostiary.core.feed.model import FeedEvent
from ostiary.core.sync import events
from ostiary.core.sync.model import (
    ChangePage,
    Claim,
    FolderState,
    Item,
    ItemKind,
    KnownItem,
    Pending,
    Source,
    Stage,
)
from ostiary.core.sync.ports import SyncTransaction


async def apply_page(
    tx: SyncTransaction,
    claim: Claim,
    folder: FolderState,
    page: ChangePage,
    *,
    now: datetime,
    window_end: datetime | None = None,
    moved_from: Mapping[str, KnownItem] | None = None,
) -> FolderState:
    """Apply one page of a folder and keep its cursor; return the folder as it stands then.

    A page that was applied before changes nothing and tells nothing. What left the folder is only marked: whether it
    moved or is gone is found out by :mod:`ostiary.core.sync.settling`.

    Raises:
        Overtaken: Another worker moved the cursor; nothing is applied.
    """
    following = replace(
        folder,
        cursor=page.cursor,
        is_open=not page.is_last,
        is_baselined=folder.is_baselined or page.is_last,
        round=0 if page.is_last else folder.round,
        counted=folder.counted + (0 if folder.is_baselined else len(page.changed)),
        window_end=window_end,
    )
    # First, so that a worker that was overtaken finds out before it writes anything.
    await tx.sync.advance(
        claim,
        folder,
        cursor=following.cursor,
        is_open=following.is_open,
        is_baselined=following.is_baselined,
        round=following.round,
        counted=following.counted,
        window_end=window_end,
    )
    latest = {item.id: item for item in page.changed}
    plain = [item for item in latest.values() if item.kind is not ItemKind.OCCURRENCE]
    await take_items(
        tx,
        claim,
        plain,
        now=now,
        round=folder.round,
        in_first_reading=not folder.is_baselined,
        moved_from=moved_from,
    )
    series = {
        item.series_id for item in latest.values() if item.kind is ItemKind.OCCURRENCE and item.series_id
    }
    removed = [item_id for item_id in page.removed if item_id not in latest]
    await _take_series(tx, claim, folder, series - set(latest), folder.round)
    await _take_removed(tx, claim, folder, removed)
    if page.is_last and folder.round:
        # The whole folder was listed: what it did not show has left it.
        await tx.sync.suspect_folder(claim, folder.id, unless_round=folder.round)
    return following


async def take_items(
    tx: SyncTransaction,
    claim: Claim,
    items: Sequence[Item],
    *,
    now: datetime,
    round: int = 0,  # noqa: A002 - the model's word
    in_first_reading: bool = False,
    moved_from: Mapping[str, KnownItem] | None = None,
) -> None:
    """Compare items with the projection, tell the feed how they differ, and keep them.

    Args:
        in_first_reading: What is new was there before anybody followed the mailbox.
        moved_from: By new id, what had another id in another folder before.
    """
    known = await tx.sync.known(claim, [item.id for item in items])
    told: list[FeedEvent] = []
    to_put: list[Item] = []
    to_touch: list[str] = []
    for item in items:
        was = known.get(item.id)
        before = None if moved_from is None else moved_from.get(item.id)
        if was is None and before is not None:
            told.append(events.moved(claim, before, item, now=now))
        elif was is None:
            if not in_first_reading or is_told(claim, item):
                backfill = in_first_reading and claim.stage is Stage.INITIAL
                told.append(events.created(claim, item, now=now, backfill=backfill))
        elif was.folder_id != item.folder_id:
            told.append(events.moved(claim, was, item, now=now))
        elif was.version != item.version:
            told.append(events.updated(claim, item, now=now))
        elif was.pending is Pending.NO:
            to_touch.append(item.id)
            continue
        to_put.append(item)
    await tx.sync.put(claim, to_put, round=round)
    if round:
        await tx.sync.touch(claim, to_touch, round=round)
    await tx.feed.append(told)


def is_told(claim: Claim, item: Item) -> bool:
    """Whether the first reading tells of an item: not of what is older than the backfill window."""
    since = claim.backfill_since
    if since is None or claim.stage is not Stage.INITIAL:
        return True
    at = item.received_at if item.kind is ItemKind.MESSAGE else item.ends_at
    return at is None or at >= since or item.kind is ItemKind.SERIES


async def _take_series(
    tx: SyncTransaction,
    claim: Claim,
    folder: FolderState,
    series: set[str],
    round: int,  # noqa: A002 - the model's word
) -> None:
    """Have the series of changed occurrences looked at; those not known yet as well."""
    if not series:
        return
    known = await tx.sync.known(claim, series)
    unknown = [
        Item(series_id, "", folder.id, ItemKind.SERIES) for series_id in series if series_id not in known
    ]
    await tx.sync.put(claim, unknown, round=round)
    await tx.sync.set_pending(claim, series, Pending.LOOK)


async def _take_removed(
    tx: SyncTransaction, claim: Claim, folder: FolderState, removed: Sequence[str]
) -> None:
    if not removed:
        return
    known = await tx.sync.known(claim, removed)
    # Seen in another folder already: that it left this one is old news.
    gone = [item_id for item_id, item in known.items() if item.folder_id == folder.id]
    await tx.sync.set_pending(claim, gone, Pending.GONE)
    if claim.source is Source.CALENDAR and len(known) < len(removed):
        # An occurrence we do not keep: its series changed, and only a look tells which one.
        await tx.sync.suspect_series(claim, folder.id)
