"""A migration that is killed anywhere has not begun; the next one brings the database there (SR-108, RR-8)."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import driver_url
from ostiary.adapters.sql.migrate import HEAD, downgrade, schema_state, upgrade

from ..integration.test_migrations import _objects
from ..integration.test_schema_steps import database, revisions
from .conftest import KILLS

SCRIPT = Path(__file__).with_name("migrating.py")
BEFORE = revisions()[-2]


@pytest.fixture
def url(database_server: EmbeddedServer) -> Iterator[str]:
    with database(database_server.url, "killed_migration") as made:
        yield made


def run(url: str, revision: str, *places: int) -> list[str]:
    """Migrate in a process that dies after each of these statements; returns what it printed."""
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), url, revision, ",".join(map(str, places))],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout.splitlines()


def policies(url: str) -> list[tuple[str, ...]]:
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT relname, polname, obj_description(pg_policy.oid, 'pg_policy') FROM pg_policy"
            " JOIN pg_class ON pg_class.oid = polrelid WHERE (relname, polname) <> ('organizations', 'of_everybody')"
            " ORDER BY 1, 2"
        )
        return [tuple(row) for row in rows]


def whole(url: str) -> tuple[object, ...]:
    """Everything that a migration changes, but the note that lets the next one look at every table."""
    return schema_state(url), _objects(url), policies(url)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("start", "goal"), [(BEFORE, HEAD), (HEAD, BEFORE), ("base", HEAD)])
def test_killed_anywhere_it_has_not_begun_and_the_next_one_gets_there(
    url: str, start: str, goal: str
) -> None:
    if start != BEFORE and not KILLS:
        pytest.skip("the way back, and hundreds of statements: `make test-kill`")
    # There and back once, to know the steps and what both ends look like.
    upgrade(url)
    if start != HEAD:
        downgrade(url, start)
    begun = whole(url)
    *statements, code = run(url, goal, 0)
    assert code == "ended 0"
    reached = whole(url)
    assert reached != begun
    if goal == HEAD:
        downgrade(url, start)
    else:
        upgrade(url)
    assert whole(url) == begun
    places = chosen(statements)
    ends = run(url, goal, *places)
    assert ends == [f"ended {-signal.SIGKILL}"] * len(places)
    assert whole(url) == begun
    assert run(url, goal, 0)[-1] == "ended 0"
    assert whole(url) == reached
    print(
        f"\nRR-8 migration: {len(places)} kills among {len(statements)} statements from {start} to {goal}: as before"
    )


def chosen(statements: list[str]) -> list[int]:
    """The lock, a step, the version's row and the last statement; in the long run each of them often, and many others."""
    (version, *_) = [
        number
        for number, text in enumerate(statements, 1)
        if "alembic_version SET" in text or "INTO alembic" in text
    ][::-1]
    named = [1, version // 2, version, len(statements)]
    draw = random.Random(8)
    return named * max(1, KILLS) + [draw.randint(1, len(statements)) for _ in range(5 * KILLS)]
