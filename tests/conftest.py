"""Fixtures that every test may ask for: real parts, made cheap.

One embedded PostgreSQL serves the whole run; each test that asks for ``database`` finds empty tables.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.settings import Profile, Settings

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""When tests begin, unless they move the clock."""


@pytest.fixture
def clock() -> MovableClock:
    """A clock that stands at 24 November 2026, 12:00 UTC until it is moved."""
    return MovableClock(NOW)


@pytest.fixture
def entropy() -> SeededEntropy:
    """The same bytes in every run."""
    return SeededEntropy(7)


@pytest.fixture(scope="session")
def database_server() -> Iterator[EmbeddedServer]:
    """One PostgreSQL for this test process, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-tests-"))
    try:
        with EmbeddedServer.start(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="session")
async def migrated_engine(database_server: EmbeddedServer) -> AsyncIterator[AsyncEngine]:
    """The engine of a database that has every table."""
    engine = create_engine(database_server.url, pool_size=10)
    async with engine.connect() as connection:
        # Nothing here has to survive a power cut. ALTER SYSTEM refuses to run in a transaction.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ALTER SYSTEM SET fsync = off"))
        await connection.execute(text("SELECT pg_reload_conf()"))
    await _create_schema(engine)
    yield engine
    await engine.dispose()


async def _create_schema(engine: AsyncEngine) -> None:
    import procrastinate

    from ostiary.adapters.sql.tables import metadata

    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await raw.execute(procrastinate.schema.SchemaManager.get_schema())
        await raw.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        await raw.execute("INSERT INTO alembic_version VALUES ('0001_initial')")


@pytest_asyncio.fixture
async def database(migrated_engine: AsyncEngine) -> AsyncEngine:
    """An engine on a database whose tables are all there and all empty."""
    async with migrated_engine.begin() as connection:
        names = await connection.scalars(
            text(
                "SELECT quote_ident(tablename) FROM pg_tables"
                " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
        )
        # The audit trail refuses this from everybody, by a trigger; a test run may switch triggers off.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE"))
    return migrated_engine


@pytest.fixture
def settings(tmp_path: Path, database: AsyncEngine) -> Settings:
    """Settings of a development instance on the empty database; Microsoft's hosts lead nowhere."""
    return Settings(
        profile=Profile.DEVELOPMENT,
        data_dir=tmp_path,
        database_url=SecretStr(database.url.render_as_string(hide_password=False)),
        public_url="http://localhost:8080",
        vendor_name="Larkspur",
        vendor_app_name="Larkspur for Microsoft 365",
        vendor_publisher="Larkspur Software Ltd",
        vendor_help_email="help@larkspur.example",
        vendor_data_kept="Ids and headers of messages, in Dublin, until you disconnect.",
        app_client_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
        app_secret=SecretStr("a secret for tests"),
        allow_client_secret=True,
        # Port 9 discards: whoever calls Microsoft in a test without the emulator fails at once.
        login_url="http://127.0.0.1:9",
        graph_url="http://127.0.0.1:9",
        ews_url="http://127.0.0.1:9/EWS/Exchange.asmx",
        return_urls=("https://app.larkspur.example/connected",),
    )


@pytest.fixture
def transactions(database: AsyncEngine, clock: MovableClock, entropy: SeededEntropy) -> SQLTransactions:
    """Units of work on the empty database."""
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

    return SQLTransactions(database, clock=clock, entropy=entropy)
