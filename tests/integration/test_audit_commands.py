"""``ostiary audit verify`` and ``ostiary audit export``."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from ostiary.bootstrap import application
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.entrypoints.cli import runtime
from ostiary.entrypoints.cli.audit_export import guard_formula
from ostiary.entrypoints.cli.main import app
from ostiary.settings import Settings

MALLORY = Actor(ActorKind.PERSON, id="mem_1", name="=HYPERLINK(1)", ip="192.0.2.7")


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(runtime, "read_settings", lambda: settings)
    return settings


async def run(*words: str) -> tuple[int, str, str]:
    """In a thread: each command brings its own event loop."""
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


async def record(settings: Settings, *, seal: bool) -> None:
    async with application(settings) as services:
        async with services.transactions() as transaction:
            await transaction.audit.record(
                "member.added", "Two\nlines", actor=MALLORY, organization_id="org_a", detail={"a": "b"}
            )
        if seal:
            await services.audit.keeping.seal()


async def test_verify_accepts_what_fits_and_tells_by_exit_code_what_does_not(
    instance: Settings, database: AsyncEngine
) -> None:
    await record(instance, seal=True)
    code, out, _ = await run("audit", "verify")
    assert (code, out) == (0, "✓ The audit log is intact: 1 records in 1 chains, 1 checkpoints.\n")
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text("UPDATE audit_records SET outcome = 'refused'"))
    code, _, err = await run("audit", "verify")
    assert code == 1
    assert "org_a 1: the record was changed" in err
    code, out, _ = await run("audit", "verify", "--json")
    document = json.loads(out)
    assert (code, document["ok"], document["findings"][0]["position"]) == (1, False, 1)


async def test_an_earlier_export_shows_that_everything_was_set_back(
    instance: Settings, database: AsyncEngine, tmp_path: Path
) -> None:
    await record(instance, seal=True)
    _, exported, _ = await run("audit", "export")
    kept = tmp_path / "kept.jsonl"
    kept.write_text(exported, "utf-8")
    assert (await run("audit", "verify", "--known", str(kept)))[0] == 0
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("audit_records", "audit_chains", "audit_checkpoints"):
            await connection.execute(text(f"DELETE FROM {table}"))
    assert (await run("audit", "verify"))[0] == 0
    assert (await run("audit", "verify", "--known", str(kept)))[0] == 1
    kept.write_text("no json", "utf-8")
    assert (await run("audit", "verify", "--known", str(kept)))[0] == 2


async def test_export_has_one_object_a_line_with_proofs(instance: Settings) -> None:
    await record(instance, seal=True)
    _, out, _ = await run("audit", "export")
    key, entry, checkpoint = (json.loads(line) for line in out.splitlines())
    assert len(bytes.fromhex(key["ed25519"])) == 32
    assert (entry["sentence"], entry["position"], entry["detail"]) == ("Two\nlines", 1, {"a": "b"})
    assert (checkpoint["type"], checkpoint["hash"]) == ("checkpoint", entry["hash"])


async def test_no_cell_of_the_table_is_a_formula(instance: Settings) -> None:
    await record(instance, seal=False)
    _, out, _ = await run("audit", "export", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["actor_name"] == "'=HYPERLINK(1)"
    assert row["sentence"] == "Two\nlines"
    assert all(guard_formula(start + "1").startswith("'") for start in "=+-@\t\r\n")
    assert guard_formula("a=1") == "a=1"
