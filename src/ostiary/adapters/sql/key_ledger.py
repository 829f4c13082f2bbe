"""How many values each key-encryption key has wrapped, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Column, String, Table, Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ostiary.adapters.sql.schema import UTCDateTime, metadata
from ostiary.core.vault.limits import KeyRecord

key_ledger: Final = Table(
    "key_ledger",
    metadata,
    # Owners that are no organization, such as the API's own answers, have keys, too.
    Column("organization_id", String(64), primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("first_used_at", UTCDateTime, nullable=False),
    Column("wraps", BigInteger, nullable=False),
)


class SQLKeyLedger:
    """Keeps the ledger in PostgreSQL; satisfies ``KeyLedger``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def reserve(self, *, organization_id: str, key_id: str, count: int, now: datetime) -> KeyRecord:
        fresh = insert(key_ledger).values(
            organization_id=organization_id, key_id=key_id, first_used_at=now, wraps=count
        )
        statement = fresh.on_conflict_do_update(
            index_elements=["organization_id", "key_id"], set_={"wraps": key_ledger.c.wraps + count}
        ).returning(key_ledger)
        row = (await self._connection.execute(statement)).one()
        return KeyRecord(row.organization_id, row.key_id, row.first_used_at, row.wraps)

    async def records(self) -> tuple[KeyRecord, ...]:
        statement = select(key_ledger).order_by(key_ledger.c.organization_id, key_ledger.c.first_used_at)
        return tuple(
            KeyRecord(row.organization_id, row.key_id, row.first_used_at, row.wraps)
            for row in await self._connection.execute(statement)
        )
