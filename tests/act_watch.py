"""Watches the database for acts without a record: what changed, and whether that transaction wrote to the trail.

Triggers note each changed row with its transaction, so nothing has to know which code changed it (SR-72, FG-19).
What a test itself sows is left out, and so is book-keeping, which is no act of anybody.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ostiary.adapters.sql.unit_of_work import SQLTransactions

TRAIL = "audit_records"

BOOK_KEEPING = {
    "audit_chains": "the trail's own ends",
    "audit_checkpoints": "the trail's own signatures",
    "authorization_requests": "a round trip under way: what it leads to is the act",
    "access_tokens": "an hour's copy; getting one is on record as an opening",
    "refresh_tokens": "changes hands with every refresh; the opening before it is on record",
    "refresh_leases": "whose turn it is",
    "rate_limits": "how often somebody tried",
    "idempotency_keys": "the answer to a repeated call",
    "connection_checks": "when to look next",
    "permission_uses": "what was exercised when",
    "notices": "mails that wait; what they tell of is the act",
    "approval_waiters": "who is told about a request that is on record itself",
    "feed_heads": "where the feed ends",
    "feed_events": "what the vendor is told; what it tells of is the act",
    "sync_states": "how far a mailbox is read; it begins and ends with the connection",
    "sync_items": "what was read; what it tells of is Microsoft's",
    "sync_hints": "what is worth reading",
    "sync_folders": "where it was read",
    "sync_forgotten": "what left a folder and is looked for",
    "sync_streams": "how far each folder is read",
    "graph_subscriptions": "how we hear of changes; it begins and ends with the connection",
    "webhook_deliveries": "how far a message is on its way; asking for it again is on record",
    "webhook_attempts": "the log of sending itself",
    "read_counts": "how much was read",
    "idle_reports": "who was told that a sign-in is unused; its end is the act",
    "mail_sends": "a message under way: sending is noted where it ends",
    "governor_leases": "whose turn it is",
    "governor_mailboxes": "how much of Microsoft's limits is used",
    "key_ledger": "how often a key has wrapped",
    "status_days": "counts of how the service is",
}
"""Tables whose rows are no acts, with the reason; every other table is one of acts."""

MOMENTS = (
    "last_used_at", "last_used_ip", "last_refused_at", "last_seen_at", "last_success_at", "last_checked_at",
    "checked_at", "updated_at", "seen_at", "next_check_at", "idle_at", "token_version", "told_count",
    "app_present", "check_count",
)  # fmt: skip
"""Columns that say when something was looked at, or how far it is; a row that differs in nothing else is no act."""


@dataclass(frozen=True)
class Unrecorded:
    """Rows that changed in transactions that wrote nothing to the trail."""

    table: str
    operation: str
    count: int


class ActWatch:
    """Triggers on every table of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def install(self) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql("CREATE SCHEMA watch")
            await connection.exec_driver_sql(
                "CREATE TABLE watch.changes (tx xid8 NOT NULL, name text NOT NULL, operation text NOT NULL)"
            )
            moments = ", ".join(f"'{name}'" for name in MOMENTS)
            await connection.exec_driver_sql(
                "CREATE FUNCTION watch.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
                " IF current_setting('watch.sowing', true) = 'yes' THEN RETURN NULL; END IF;"
                f" IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - ARRAY[{moments}] = to_jsonb(OLD) - ARRAY[{moments}]"
                " THEN RETURN NULL; END IF;"
                " INSERT INTO watch.changes VALUES (pg_current_xact_id(), TG_TABLE_NAME, TG_OP); RETURN NULL;"
                " END $$"
            )
            for table in await self._tables(connection):
                await connection.exec_driver_sql(
                    f"CREATE TRIGGER watch_changes AFTER INSERT OR UPDATE OR DELETE ON {table}"
                    " FOR EACH ROW EXECUTE FUNCTION watch.note()"
                )

    async def is_installed(self) -> bool:
        async with self._engine.connect() as connection:
            return await connection.scalar(text("SELECT to_regnamespace('watch') IS NOT NULL")) or False

    async def forget(self) -> None:
        """Forget what was seen so far."""
        async with self._engine.begin() as connection:
            await connection.execute(text("DELETE FROM watch.changes"))

    async def remove(self) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql("DROP SCHEMA watch CASCADE")

    async def _tables(self, connection: AsyncConnection) -> list[str]:
        found = await connection.scalars(
            text(
                "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
                " AND tablename <> 'alembic_version' AND tablename NOT LIKE 'procrastinate%'"
            )
        )
        return list(found)

    async def acts(self) -> int:
        """How many transactions changed anything that is an act."""
        return await self._count("SELECT count(DISTINCT tx) FROM watch.changes WHERE name <> ALL(:not_acts)")

    async def unrecorded(self) -> list[Unrecorded]:
        """Acts whose transaction wrote no record."""
        async with self._engine.connect() as connection:
            found = await connection.execute(
                text(
                    "SELECT name, operation, count(*) FROM watch.changes c WHERE name <> ALL(:not_acts)"
                    " AND NOT EXISTS (SELECT 1 FROM watch.changes r WHERE r.tx = c.tx AND r.name = :trail)"
                    " GROUP BY name, operation ORDER BY name, operation"
                ),
                {"not_acts": [*BOOK_KEEPING, TRAIL], "trail": TRAIL},
            )
            return [Unrecorded(*row) for row in found]

    async def _count(self, statement: str) -> int:
        async with self._engine.connect() as connection:
            return await connection.scalar(text(statement), {"not_acts": [*BOOK_KEEPING, TRAIL]}) or 0


def is_called_by_a_test() -> bool:
    """Whether who calls the caller of this is a test's own code."""
    return "/tests/" in sys._getframe(2).f_code.co_filename


@asynccontextmanager
async def leaving_out_what_tests_sow() -> AsyncIterator[None]:
    """Mark transactions that a test's own code opens; those of the product stay as they are."""
    opens = SQLTransactions.__call__

    def marked(self: SQLTransactions) -> AbstractAsyncContextManager[Any]:
        opened = opens(self)
        return _sowing(opened) if is_called_by_a_test() else opened

    SQLTransactions.__call__ = marked  # type: ignore[method-assign]
    try:
        yield
    finally:
        SQLTransactions.__call__ = opens  # type: ignore[method-assign]


@asynccontextmanager
async def _sowing(opened: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    async with opened as unit:
        await unit.connection.exec_driver_sql("SET LOCAL watch.sowing = 'yes'")
        yield unit


@asynccontextmanager
async def watching(engine: AsyncEngine) -> AsyncIterator[ActWatch]:
    """Watch one database for the length of a block."""
    watch = ActWatch(engine)
    if await watch.is_installed():
        # By whoever watches the whole run (scripts/act_census.py).
        await watch.forget()
        yield watch
        return
    await watch.install()
    try:
        async with leaving_out_what_tests_sow():
            yield watch
    finally:
        await watch.remove()
