"""Bring a database to this version's schema, and tell whether it is there.

Migrations expand first and contract one version later (SR-108): a new column is nullable or has a default, and
what old code still reads is dropped only by the next release, so that old and new processes can run side by
side during an upgrade and one step back stays possible (docs/howto/upgrade.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ostiary.adapters.sql.engine import driver_url
from ostiary.adapters.sql.row_security import MIGRATING_SETTING, forget, protect
from ostiary.core.kernel.errors import TemporarilyUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0023_processes"
"""The newest revision in ``migrations/versions``; written down here, so that looking costs no import of Alembic."""

OLDEST_CODE: Final = "0022_webhooks"
"""The newest revision that the oldest code knows which still works on this schema. A contract step raises it, to the
revision of the release that stopped using what the step removes; everything else leaves it alone."""

_NOTE: Final = "works with code since "
"""Begins the comment on Alembic's own table in which code that is older than the schema reads whether it may run."""

_WAIT_SECONDS: Final = 60
"""For another process that migrates."""
_LOCK_SECONDS: Final = 3
"""For one table. Whoever waits for a table also holds up everybody who comes after: readers wait with us, so not long."""
_TRIES: Final = 5
_BUSY: Final = ("55P03", "40P01")
"""A lock was not to be had in time; two transactions waited for each other and ours was ended."""

_SCRIPTS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision a database has, and the one this version needs."""

    current: str | None
    head: str = HEAD
    oldest_code: str | None = None
    """What the database says of itself: the newest revision that code has to know to work on it."""

    @property
    def is_current(self) -> bool:
        return self.current == self.head

    @property
    def is_newer(self) -> bool:
        """Whether a newer version migrated the database and this version still works on it (SR-108)."""
        return (
            self.current is not None
            and self.oldest_code is not None
            and _number(self.current) > _number(self.head) >= _number(self.oldest_code)
        )

    @property
    def is_usable(self) -> bool:
        return self.is_current or self.is_newer


def upgrade(database_url: str, revision: str = "head") -> SchemaState:
    """Run every missing migration in one transaction; waits for another process that is doing so. Blocks.

    A database that a newer version migrated, and on which this one still works, is left as it is.

    Raises:
        TemporarilyUnavailable: Tables were in use all the time; nothing was changed. Run it again.
    """
    from alembic import command

    def action(config: Config, state: SchemaState) -> None:
        if not state.is_newer:
            command.upgrade(config, revision)

    return _patiently(database_url, action, is_protected=True)


def downgrade(database_url: str, revision: str) -> SchemaState:
    """Go back to ``revision`` (``base``: remove everything). Blocks. Raises as :func:`upgrade` does."""
    from alembic import command

    return _patiently(database_url, lambda config, _: command.downgrade(config, revision))


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


_Action = Callable[["Config", SchemaState], None]


def _patiently(database_url: str, action: _Action, *, is_protected: bool = False) -> SchemaState:
    for last in (False,) * (_TRIES - 1) + (True,):
        try:
            return _run(database_url, action, is_protected=is_protected)
        except DBAPIError as error:
            # Everything waited for us meanwhile, and now goes on: the next try finds another moment.
            if getattr(error.orig, "sqlstate", None) not in _BUSY:
                raise
            if last:
                raise TemporarilyUnavailable(
                    "The database’s tables are in use all the time. Nothing was changed; run the command again."
                ) from error
    raise AssertionError("the last try returns or raises")


def _run(database_url: str, action: _Action, *, is_protected: bool) -> SchemaState:
    engine = _engine(database_url)
    try:
        with engine.begin() as connection:
            # Held until the end of the transaction: two processes that start together migrate once.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('ostiary.migrate'))"))
            connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_SECONDS * 1000}"))
            # Row-level security hides the rows from the tables' owner, too; a migration may have to move them.
            connection.execute(text(f"SET LOCAL {MIGRATING_SETTING} = 'yes'"))
            config = migration_config()
            config.attributes["connection"] = connection
            action(config, _state(connection))
            state = _state(connection)
            if is_protected and state.is_current:
                # Derived from the tables as they are now, those of the newest migration included.
                protect(connection)
                connection.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{_NOTE}{OLDEST_CODE}'")
                return _state(connection)
            if not is_protected:
                forget(connection)
            return state
    finally:
        engine.dispose()


def _state(connection: Connection) -> SchemaState:
    note = connection.scalar(
        text(
            "SELECT coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class WHERE oid = to_regclass('alembic_version')"
        )
    )
    if note is None:
        return SchemaState(None)
    return SchemaState(
        connection.scalar(text("SELECT version_num FROM alembic_version")),
        oldest_code=note.removeprefix(_NOTE) if note.startswith(_NOTE) else None,
    )


def _number(revision: str) -> str:
    """Revisions begin with four digits, in the order they were made."""
    return revision[:4]


def _engine(database_url: str) -> Engine:
    return create_engine(
        driver_url(database_url),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "connect_timeout": 5,
            "options": f"-c timezone=UTC -c lock_timeout={_WAIT_SECONDS * 1000}",
        },
    )
