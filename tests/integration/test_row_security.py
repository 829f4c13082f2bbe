"""The second barrier: what a transaction that declared one organization, or none, can do to others' rows (SR-64)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import Column, delete, func, insert, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.roles import ROLES, bypasses, ensure_roles
from ostiary.adapters.sql.row_security import SHARED, TOKEN_TABLES, condition_of
from ostiary.adapters.sql.tables import metadata
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.kernel.reach import NOTHING, Duty, Reach, confined, declared, everybody, instance_wide
from ostiary.core.organizations.model import Organization

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions, UnitOfWork
    from ostiary.core.kernel.clock import MovableClock

ORGANIZATIONS = metadata.tables["organizations"]
AUDIT = metadata.tables["audit_records"]
OURS, THEIRS = "org_ours", "org_theirs"


def raw(unit: UnitOfWork) -> AsyncConnection:
    """Return the transaction's own connection: SQL without any store's conditions."""
    return unit._connection  # type: ignore[reportPrivateUsage]


@pytest_asyncio.fixture
async def two(transactions: SQLTransactions, clock: MovableClock) -> AsyncIterator[SQLTransactions]:
    async with transactions() as tx:
        for organization_id in (OURS, THEIRS):
            await tx.organizations.add(
                Organization(organization_id, organization_id, organization_id, clock.now())
            )
            await tx.audit.record(
                "test.did", "Somebody did it.", actor=SYSTEM, organization_id=organization_id
            )
    yield transactions


async def seen(transactions: SQLTransactions) -> set[str]:
    async with transactions() as tx:
        return set(await raw(tx).scalars(select(ORGANIZATIONS.c.id)))


async def test_confined_work_sees_its_own_rows_even_without_a_condition(two: SQLTransactions) -> None:
    with confined(OURS):
        assert await seen(two) == {OURS}
        async with two() as tx:
            found = set(await raw(tx).scalars(select(AUDIT.c.organization_id)))
    assert found == {OURS}


async def test_work_that_declared_nothing_sees_no_row_of_any_protected_table(two: SQLTransactions) -> None:
    with declared(NOTHING):
        for duty in Duty:
            with declared(Reach(duty)):
                async with two() as tx:
                    for table in metadata.sorted_tables:
                        if condition_of(table) is not None:
                            count = await raw(tx).scalar(select(func.count(table.primary_key.columns[0])))
                            assert count == 0, table.name


async def test_confined_work_cannot_change_or_delete_others_rows(two: SQLTransactions) -> None:
    with confined(OURS):
        async with two() as tx:
            changed = await raw(tx).execute(update(ORGANIZATIONS).values(name="taken"))
            assert changed.rowcount == 1
            gone = await raw(tx).execute(delete(ORGANIZATIONS).where(ORGANIZATIONS.c.id == THEIRS))
            assert gone.rowcount == 0
    async with two() as tx:
        assert (await tx.organizations.get(THEIRS)).name == THEIRS


@pytest.mark.parametrize("written", [THEIRS, "org_new"])
async def test_confined_work_cannot_write_a_row_for_somebody_else(two: SQLTransactions, written: str) -> None:
    freezes = metadata.tables["incidents"]
    with confined(OURS), pytest.raises(ProgrammingError, match="row-level security"):
        async with two() as tx:
            await raw(tx).execute(
                insert(freezes).values({c.name: _any(c, written) for c in freezes.c if not c.nullable})
            )


def _any(column: Column[Any], organization_id: str) -> object:
    if column.name == "organization_id":
        return organization_id
    kind = column.type.python_type
    return {str: "x", int: 1, bool: True, list: [], dict: {}, bytes: b"x"}.get(kind, func.now())


async def test_looking_beyond_is_for_the_block_only(two: SQLTransactions) -> None:
    with confined(OURS):
        with everybody("a test of it"):
            assert await seen(two) == {OURS, THEIRS}
        assert await seen(two) == {OURS}


async def test_narrowing_to_another_organization_reaches_nothing(two: SQLTransactions) -> None:
    with confined(OURS), confined(THEIRS):
        assert await seen(two) == set()


async def test_instance_wide_work_sees_everybody(two: SQLTransactions) -> None:
    for duty in Duty:
        with declared(instance_wide(duty)):
            assert await seen(two) == {OURS, THEIRS}


async def test_scope_ends_with_its_transaction(two: SQLTransactions, database: AsyncEngine) -> None:
    # Pooled connections are used again by others.
    await seen(two)
    async with database.connect() as connection:
        row = (
            await connection.execute(
                text("SELECT current_user = session_user, current_setting('ostiary.organization', true)")
            )
        ).one()
    assert row[0] is True
    assert not row[1]


async def test_every_table_has_a_policy_or_a_reason_for_none(database: AsyncEngine) -> None:
    without = {table.name for table in metadata.sorted_tables if condition_of(table) is None}
    assert without == set(SHARED), "a new table needs organization_id, or a reason in SHARED"
    async with database.connect() as connection:
        forced = set(
            await connection.scalars(
                text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
            )
        )
        policies = {
            tuple(row)
            for row in await connection.execute(
                text("SELECT tablename::text, policyname::text FROM pg_policies")
            )
        }
    protected = {table.name for table in metadata.sorted_tables} - without
    assert forced == protected
    names = ("of_everybody", "of_one_organization", "of_migrations")
    assert policies == {(table, name) for table in protected for name in names}


@pytest.mark.parametrize("table", TOKEN_TABLES)
@pytest.mark.parametrize("duty", [Duty.PAGES, Duty.RECORDS])
@pytest.mark.parametrize("column", ["ciphertext", "wrapped_key", "nonce", "commitment"])
async def test_pages_cannot_read_sealed_tokens(
    transactions: SQLTransactions, table: str, duty: Duty, column: str
) -> None:
    with declared(instance_wide(duty)), pytest.raises(ProgrammingError, match="permission denied"):
        async with transactions() as tx:
            await raw(tx).execute(select(metadata.tables[table].c[column]))


@pytest.mark.parametrize("duty", [Duty.MAILBOX, Duty.WORKER, Duty.COMMAND])
async def test_work_that_uses_mailboxes_can_read_sealed_tokens(
    transactions: SQLTransactions, duty: Duty
) -> None:
    with declared(instance_wide(duty)):
        async with transactions() as tx:
            for name in TOKEN_TABLES:
                assert (await raw(tx).execute(select(metadata.tables[name]))).all() == []


def test_login_of_the_embedded_server_sees_nothing_by_itself(
    database_server: EmbeddedServer, migrated_engine: AsyncEngine
) -> None:
    with psycopg.connect(database_server.service_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() is not None
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM organizations")


async def test_bypassing_logins_are_told(database: AsyncEngine, database_server: EmbeddedServer) -> None:
    async with database.connect() as connection:
        assert "superuser" in str(await connection.run_sync(bypasses))
    from ostiary.adapters.sql.engine import create_engine

    engine = create_engine(database_server.service_url)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(bypasses) is None
            names = set(await connection.scalars(text("SELECT rolname FROM pg_roles WHERE rolbypassrls")))
    finally:
        await engine.dispose()
    assert not names & set(ROLES)


@pytest.mark.parametrize(
    ("making", "told"),
    [
        (["CREATE ROLE test_login BYPASSRLS"], "test_login has BYPASSRLS"),
        (
            ["CREATE ROLE test_login INHERIT", "GRANT ostiary_web TO test_login"],
            "test_login inherits the rights",
        ),
    ],
)
async def test_a_login_that_sees_rows_by_itself_is_told(
    database: AsyncEngine, making: list[str], told: str
) -> None:
    async with database.connect() as connection:
        for statement in (*making, "SET LOCAL SESSION AUTHORIZATION test_login"):
            await connection.execute(text(statement))
        assert told in str(await connection.run_sync(bypasses))
        await connection.rollback()


async def test_a_migration_that_may_not_make_roles_says_what_to_run(database: AsyncEngine) -> None:
    async with database.connect() as connection:
        await connection.execute(text("CREATE ROLE test_login"))
        await connection.execute(text("SET LOCAL ROLE test_login"))
        # All are there: nothing to make and nothing to say.
        await connection.run_sync(ensure_roles)
        await connection.execute(text("RESET ROLE"))
        await connection.execute(text("ALTER ROLE ostiary_web RENAME TO somebody_else"))
        await connection.execute(text("SET LOCAL ROLE test_login"))
        with pytest.raises(Misconfigured, match="CREATE ROLE ostiary_web NOLOGIN"):
            await connection.run_sync(ensure_roles)
        await connection.rollback()


async def test_missing_roles_are_made_and_given(database: AsyncEngine) -> None:
    async with database.connect() as connection:
        await connection.execute(text("CREATE ROLE test_login"))
        await connection.execute(text("ALTER ROLE ostiary_web RENAME TO somebody_else"))
        await connection.run_sync(lambda given: ensure_roles(given, member="test_login"))
        may = await connection.scalar(text("SELECT pg_has_role('test_login', 'ostiary_web', 'MEMBER')"))
        assert may is True
        await connection.rollback()


@pytest_asyncio.fixture
async def pages_only(database_server: EmbeddedServer, database: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """An engine of a process that serves pages alone: its login is a member of the web roles."""
    from ostiary.adapters.sql.engine import create_engine, driver_url

    async with database.begin() as connection:
        await connection.execute(text("CREATE ROLE pages_only LOGIN NOINHERIT"))
        await connection.execute(text("GRANT ostiary_web, ostiary_web_all TO pages_only"))
    url = driver_url(database_server.url).set(username="pages_only").render_as_string(hide_password=False)
    engine = create_engine(url, pool_size=2)
    yield engine
    await engine.dispose()
    async with database.begin() as connection:
        await connection.execute(text("DROP ROLE pages_only"))


async def test_a_process_that_serves_pages_alone_cannot_reach_tokens_whatever_it_declares(
    pages_only: AsyncEngine, two: SQLTransactions, clock: MovableClock
) -> None:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions as Transactions
    from ostiary.core.kernel.entropy import SeededEntropy

    transactions = Transactions(pages_only, clock=clock, entropy=SeededEntropy(1))
    with declared(instance_wide(Duty.PAGES)):
        assert await seen(transactions) == {OURS, THEIRS}
    for duty in (Duty.MAILBOX, Duty.WORKER, Duty.COMMAND):
        with declared(instance_wide(duty)), pytest.raises(Misconfigured, match="may not work as"):
            await seen(transactions)
    async with pages_only.connect() as connection:
        for statement in ("SELECT ciphertext FROM refresh_tokens", "SET ROLE ostiary_egress_all"):
            with pytest.raises(ProgrammingError, match="permission denied"):
                await connection.execute(text(statement))
            await connection.rollback()
