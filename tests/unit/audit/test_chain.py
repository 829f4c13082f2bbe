"""The hash chain: what fits is accepted, and whatever was tampered with is found (SR-73)."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.sql.audit import SEAL_EVERY, SEAL_JOB
from ostiary.adapters.sql.audit_ledger import SQLAuditLedger
from ostiary.core.audit.chain import encode
from ostiary.core.audit.checkpoint import Checkpoint, CheckpointKey
from ostiary.core.audit.model import SYSTEM, Actor, ActorKind
from ostiary.core.audit.service import AuditService
from ostiary.core.audit.verification import verify
from ostiary.core.kernel.clock import MovableClock

sys.path.insert(0, str(Path(__file__).parent))
from tampering import Forger

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

SEED = bytes(range(32))
KEY = CheckpointKey(SEED)
TAMPERINGS = int(os.environ.get("TAMPERINGS", "200"))

DANA = Actor(ActorKind.PERSON, id="mem_dana", name="Dana Okafor", ip="192.0.2.7", request_id="RQ-1")
TOM = Actor(ActorKind.PERSON, id="mem_tom", name="Tom Ellis", ip="192.0.2.8")


@pytest.fixture
def service(transactions: SQLTransactions, clock: MovableClock) -> AuditService:
    return AuditService(
        transactions=transactions, clock=clock, checkpoint_seed=SEED, retention=timedelta(days=400)
    )


async def act(transactions: SQLTransactions, organization_id: str | None, count: int = 1) -> None:
    for number in range(count):
        async with transactions() as transaction:
            await transaction.audit.record(
                "member.added",
                f"Person {number} was added.",
                actor=DANA if number % 2 else TOM,
                organization_id=organization_id,
                object_id=f"mem_{number}",
                reason="not_admin" if number % 3 == 0 else None,
                detail={"how": "console"} if number % 2 else None,
            )


async def lived_in(transactions: SQLTransactions, service: AuditService, clock: MovableClock) -> None:
    """A trail with several chains and checkpoints, an erased person, a removed past and a fresh end."""
    await act(transactions, "org_a", 4)
    await act(transactions, None, 3)
    await service.keeping.seal()
    clock.advance(timedelta(days=401))
    await act(transactions, "org_b", 5)
    await act(transactions, "org_a", 5)
    await act(transactions, None, 3)
    await service.keeping.seal()
    await service.keeping.trim()
    async with transactions() as transaction:
        await transaction.audit.erase_personal(["mem_tom"], organization_id="org_a", actor=DANA)
    await act(transactions, "org_a", 2)
    await act(transactions, "org_b", 2)
    await service.keeping.seal()
    clock.advance(timedelta(minutes=40))
    await act(transactions, "org_a", 2)
    await act(transactions, None, 1)


async def test_a_trail_that_lived_is_intact(
    transactions: SQLTransactions, service: AuditService, clock: MovableClock
) -> None:
    await lived_in(transactions, service, clock)
    report = await service.keeping.verify()
    assert report.findings == []
    assert (report.chains, report.erased) == (3, 3)
    assert report.records == 22
    assert report.checkpoints > 6


@pytest.mark.timeout(3600)
async def test_every_random_tampering_is_found(
    transactions: SQLTransactions, service: AuditService, clock: MovableClock, database: AsyncEngine
) -> None:
    await lived_in(transactions, service, clock)
    missed: list[str] = []
    async with database.connect() as connection:
        forger = await Forger.look(connection, random.Random(73))
        await connection.rollback()
        for _ in range(TAMPERINGS):
            async with connection.begin() as transaction:
                await connection.execute(text("SET LOCAL session_replication_role = replica"))
                deed = await forger.tamper()
                if (await verify(SQLAuditLedger(connection), KEY, now=clock.now())).is_intact:
                    missed.append(deed)
                await transaction.rollback()
    print(f"\nFG-19: {TAMPERINGS - len(missed)} of {TAMPERINGS} random tamperings found")
    assert missed == []
    assert (await service.keeping.verify()).is_intact, "the tamperings were to be rolled back"


async def test_a_trail_set_back_whole_is_found_with_a_checkpoint_kept_elsewhere(
    transactions: SQLTransactions, service: AuditService, database: AsyncEngine
) -> None:
    await act(transactions, "org_a", 3)
    (kept,) = await service.keeping.seal()
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("audit_records", "audit_chains", "audit_checkpoints"):
            await connection.execute(text(f"DELETE FROM {table}"))
    assert (await service.keeping.verify()).is_intact
    assert not (await service.keeping.verify(known=[kept])).is_intact


async def test_a_kept_checkpoint_of_somebody_else_is_refused(
    transactions: SQLTransactions, service: AuditService
) -> None:
    await act(transactions, "org_a", 1)
    (kept,) = await service.keeping.seal()
    forged = Checkpoint(
        kept.number,
        kept.kind,
        kept.chain,
        kept.position,
        kept.hash,
        kept.at,
        kept.previous,
        signature=CheckpointKey(bytes(32))._key.sign(kept.message()),
    )
    report = await service.keeping.verify(known=[forged])
    assert [finding.problem for finding in report.findings] == [
        "a kept checkpoint is not signed by this instance"
    ]


async def test_nothing_new_makes_no_checkpoint(transactions: SQLTransactions, service: AuditService) -> None:
    await act(transactions, "org_a", 1)
    assert len(await service.keeping.seal()) == 1
    assert await service.keeping.seal() == ()


async def test_the_thousandth_record_asks_for_a_checkpoint_at_once(
    transactions: SQLTransactions, database: AsyncEngine
) -> None:
    async def asked() -> int:
        async with database.connect() as connection:
            statement = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = :name")
            return (await connection.execute(statement, {"name": SEAL_JOB})).scalar_one()

    async with transactions() as transaction:
        for _ in range(SEAL_EVERY - 1):
            await transaction.audit.record("x", "x", actor=SYSTEM, organization_id="org_a")
    assert await asked() == 0
    await act(transactions, "org_a", 1)
    assert await asked() == 1


async def test_retention_removes_only_what_is_sealed_and_old(
    transactions: SQLTransactions, service: AuditService, clock: MovableClock
) -> None:
    await act(transactions, "org_a", 3)
    await service.keeping.seal()
    clock.advance(timedelta(days=399))
    assert await service.keeping.trim() == 0
    await act(transactions, "org_a", 2)
    clock.advance(timedelta(days=2))
    assert await service.keeping.trim() == 3
    kept = await service.list_records(organization_id="org_a")
    assert [record.sentence for record in kept.items] == ["Person 1 was added.", "Person 0 was added."]
    await service.keeping.seal()
    assert (await service.keeping.verify()).is_intact


async def test_erasing_leaves_acts_and_takes_words(
    transactions: SQLTransactions, service: AuditService
) -> None:
    await act(transactions, "org_a", 2)
    async with transactions() as transaction:
        assert await transaction.audit.erase_personal(["mem_tom"], organization_id="org_a", actor=DANA) == 1
    erased = (await service.list_records(organization_id="org_a")).items[-1]
    assert (erased.actor.name, erased.actor.ip, dict(erased.detail)) == ("", None, {})
    assert (erased.what, erased.actor.id, erased.object_id) == ("member.added", "mem_tom", "mem_0")
    assert (await service.keeping.verify()).is_intact


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_checkpoints SET position = 0",
        "DELETE FROM audit_checkpoints",
        "TRUNCATE audit_checkpoints",
        "UPDATE audit_records SET erased_by = 'x', salt = NULL, actor_name = '', ip = NULL, detail = '{}',"
        " what = 'nothing'",
        "UPDATE audit_records SET erased_by = 'x', salt = NULL, actor_name = 'Vik', ip = NULL, detail = '{}'",
    ],
)
async def test_checkpoints_and_acts_stay_whatever_is_erased(
    transactions: SQLTransactions, service: AuditService, database: AsyncEngine, statement: str
) -> None:
    await act(transactions, "org_a", 1)
    await service.keeping.seal()
    with pytest.raises(DBAPIError, match="only"):
        async with database.begin() as connection:
            await connection.execute(text(statement))


async def test_writers_of_the_same_chains_in_any_order_do_not_block_each_other_for_good(
    transactions: SQLTransactions, service: AuditService
) -> None:
    async def both(first: str, second: str) -> None:
        for _ in range(20):
            async with transactions() as transaction:
                for organization_id in (first, second):
                    await transaction.audit.record("x", "x", actor=SYSTEM, organization_id=organization_id)
                    await asyncio.sleep(0)

    await asyncio.gather(both("org_a", "org_b"), both("org_b", "org_a"), both("org_a", "org_b"))
    report = await service.keeping.verify()
    assert (report.records, report.findings) == (120, [])


def test_no_two_lists_of_fields_are_written_alike() -> None:
    lists = [("a", "b"), ("ab",), ("a", "", "b"), ("a", None, "b"), ("1:a,",), (None,), ("",), ("-",), ()]
    assert len({encode(fields) for fields in lists}) == len(lists)
