"""Bring a database to this version's schema, and tell whether it is there.

Migrations expand first and contract one version later (SR-108): a new column is nullable or has a default, and
what old code still reads is dropped only by the next release, so that old and new processes can run side by
side during an upgrade and one step back stays possible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from ostiary.adapters.sql.engine import driver_url

_SCRIPTS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision a database has, and the one this version needs."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        return self.current == self.head


def upgrade(database_url: str, revision: str = "head") -> SchemaState:
    """Run every missing migration, each in a transaction; waits for another process that is doing so. Blocks."""
    return _run(database_url, lambda config: command.upgrade(config, revision))


def downgrade(database_url: str, revision: str) -> SchemaState:
    """Go back to ``revision`` (``base``: remove everything). Blocks."""
    return _run(database_url, lambda config: command.downgrade(config, revision))


def schema_state(database_url: str) -> SchemaState:
    """Look without changing anything. Blocks."""
    engine = _engine(database_url)
    try:
        with engine.connect() as connection:
            return _state(connection)
    finally:
        engine.dispose()


def _run(database_url: str, action: Callable[[Config], None]) -> SchemaState:
    engine = _engine(database_url)
    try:
        with engine.begin() as connection:
            # Held until the end of the transaction: two processes that start together migrate once.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('ostiary.migrate'))")
            config = _config()
            config.attributes["connection"] = connection
            action(config)
            return _state(connection)
    finally:
        engine.dispose()


def _state(connection: Connection) -> SchemaState:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("this installation has no migrations")
    return SchemaState(MigrationContext.configure(connection).get_current_revision(), head)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _engine(database_url: str) -> Engine:
    return create_engine(
        driver_url(database_url),
        poolclass=NullPool,
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC -c lock_timeout=60000"},
    )
