"""During an upgrade older and newer code work on one database, and one step back stays open (SR-108)."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.pool import NullPool

from ostiary.adapters.sql import migrate
from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import driver_url
from ostiary.adapters.sql.migrate import HEAD, OLDEST_CODE, downgrade, migration_config, schema_state, upgrade
from ostiary.core.kernel.errors import TemporarilyUnavailable

from .schema_rules import faults

ROOT = Path(__file__).resolve().parents[2]

BEFORE_THE_FIRST_RELEASE = frozenset({"0001_initial", "0007_audit_chain"})
"""The tables themselves, and a step that filled new columns of every record in one go: nobody ran a release yet."""

CONTRACT_STEPS: dict[str, str] = {}
"""Revision: the release that stopped using what it removes. OLDEST_CODE is raised with it."""

OLDER_CODE = ROOT / "tests" / "integration" / "older_code.py"


@contextmanager
def database(server_url: str, name: str, *, template: str = "template1") -> Generator[str]:
    """A database of its own; gives its address."""
    server = create_engine(driver_url(server_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_url(database_server: EmbeddedServer) -> Iterator[str]:
    with database(database_server.url, "steps_empty") as url:
        yield url


@pytest.fixture(scope="module")
def template_url(database_server: EmbeddedServer) -> Iterator[str]:
    with database(database_server.url, "steps_template") as url:
        upgrade(url)
        yield url


@pytest.fixture
def migrated_url(database_server: EmbeddedServer, template_url: str) -> Iterator[str]:
    """A copy of a database that has every table: cheaper than one more migration."""
    with database(database_server.url, "steps_copy", template=make_url(template_url).database or "") as url:
        yield url


def revisions() -> list[str]:
    """Every revision, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(migration_config()).walk_revisions()][
        ::-1
    ]


def statements_of(url: str, revision: str) -> list[str]:
    """Run one migration and return what it told the database."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        upgrade(url, revision)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return found


def test_every_step_only_adds_and_holds_no_table_for_long(empty_url: str) -> None:
    wrong: dict[str, list[str]] = {}
    for revision in revisions():
        found = faults(statements_of(empty_url, revision))
        if found and revision not in BEFORE_THE_FIRST_RELEASE and revision not in CONTRACT_STEPS:
            wrong[revision] = found
    assert wrong == {}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE members DROP COLUMN email",
        "ALTER TABLE members RENAME COLUMN email TO address",
        "ALTER TABLE members RENAME TO people",
        "ALTER TABLE members ADD COLUMN rank INTEGER NOT NULL",
        "ALTER TABLE members ADD COLUMN made_at TIMESTAMPTZ DEFAULT clock_timestamp()",
        "ALTER TABLE members ADD COLUMN peer TEXT REFERENCES members (id)",
        "ALTER TABLE members ALTER COLUMN email TYPE VARCHAR(20)",
        "ALTER TABLE members ALTER COLUMN email SET NOT NULL",
        "ALTER TABLE members ADD CONSTRAINT uq UNIQUE (email)",
        "CREATE INDEX ix ON members (email)",
        "CREATE UNIQUE INDEX ix ON members (email)",
        "DROP TABLE members",
        "DROP INDEX ix_members_email",
        "UPDATE members SET email = lower(email)",
        "DELETE FROM members",
        "LOCK TABLE members",
    ],
)
def test_what_older_code_would_trip_over_is_noticed(statement: str) -> None:
    assert faults([statement]) != []


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE members ADD COLUMN rank INTEGER"],
        ["ALTER TABLE members ADD COLUMN rank INTEGER DEFAULT 0 NOT NULL"],
        [
            "CREATE TABLE ranks (id TEXT NOT NULL)",
            "CREATE INDEX ix ON ranks (id)",
            "UPDATE ranks SET id = ''",
        ],
        ["ALTER TABLE members ADD CONSTRAINT c CHECK (rank > 0) NOT VALID"],
        ["ALTER TABLE members ALTER COLUMN email DROP NOT NULL"],
    ],
)
def test_what_only_adds_is_allowed(statements: list[str]) -> None:
    assert faults(statements) == []


def test_a_contract_step_names_its_release_and_shuts_out_what_came_before() -> None:
    known = revisions()
    assert OLDEST_CODE in known
    for step, release in CONTRACT_STEPS.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", release), step
        assert known.index(OLDEST_CODE) <= known.index(step)


def _pretend(url: str, *, revision: str, oldest_code: str) -> None:
    """Let the database say of itself what a newer version would have written."""
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
        connection.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{migrate._NOTE}{oldest_code}'")


def test_this_version_works_on_what_a_newer_one_added_and_leaves_it_alone(migrated_url: str) -> None:
    _pretend(migrated_url, revision="9998_later", oldest_code=HEAD)
    state = schema_state(migrated_url)
    assert (state.is_current, state.is_newer, state.is_usable) == (False, True, True)
    assert upgrade(migrated_url) == state


def test_this_version_refuses_what_a_newer_one_took_away(migrated_url: str) -> None:
    _pretend(migrated_url, revision="9999_contract", oldest_code="9998_later")
    assert not schema_state(migrated_url).is_usable


def test_this_version_does_not_take_an_older_schema_for_its_own(migrated_url: str) -> None:
    before = revisions()[-2]
    assert downgrade(migrated_url, before).current == before
    assert not schema_state(migrated_url).is_usable


def test_tables_that_return_after_a_step_back_are_protected_again(migrated_url: str) -> None:
    engine = create_engine(driver_url(migrated_url), poolclass=NullPool)
    # Policies and grants, by table.
    guards = text(
        "SELECT relname, relrowsecurity, relacl::text, array_agg(polname::text ORDER BY polname) FROM pg_class"
        " LEFT JOIN pg_policy ON polrelid = pg_class.oid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' GROUP BY 1, 2, 3 ORDER BY 1"
    )
    with engine.connect() as connection:
        before = [tuple(row) for row in connection.execute(guards)]
    downgrade(migrated_url, revisions()[-2])
    upgrade(migrated_url)
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(guards)] == before


def test_one_step_back_and_forth_keeps_what_is_stored(migrated_url: str) -> None:
    engine = create_engine(driver_url(migrated_url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO status_days (day, part, good, bad, first_at, last_at)"
                " VALUES (current_date, 'x', 1, 0, now(), now())"
            )
        )
    downgrade(migrated_url, revisions()[-2])
    upgrade(migrated_url)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM status_days")) == 1


def test_a_table_in_use_makes_a_migration_give_way(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    downgrade(migrated_url, revisions()[-2])
    monkeypatch.setattr(migrate, "_LOCK_SECONDS", 0.05)
    before = schema_state(migrated_url)
    engine = create_engine(driver_url(migrated_url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE"))
        connection.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(TemporarilyUnavailable):
            upgrade(migrated_url)
    assert schema_state(migrated_url) == before
    assert upgrade(migrated_url).is_current


def test_a_new_table_locks_no_other_for_its_policies(migrated_url: str) -> None:
    engine = create_engine(driver_url(migrated_url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("COMMENT ON POLICY of_everybody ON organizations IS 'of an older version'")
        connection.exec_driver_sql(
            "COMMENT ON POLICY of_one_organization ON members IS 'of an older version'"
        )
    with engine.begin() as connection:
        migrate.protect(connection)
        locked = connection.scalars(
            text(
                "SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation"
                " WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' AND relkind = 'r'"
            )
        ).all()
    assert [name for name in locked if not name.startswith("pg_")] == ["members"]


def older_commit() -> str:
    """The newest release, or before the first one the newest commit that knows an older schema."""
    tags = _git("tag", "--list", "v*", "--sort=-version:refname").split()
    if tags:
        return tags[0]
    path = "src/ostiary/adapters/sql/migrations/versions"
    last = _git("log", "-1", "--format=%H", "--", f"{path}/{HEAD}.py").strip()
    return f"{last}~1" if last else ""


def _git(*arguments: str) -> str:
    ended = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    return ended.stdout if ended.returncode == 0 else ""


def test_the_code_before_works_on_the_tables_of_now(migrated_url: str, tmp_path: Path) -> None:
    commit = older_commit()
    packed = subprocess.run(
        ["git", "archive", commit or "none", "src/ostiary"],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if packed.returncode != 0:
        pytest.skip("no older commit is here to take the code from")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    ended = subprocess.run(
        [sys.executable, str(OLDER_CODE)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path / "src"),
            "OSTIARY_DATABASE_URL": migrated_url,
            "OSTIARY_DATA_DIR": str(tmp_path / "data"),
            "EXPECTED_SOURCE": str(tmp_path / "src"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert ended.stdout.splitlines()[-1] == "works"
