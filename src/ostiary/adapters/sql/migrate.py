"""Bring a database to this version's schema, and tell whether it is there.

Migrations expand first and contract one version later (SR-108): a new column is nullable or has a default, and
what old code still reads is dropped only by the next release, so that old and new processes can run side by
side during an upgrade and one step back stays possible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from ostiary.adapters.sql.engine import driver_url
from ostiary.adapters.sql.row_security import MIGRATING_SETTING, protect

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0023_processes"
"""The newest revision in ``migrations/versions``; written down here, so that looking costs no import of Alembic."""

_SCRIPTS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision a database has, and the one this version needs."""

    current: str | None
    head: str = HEAD

    @property
    def is_current(self) -> bool:
        return self.current == self.head


def upgrade(database_url: str, revision: str = "head") -> SchemaState:
    """Run every missing migration in one transaction; waits for another process that is doing so. Blocks."""
    from alembic import command

    return _run(database_url, lambda config: command.upgrade(config, revision), is_protected=True)


def downgrade(database_url: str, revision: str) -> SchemaState:
    """Go back to ``revision`` (``base``: remove everything). Blocks."""
    from alembic import command

    return _run(database_url, lambda config: command.downgrade(config, revision))


def schema_state(database_url: str) -> SchemaState:
    """Look without changing anything. Blocks."""
    engine = _engine(database_url)
    try:
        with engine.connect() as connection:
            return _state(connection)
    finally:
        engine.dispose()


def migration_config() -> Config:
    """Return Alembic's configuration; it needs no file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _run(database_url: str, action: Callable[[Config], None], *, is_protected: bool = False) -> SchemaState:
    engine = _engine(database_url)
    try:
        with engine.begin() as connection:
            # Held until the end of the transaction: two processes that start together migrate once.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('ostiary.migrate'))"))
            # Row-level security hides the rows from the tables' owner, too; a migration may have to move them.
            connection.execute(text(f"SET LOCAL {MIGRATING_SETTING} = 'yes'"))
            config = migration_config()
            config.attributes["connection"] = connection
            action(config)
            state = _state(connection)
            if is_protected and state.is_current:
                # Derived from the tables as they are now, those of the newest migration included.
                protect(connection)
            return state
    finally:
        engine.dispose()


def _state(connection: Connection) -> SchemaState:
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return SchemaState(None)
    return SchemaState(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _engine(database_url: str) -> Engine:
    return create_engine(
        driver_url(database_url),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC -c lock_timeout=60000"},
    )
