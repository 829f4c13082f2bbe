"""Idempotency keys in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Column, ColumnElement, LargeBinary, Table, Text, and_, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.kernel.idempotency import KEPT_FOR, RepeatedCall

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("caller_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("claimed_at", UTCDateTime, nullable=False, index=True),
    Column("answer", LargeBinary),
)


_TRY_LOCK: Final = text(
    "SELECT pg_try_advisory_xact_lock(hashtextextended('ostiary.idempotency ' || :name, 0))"
)


class SQLIdempotencyStore:
    """Keeps idempotency keys; satisfies ``IdempotencyStore``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(
        self, *, caller_id: str, key: str, request_hash: bytes, now: datetime
    ) -> RepeatedCall | None:
        table = idempotency_keys
        if not await self._connection.scalar(_TRY_LOCK, {"name": f"{caller_id} {key}"}):
            # The first call is in a transaction that has not ended; its row cannot be seen yet.
            return RepeatedCall(request_hash, None, now)
        await self._connection.execute(delete(table).where(table.c.claimed_at < now - KEPT_FOR))
        fresh = insert(table).values(
            caller_id=caller_id, key=key, request_hash=request_hash, claimed_at=now, answer=None
        )
        claimed = await self._connection.execute(
            fresh.on_conflict_do_nothing(index_elements=["caller_id", "key"]).returning(table.c.key)
        )
        if claimed.first() is not None:
            return None
        known = (await self._connection.execute(select(table).where(self._row(caller_id, key)))).one_or_none()
        if known is None:
            # The first call failed and released the key between the two statements: it may be tried again.
            return RepeatedCall(request_hash, None, now)
        return RepeatedCall(known.request_hash, known.answer, known.claimed_at)

    async def keep_answer(self, *, caller_id: str, key: str, answer: bytes) -> None:
        await self._connection.execute(
            update(idempotency_keys).where(self._row(caller_id, key)).values(answer=answer)
        )

    async def release(self, *, caller_id: str, key: str) -> None:
        await self._connection.execute(
            delete(idempotency_keys).where(self._row(caller_id, key), idempotency_keys.c.answer.is_(None))
        )

    @staticmethod
    def _row(caller_id: str, key: str) -> ColumnElement[bool]:
        return and_(idempotency_keys.c.caller_id == caller_id, idempotency_keys.c.key == key)
