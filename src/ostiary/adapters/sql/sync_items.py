"""Folders and items of followed mailboxes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.sync_tables import sync_folders, sync_items, sync_states
from ostiary.core.sync.errors import Overtaken
from ostiary.core.sync.model import (
    HIERARCHY,
    Claim,
    FolderPage,
    FolderState,
    Item,
    ItemKind,
    KnownItem,
    Pending,
    Source,
)

_F: Final = sync_folders.c
_I: Final = sync_items.c


class SQLSyncItems:
    """Keeps the projection of each source; a part of :class:`SQLSyncStore`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def hold(self, claim: Claim) -> None:
        held = await self._connection.execute(select(literal(1)).where(is_held(claim)))
        if held.one_or_none() is None:
            raise Overtaken("Another worker reads this mailbox.")

    # -- folders -------------------------------------------------------------------------------------------------

    async def folders(self, connection_id: str, source: Source) -> tuple[FolderState, ...]:
        statement = (
            select(sync_folders)
            .where(_F.connection_id == connection_id, _F.source == source.value)
            .order_by(_F.rank, _F.folder_id)
        )
        return tuple(_folder(row) for row in (await self._connection.execute(statement)).mappings())

    async def keep_tree(
        self, claim: Claim, page: FolderPage, *, before: str | None, seen: Collection[str]
    ) -> tuple[str, ...]:
        await self._move_tree(claim, page, before)
        if page.seen:
            rows = [
                {
                    **_key(claim),
                    "folder_id": folder.id,
                    "organization_id": claim.organization_id,
                    "is_baselined": False,
                    "is_open": False,
                    "round": 0,
                    "rank": folder.rank,
                    "total_count": folder.item_count,
                    "counted": 0,
                }
                for folder in {folder.id: folder for folder in page.seen}.values()
            ]
            statement = insert(sync_folders).values(rows)
            await self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[_F.connection_id, _F.source, _F.folder_id],
                    set_={"total_count": statement.excluded.total_count, "rank": statement.excluded.rank},
                )
            )
        gone: ColumnElement[bool] = _F.folder_id.in_(page.removed)
        if page.is_last and page.is_complete:
            kept = {*seen, *(folder.id for folder in page.seen)}
            gone = or_(gone, _F.folder_id.not_in(kept))
        return tuple(
            await self._connection.scalars(
                delete(sync_folders)
                .where(_of_folders(claim), _F.folder_id != HIERARCHY, gone)
                .returning(_F.folder_id)
            )
        )

    async def _move_tree(self, claim: Claim, page: FolderPage, before: str | None) -> None:
        statement = insert(sync_folders).values(
            **_key(claim),
            folder_id=HIERARCHY,
            organization_id=claim.organization_id,
            cursor=page.cursor,
            is_baselined=page.is_last,
            is_open=not page.is_last,
            round=0,
            rank=-1,
            total_count=0,
            counted=0,
        )
        moved = await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[_F.connection_id, _F.source, _F.folder_id],
                set_={
                    "cursor": statement.excluded.cursor,
                    "is_open": statement.excluded.is_open,
                    "is_baselined": or_(_F.is_baselined, statement.excluded.is_baselined),
                },
                where=_F.cursor.is_not_distinct_from(before),
            ).returning(_F.folder_id)
        )
        if moved.one_or_none() is None:
            raise Overtaken("Another worker reads this mailbox's folders.")

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
        window_end: Any,
    ) -> None:
        await self._set_folder(
            claim,
            folder,
            cursor=cursor,
            is_open=is_open,
            is_baselined=is_baselined,
            round=round,
            counted=counted,
            window_end=window_end,
        )

    async def restart(
        self,
        claim: Claim,
        folder: FolderState,
        *,
        round: int,  # noqa: A002 - the model's word
        reason: str | None,
    ) -> None:
        counted = folder.counted if folder.is_baselined else 0
        await self._set_folder(
            claim, folder, cursor=None, is_open=True, round=round, counted=counted, window_end=None
        )
        if reason is not None:
            await self._connection.execute(
                update(sync_states)
                .where(
                    sync_states.c.connection_id == claim.connection_id,
                    sync_states.c.source == claim.source.value,
                )
                .values(reconciled_reason=reason)
            )

    async def _set_folder(self, claim: Claim, folder: FolderState, **values: Any) -> None:
        # Compared with what was read: two workers at one folder cannot both go on.
        statement = (
            update(sync_folders)
            .where(
                _of_folders(claim),
                _F.folder_id == folder.id,
                _F.cursor.is_not_distinct_from(folder.cursor),
                _F.round == folder.round,
                exists().where(is_held(claim)),
            )
            .values(**values)
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise Overtaken("Another worker reads this folder.")

    # -- items ---------------------------------------------------------------------------------------------------

    async def known(self, claim: Claim, item_ids: Collection[str]) -> dict[str, KnownItem]:
        if not item_ids:
            return {}
        rows = await self._connection.execute(
            select(sync_items).where(_of_items(claim), _I.item_id.in_(item_ids))
        )
        return {row["item_id"]: _item(row) for row in rows.mappings()}

    async def same_match(self, claim: Claim, match_keys: Collection[str]) -> dict[str, KnownItem]:
        hashes = {_match_hash(key): key for key in match_keys}
        if not hashes:
            return {}
        rows = await self._connection.execute(
            select(sync_items).where(_of_items(claim), _I.match_hash.in_(hashes))
        )
        return {hashes[bytes(row["match_hash"])]: _item(row) for row in rows.mappings()}

    async def put(self, claim: Claim, items: Sequence[Item], *, round: int) -> None:  # noqa: A002
        if not items:
            return
        statement = insert(sync_items)
        statement = statement.on_conflict_do_update(
            index_elements=[_I.connection_id, _I.source, _I.item_id],
            set_={
                name: statement.excluded[name]
                for name in ("version", "folder_id", "kind", "pending", "round", "match_hash")
            },
        )
        await self._connection.execute(
            statement,
            [
                {
                    **_key(claim),
                    "item_id": item.id,
                    "organization_id": claim.organization_id,
                    "version": item.version,
                    "folder_id": item.folder_id,
                    "kind": item.kind.value,
                    "pending": Pending.NO.value,
                    "round": round,
                    "match_hash": None if item.match_key is None else _match_hash(item.match_key),
                }
                for item in items
            ],
        )

    async def touch(self, claim: Claim, item_ids: Collection[str], *, round: int) -> None:  # noqa: A002
        if item_ids:
            await self._connection.execute(
                update(sync_items).where(_of_items(claim), _I.item_id.in_(item_ids)).values(round=round)
            )

    async def set_pending(self, claim: Claim, item_ids: Collection[str], pending: Pending) -> None:
        if item_ids:
            await self._connection.execute(
                update(sync_items)
                .where(_of_items(claim), _I.item_id.in_(item_ids))
                .values(pending=pending.value)
            )

    async def suspect_folder(self, claim: Claim, folder_id: str, *, unless_round: int | None) -> int:
        condition = and_(_of_items(claim), _I.folder_id == folder_id)
        if unless_round is not None:
            condition = and_(condition, _I.round != unless_round)
        result = await self._connection.execute(
            update(sync_items).where(condition).values(pending=Pending.GONE.value)
        )
        return result.rowcount

    async def suspect_series(self, claim: Claim, folder_id: str) -> None:
        await self._connection.execute(
            update(sync_items)
            .where(
                _of_items(claim),
                _I.folder_id == folder_id,
                _I.kind == ItemKind.SERIES.value,
                _I.pending == Pending.NO.value,
            )
            .values(pending=Pending.LOOK.value)
        )

    async def pending(self, claim: Claim, *, limit: int) -> tuple[KnownItem, ...]:
        rows = await self._connection.execute(
            select(sync_items).where(_of_items(claim), _I.pending != "").order_by(_I.item_id).limit(limit)
        )
        return tuple(_item(row) for row in rows.mappings())

    async def remove(self, claim: Claim, item_ids: Collection[str]) -> None:
        if item_ids:
            await self._connection.execute(
                delete(sync_items).where(_of_items(claim), _I.item_id.in_(item_ids))
            )

    async def counts(self, connection_id: str) -> dict[str, tuple[int, int, int, int]]:
        """Return, by source: folders done, folders, items counted, items as the folders say."""
        rows = await self._connection.execute(
            select(
                _F.source,
                func.count().filter(_F.is_baselined),
                func.count(),
                func.coalesce(func.sum(_F.counted), 0),
                func.coalesce(func.sum(func.greatest(_F.total_count, _F.counted)), 0),
            )
            .where(_F.connection_id == connection_id, _F.folder_id != HIERARCHY)
            .group_by(_F.source)
        )
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}

    async def drop_projection(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete everything that is known of sources."""
        wanted = list(keys)
        await self._connection.execute(
            delete(sync_folders).where(tuple_(_F.connection_id, _F.source).in_(wanted))
        )
        await self._connection.execute(
            delete(sync_items).where(tuple_(_I.connection_id, _I.source).in_(wanted))
        )


def is_held(claim: Claim) -> ColumnElement[bool]:
    """Whether a claim is still the one that was made: not freed, run out and taken, or taken anew by ourselves."""
    state = sync_states.c
    return and_(
        state.connection_id == claim.connection_id,
        state.source == claim.source.value,
        state.lease_holder == claim.holder,
        state.lease_until == claim.until,
    )


def _key(claim: Claim) -> dict[str, str]:
    return {"connection_id": claim.connection_id, "source": claim.source.value}


def _of_folders(claim: Claim) -> ColumnElement[bool]:
    return and_(_F.connection_id == claim.connection_id, _F.source == claim.source.value)


def _of_items(claim: Claim) -> ColumnElement[bool]:
    return and_(_I.connection_id == claim.connection_id, _I.source == claim.source.value)


def _match_hash(match_key: str) -> bytes:
    return hashlib.sha256(match_key.encode()).digest()[:16]


def _folder(row: RowMapping) -> FolderState:
    return FolderState(
        id=row["folder_id"],
        cursor=row["cursor"],
        is_baselined=row["is_baselined"],
        is_open=row["is_open"],
        round=row["round"],
        rank=row["rank"],
        total_count=row["total_count"],
        counted=row["counted"],
        window_end=row["window_end"],
    )


def _item(row: RowMapping) -> KnownItem:
    return KnownItem(
        id=row["item_id"],
        version=row["version"],
        folder_id=row["folder_id"],
        kind=ItemKind(row["kind"]),
        pending=Pending(row["pending"]),
    )
