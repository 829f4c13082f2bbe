"""What a verification says of a trail that does not fit: which chain, which record, what (SR-73, SR-75)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.core.audit.chain import ChainedRecord
from ostiary.core.audit.checkpoint import Checkpoint, CheckpointKey, CheckpointKind
from ostiary.core.audit.model import SYSTEM
from ostiary.core.audit.service import AuditService
from ostiary.core.audit.verification import MOST_FINDINGS, Finding, Report
from ostiary.core.kernel.clock import MovableClock

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

SEED = bytes(range(32))
MISSING = "a checkpoint sealed this record, and it is not there"
CHANGED = "the record was changed, or the one before it"
ENDS = "the chain ends here, but its head says position 3"


@pytest.fixture
def service(transactions: SQLTransactions, clock: MovableClock) -> AuditService:
    return AuditService(transactions=transactions, clock=clock, checkpoint_seed=SEED)


async def act(transactions: SQLTransactions, organization_id: str | None, count: int) -> None:
    for number in range(count):
        async with transactions() as transaction:
            await transaction.audit.record(
                "member.added", f"Person {number}.", actor=SYSTEM, organization_id=organization_id
            )


@pytest.mark.parametrize(
    ("deed", "found"),
    [
        (
            "UPDATE audit_records SET sentence = 'x' WHERE position = 2",
            [(2, "the record’s words were changed")],
        ),
        ("UPDATE audit_records SET what = 'x' WHERE position = 2", [(2, CHANGED)]),
        (
            "UPDATE audit_records SET hash = sha256(hash) WHERE position = 2",
            [(2, CHANGED), (3, CHANGED)],
        ),
        (
            "DELETE FROM audit_records WHERE position = 2",
            [(3, "records after position 1 are missing or out of place"), (3, CHANGED)],
        ),
        ("DELETE FROM audit_records WHERE position = 3", [(2, ENDS), (3, MISSING)]),
        ("DELETE FROM audit_records", [(0, ENDS), (3, MISSING)]),
        (
            "DELETE FROM audit_chains",
            [(None, "the chain’s head is missing"), (3, "the chain ends here, but its head says position 0")],
        ),
        (
            "UPDATE audit_chains SET start_position = 2",
            [
                (2, "the chain should begin at position 1"),
                (1, "records after position 1 are missing or out of place"),
            ],
        ),
        (
            "UPDATE audit_checkpoints SET signature = sha256(signature) || sha256(signature)",
            [(3, "a checkpoint is not signed by this instance")],
        ),
        (
            "UPDATE audit_checkpoints SET number = 2",
            [
                (3, "a checkpoint before this one is missing or changed"),
                (3, "a checkpoint is not signed by this instance"),
            ],
        ),
    ],
)
async def test_what_does_not_fit_is_named(
    transactions: SQLTransactions,
    service: AuditService,
    database: AsyncEngine,
    deed: str,
    found: list[tuple[int | None, str]],
) -> None:
    await act(transactions, "org_a", 3)
    await service.keeping.seal()
    async with database.begin() as owner:
        await owner.execute(text("SET LOCAL session_replication_role = replica"))
        await owner.execute(text(deed))
    report = await service.keeping.verify()
    assert report.findings == [Finding("org_a", position, problem) for position, problem in found]
    assert not report.is_intact


async def test_a_record_that_was_sealed_otherwise_is_named(
    transactions: SQLTransactions, service: AuditService
) -> None:
    await act(transactions, "org_a", 3)
    (kept,) = await service.keeping.seal()
    key = CheckpointKey(SEED)
    other = key.sign(
        kind=CheckpointKind.SEAL, chain="org_a", position=2, reached=bytes(32), at=kept.at, after=kept
    )
    report = await service.keeping.verify(known=[kept, other])
    assert report.findings == [Finding("org_a", 2, "the record differs from what a checkpoint sealed")]


async def test_a_chain_that_only_a_kept_checkpoint_names_is_looked_for(
    transactions: SQLTransactions, service: AuditService
) -> None:
    await act(transactions, "org_a", 1)
    (kept,) = await service.keeping.seal()
    elsewhere = CheckpointKey(SEED).sign(
        kind=CheckpointKind.SEAL, chain="org_gone", position=4, reached=bytes(32), at=kept.at, after=kept
    )
    report = await service.keeping.verify(known=[elsewhere])
    assert report.findings == [
        Finding("org_gone", None, "the chain’s head is missing"),
        Finding("org_gone", 4, MISSING),
    ]
    assert (report.chains, report.records, report.checkpoints) == (2, 1, 1)


async def test_a_record_may_wait_half_an_hour_for_its_checkpoint(
    transactions: SQLTransactions, service: AuditService, clock: MovableClock
) -> None:
    await act(transactions, "org_a", 1)
    await service.keeping.seal()
    await act(transactions, "org_a", 1)
    clock.advance(timedelta(minutes=30))
    assert (await service.keeping.verify()).is_intact
    clock.advance(timedelta(microseconds=1))
    assert (await service.keeping.verify()).findings == [
        Finding("org_a", 2, "no checkpoint covers this record, though one should by now")
    ]


async def test_an_erasure_without_a_record_of_it_is_named(
    transactions: SQLTransactions, service: AuditService, database: AsyncEngine
) -> None:
    await act(transactions, "org_a", 2)
    async with database.begin() as owner:
        await owner.execute(text("SET LOCAL session_replication_role = replica"))
        await owner.execute(
            text(
                "UPDATE audit_records SET erased_by = 'aud_none', salt = NULL, actor_name = '', ip = NULL,"
                " sentence = 'Personal details were erased.', detail = '{}' WHERE position = 2"
            )
        )
    report = await service.keeping.verify()
    assert (report.erased, report.findings) == (
        1,
        [Finding("org_a", 2, "the record was erased, and no record says so")],
    )


def test_a_report_stops_growing() -> None:
    report = Report()
    for number in range(MOST_FINDINGS + 5):
        report.add("org_a", number, "x")
    assert [finding.position for finding in report.findings] == list(range(MOST_FINDINGS))


async def test_an_export_holds_each_chain_with_its_checkpoints_behind_it(
    transactions: SQLTransactions, service: AuditService
) -> None:
    for chain in ("org_b", "org_a", None):
        await act(transactions, chain, 2)
    await service.keeping.seal()

    async def exported(*chains: str) -> list[tuple[str, str]]:
        return [(entry.chain, type(entry).__name__) async for entry in service.keeping.export(chains)]

    record, checkpoint = ChainedRecord.__name__, Checkpoint.__name__
    assert await exported("org_b") == [("org_b", record), ("org_b", record), ("org_b", checkpoint)]
    assert [chain for chain, kind in await exported() if kind == checkpoint] == ["instance", "org_a", "org_b"]


async def test_the_public_key_is_the_one_that_checkpoints_are_signed_with(service: AuditService) -> None:
    assert service.keeping.public_key == CheckpointKey(SEED).public_bytes


async def test_trimming_is_signed_and_on_record(
    transactions: SQLTransactions, service: AuditService, clock: MovableClock
) -> None:
    await act(transactions, "org_a", 2)
    (seal,) = await service.keeping.seal()
    clock.advance(timedelta(days=401))
    assert await service.keeping.trim() == 2
    (record,) = (await service.list_records(organization_id=None)).items
    assert (record.what, record.actor, dict(record.detail)) == ("audit.trimmed", SYSTEM, {"records": "2"})
    assert "400 days" in record.sentence
    async with transactions() as transaction:
        start = [each async for each in transaction.audit_ledger.checkpoints(chain="org_a")][-1]
    assert (start.number, start.kind, start.position, start.hash, start.at, start.previous) == (
        seal.number + 1,
        CheckpointKind.START,
        2,
        seal.hash,
        clock.now(),
        seal.digest(),
    )
    assert await service.keeping.trim() == 0
