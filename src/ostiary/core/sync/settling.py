"""Finding out what became of items that left their folder: moved, deleted, or not gone at all.

No page of changes is believed about a deletion (no false deletes): Microsoft is asked for the item itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ostiary.core.feed.model import FeedEvent
from ostiary.core.sync import events
from ostiary.core.sync.model import Claim, Item, ItemKind, KnownItem
from ostiary.core.sync.pages import take_items
from ostiary.core.sync.ports import SyncTransaction


async def settle(
    tx: SyncTransaction,
    claim: Claim,
    pending: Sequence[KnownItem],
    found: dict[str, Item],
    *,
    folders: set[str],
    now: datetime,
) -> None:
    """Store what a look at pending items showed, and tell the feed.

    Args:
        found: By id, the items that exist.
        folders: The followed folders; an item anywhere else counts as deleted.
    """
    # Read again inside the transaction: a page may have explained some of them meanwhile.
    current = await tx.sync.known(claim, [item.id for item in pending])
    here: list[Item] = []
    gone: list[KnownItem] = []
    for was in pending:
        item = current.get(was.id)
        if item is None or not item.pending.value:
            continue
        seen = found.get(was.id)
        if seen is not None and not seen.folder_id:
            # Microsoft did not say where it is: it did not say that it moved.
            seen = replace(seen, folder_id=item.folder_id)
        if seen is not None and seen.folder_id in folders:
            here.append(seen)
        else:
            gone.append(item)
    await _take(tx, claim, here, current, now=now)
    told: list[FeedEvent] = [
        # A series that was only heard of and is gone by now was never told of.
        events.deleted(claim, item, now=now)
        for item in gone
        if item.version
    ]
    await tx.sync.remove(claim, [item.id for item in gone])
    await tx.feed.append(told)


async def _take(
    tx: SyncTransaction,
    claim: Claim,
    here: Sequence[Item],
    current: dict[str, KnownItem],
    *,
    now: datetime,
) -> None:
    # A series that was heard of through its occurrences only is kept without a version until it is looked at.
    fresh = [item for item in here if item.kind is ItemKind.SERIES and not current[item.id].version]
    await tx.sync.remove(claim, [item.id for item in fresh])
    await take_items(tx, claim, here, now=now)
