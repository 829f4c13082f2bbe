"""Migrations and the code's tables agree, forwards and backwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import procrastinate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

import ostiary.adapters.sql
from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import driver_url
from ostiary.adapters.sql.migrate import HEAD, downgrade, migration_config, schema_state, upgrade
from ostiary.adapters.sql.tables import metadata

JOB_TABLES = Path(ostiary.adapters.sql.__path__[0]) / "migrations" / "procrastinate.sql"


@pytest.fixture
def empty_database_url(database_server: EmbeddedServer) -> Iterator[str]:
    server = create_engine(driver_url(database_server.url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE migration_test"))
    yield make_url(database_server.url).set(database="migration_test").render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE migration_test WITH (FORCE)"))


def _objects(url: str) -> list[tuple[str, ...]]:
    """Every relation, function and type of the schema."""
    engine = create_engine(driver_url(url), poolclass=NullPool)
    query = """
        SELECT 'relation', relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'function', pg_get_functiondef(oid) FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
        ORDER BY 1, 2
    """
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_migrated_schema_is_the_one_the_code_declares(empty_database_url: str) -> None:
    assert upgrade(empty_database_url).is_current
    engine = create_engine(driver_url(empty_database_url), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    kind != "table" or not name.startswith("procrastinate_")
                ),
            },
        )
        assert compare_metadata(context, metadata) == []


def test_migrated_triggers_and_functions_are_those_the_code_declares(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    migrated = [row for row in _objects(empty_database_url) if "alembic_version" not in row[1]]
    downgrade(empty_database_url, "base")
    engine = create_engine(driver_url(empty_database_url), poolclass=NullPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(procrastinate.schema.SchemaManager.get_schema())
    declared = [row for row in _objects(empty_database_url) if "alembic_version" not in row[1]]
    assert migrated == declared


def test_downgrade_to_base_leaves_nothing_and_upgrade_brings_it_back(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    before = _objects(empty_database_url)
    downgrade(empty_database_url, "base")
    assert {name for kind, name in _objects(empty_database_url) if kind == "relation"} == {
        "alembic_version",
        "alembic_version_pkc",
    }
    assert not schema_state(empty_database_url).is_current
    upgrade(empty_database_url)
    assert _objects(empty_database_url) == before


def test_upgrading_twice_changes_nothing(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    before = _objects(empty_database_url)
    upgrade(empty_database_url)
    assert _objects(empty_database_url) == before


def test_job_tables_of_the_migration_are_those_of_the_installed_release() -> None:
    # When this fails, the queue's release changed its tables: write a migration, then refresh the file.
    shipped = procrastinate.schema.SchemaManager.get_schema()
    ours = JOB_TABLES.read_text("utf-8")
    assert ours.endswith(shipped)
    assert all(line.startswith("--") or not line for line in ours.removesuffix(shipped).splitlines())


def test_the_written_down_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migration_config()).get_heads() == [HEAD]
