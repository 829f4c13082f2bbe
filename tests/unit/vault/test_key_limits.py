"""One key wraps at most 2^32 values and lives at most a year, and a crash can only count too much (SR-36)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ostiary.adapters.memory.key_service import MemoryKeyService
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.rewrap import KeyRotation
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.limits import BLOCK, MOST_WRAPS, ROTATE_AT_WRAPS, KeyRecord, WrapCounter
from ostiary.core.vault.model import SealContext
from ostiary.core.vault.service import VaultService
from ostiary.entrypoints.worker.keys import rotate_due_keys

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ostiary.adapters.sql.unit_of_work import SQLTransactions
    from ostiary.bootstrap import Services
    from ostiary.core.kernel.clock import MovableClock

HERE = SealContext("org_1", "con_1", "refresh_token", 1)


def vault(transactions: SQLTransactions, clock: MovableClock, keys: MemoryKeyService) -> VaultService:
    """Return a vault as a process of its own has it."""
    counter = WrapCounter(transactions=transactions, clock=clock)
    return VaultService(keys=keys, entropy=SeededEntropy(3), counter=counter)


async def records(transactions: SQLTransactions) -> dict[str, KeyRecord]:
    async with transactions() as tx:
        return {record.key_id: record for record in await tx.key_ledger.records()}


@pytest.fixture
def keys() -> MemoryKeyService:
    return MemoryKeyService(SeededEntropy(2))


async def test_every_wrap_of_every_process_is_counted_at_least_once(
    transactions: SQLTransactions, clock: MovableClock, keys: MemoryKeyService
) -> None:
    wraps = 0
    for _ in range(2):
        process = vault(transactions, clock, keys)
        for _ in range(BLOCK + 1):
            await process.seal(Secret("x"), HERE)
            wraps += 1
            [record] = (await records(transactions)).values()
            assert record.wraps >= wraps
    assert record.wraps == 4 * BLOCK
    assert record.first_used_at == clock.now()


async def test_a_key_at_its_limit_wraps_nothing_more_and_a_new_one_goes_on(
    transactions: SQLTransactions, clock: MovableClock, keys: MemoryKeyService, database: AsyncEngine
) -> None:
    await vault(transactions, clock, keys).seal(Secret("x"), HERE)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE key_ledger SET wraps = :most"), {"most": MOST_WRAPS - BLOCK})
    last = vault(transactions, clock, keys)
    for _ in range(BLOCK):
        await last.seal(Secret("x"), HERE)
    with pytest.raises(Misconfigured, match="as many values"):
        await last.seal(Secret("x"), HERE)
    rotation = KeyRotation(transactions=transactions, keys=keys, vault=last, clock=clock)
    assert await rotation.rotate(organization_ids=["org_1"], actor=SYSTEM) == 1
    await last.seal(Secret("x"), HERE)
    assert sorted(record.wraps for record in (await records(transactions)).values()) == [
        BLOCK,
        MOST_WRAPS + BLOCK,
    ]


@pytest.mark.parametrize(("days", "wraps", "rotated"), [(349, 1, 0), (350, 1, 1), (1, ROTATE_AT_WRAPS, 1)])
async def test_a_key_is_rotated_before_its_limit_and_once(
    transactions: SQLTransactions,
    clock: MovableClock,
    keys: MemoryKeyService,
    database: AsyncEngine,
    days: int,
    wraps: int,
    rotated: int,
) -> None:
    sealing = vault(transactions, clock, keys)
    await sealing.seal(Secret("x"), HERE)
    before = await keys.current_key_id(organization_id="org_1")
    clock.advance(timedelta(days=days))
    async with database.begin() as connection:
        await connection.execute(text("UPDATE key_ledger SET wraps = :wraps"), {"wraps": wraps})
    rotation = KeyRotation(transactions=transactions, keys=keys, vault=sealing, clock=clock)
    assert await rotation.rotate_due() == rotated
    assert (await keys.current_key_id(organization_id="org_1") != before) is bool(rotated)
    await sealing.seal(Secret("x"), HERE)
    assert await rotation.rotate_due() == 0


async def test_the_daily_job_alarms_and_rotates(app: Services, clock: MovableClock) -> None:
    await app.vault.seal(Secret("x"), HERE)
    before = (await app.key_rotation.worn())[0].key_id
    assert await rotate_due_keys(app) == ()
    clock.advance(timedelta(days=366))
    assert [key.key_id for key in await rotate_due_keys(app)] == [before]
    assert b"ostiary_key_age_days 366.0" in app.metrics.render()
    sealed = await app.vault.seal(Secret("x"), HERE)
    assert sealed.key_id != before
    assert await rotate_due_keys(app) == ()
    assert b"ostiary_key_age_days 0.0" in app.metrics.render()


async def test_tasks_that_ask_at_the_same_moment_keep_what_each_reserved(
    transactions: SQLTransactions, clock: MovableClock
) -> None:
    counter = WrapCounter(transactions=transactions, clock=clock)
    await asyncio.gather(*(counter.take(organization_id="org_1", key_id="k") for _ in range(2)))
    assert counter._left == {"k": 2 * BLOCK - 2}
    assert (await records(transactions))["k"].wraps == 2 * BLOCK
