"""Far more reads than usual are told once an hour, and the ceiling can stop them (SR-51)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text

from ostiary.core.access.bulk_reads import (
    BATCH,
    INSTANCE,
    LEAST_HISTORY,
    LEAST_UNUSUAL,
    BulkReads,
    CeilingAction,
    Ceilings,
    Level,
    write_bulk_read,
)
from ostiary.core.kernel.errors import RateLimited
from ostiary.core.notices.model import Correspondent, Notice, NoticeKind, Text, Vendor
from ostiary.core.notices.service import NoticeService

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ostiary.adapters.sql.unit_of_work import SQLTransactions
    from ostiary.core.kernel.clock import MovableClock


@dataclass
class Alarms:
    """What was told, and to whom."""

    raised: list[tuple[str, Level]] = field(default_factory=list[tuple[str, Level]])
    mails: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    frozen: list[str] = field(default_factory=list[str])

    async def add(self, transaction: object, kind: NoticeKind, **given: Any) -> bool:
        assert kind is NoticeKind.BULK_READ
        self.mails.append({**given["facts"], "to": given["to"].address})
        return True

    async def freeze(self, note: str) -> None:
        self.frozen.append(note)


def process(
    transactions: SQLTransactions,
    clock: MovableClock,
    alarms: Alarms,
    *,
    key: int = 10_000,
    instance: int = 100_000,
    action: CeilingAction = CeilingAction.STOP,
) -> BulkReads:
    """Return the counter of one process."""
    return BulkReads(
        transactions=transactions,
        clock=clock,
        notices=cast(NoticeService, alarms),
        ceilings=Ceilings(key, instance, action),
        vendor=Correspondent("help@larkspur.example"),
        freeze=alarms.freeze,
        alarmed=lambda subject, level: alarms.raised.append((subject, level)),
    )


async def read(reads: BulkReads, times: int, key: str = "key_1") -> int:
    """Read until refused; return how often that went well."""
    done = 0
    try:
        while done < times:
            await reads.count(key, name="Sync")
            done += 1
    except RateLimited:
        pass
    return done


async def test_a_key_at_its_ceiling_is_stopped_until_the_hour_is_over(
    transactions: SQLTransactions, clock: MovableClock
) -> None:
    alarms = Alarms()
    reads = process(transactions, clock, alarms, key=3 * BATCH)
    assert await read(reads, 200) == 3 * BATCH - 1
    assert alarms.raised == [("key_1", Level.CEILING)]
    assert [(mail["to"], mail["action"]) for mail in alarms.mails] == [("help@larkspur.example", "stop")]
    # Other keys go on.
    assert await read(reads, BATCH, "key_2") == BATCH
    clock.advance(timedelta(minutes=59))
    with pytest.raises(RateLimited) as refusal:
        await reads.count("key_1", name="Sync")
    assert refusal.value.retry_after_seconds == 60
    clock.advance(timedelta(minutes=1))
    assert await read(reads, 2 * BATCH) == 2 * BATCH


async def test_processes_share_one_count_and_alarm_once(
    transactions: SQLTransactions, clock: MovableClock, database: AsyncEngine
) -> None:
    alarms = Alarms()
    both = [process(transactions, clock, alarms, key=4 * BATCH) for _ in range(2)]
    done = [0, 0]
    for _ in range(5 * BATCH):
        for number, reads in enumerate(both):
            done[number] += await read(reads, 1)
    assert 4 * BATCH - 2 <= sum(done) <= 4 * BATCH + BATCH
    assert alarms.raised == [("key_1", Level.CEILING)]
    async with database.connect() as sql:
        rows = await sql.execute(text("SELECT object_id FROM audit_records WHERE what = 'reads.alarm'"))
        assert [row[0] for row in rows] == ["key_1"]


async def test_many_keys_together_meet_the_ceiling_of_the_instance(
    transactions: SQLTransactions, clock: MovableClock
) -> None:
    alarms = Alarms()
    reads = process(transactions, clock, alarms, instance=5 * BATCH)
    done = [await read(reads, BATCH, f"key_{number}") for number in range(8)]
    assert sum(done) == 5 * BATCH - 1
    assert alarms.raised == [(INSTANCE, Level.CEILING)]


@pytest.mark.parametrize(("action", "frozen"), [(CeilingAction.ALERT, 0), (CeilingAction.FREEZE, 1)])
async def test_the_ceiling_only_alarms_or_pulls_the_kill_switch_as_set(
    transactions: SQLTransactions, clock: MovableClock, action: CeilingAction, frozen: int
) -> None:
    alarms = Alarms()
    reads = process(transactions, clock, alarms, key=BATCH, action=action)
    assert await read(reads, 3 * BATCH) == 3 * BATCH
    assert len(alarms.frozen) == frozen
    assert len(alarms.mails) == 1


async def test_twice_the_busiest_hour_is_unusual_where_there_is_a_history(
    transactions: SQLTransactions, clock: MovableClock, database: AsyncEngine
) -> None:
    async def history(hours: int, most: int) -> None:
        async with database.begin() as sql:
            await sql.execute(text("DELETE FROM read_counts"))
            await sql.execute(
                text(
                    "INSERT INTO read_counts SELECT 'key_1', CAST(:now AS timestamptz) - n * interval '1 hour', :most, 0"
                    " FROM generate_series(1, :hours) AS n"
                ),
                {"now": clock.now(), "most": most, "hours": hours},
            )

    async def total(reads: int) -> list[tuple[str, Level]]:
        alarms = Alarms()
        async with database.begin() as sql:
            await sql.execute(
                text("INSERT INTO read_counts VALUES ('key_1', :now, :reads, 0)"),
                {"now": clock.now(), "reads": reads - BATCH},
            )
        await read(process(transactions, clock, alarms), BATCH)
        return alarms.raised

    unusual = [("key_1", Level.UNUSUAL)]
    await history(LEAST_HISTORY, 700)
    assert await total(1399) == []
    await history(LEAST_HISTORY, 700)
    assert await total(1400) == unusual
    await history(LEAST_HISTORY - 1, 700)
    assert await total(5000) == []
    # A quiet subject is not called unusual for a handful of reads.
    await history(LEAST_HISTORY, 1)
    assert await total(LEAST_UNUSUAL - 1) == []
    await history(LEAST_HISTORY, 1)
    assert await total(LEAST_UNUSUAL) == unusual


async def test_few_reads_are_counted_in_time_and_old_counts_are_forgotten(
    transactions: SQLTransactions, clock: MovableClock, database: AsyncEngine
) -> None:
    reads = process(transactions, clock, Alarms())
    await read(reads, 2)
    clock.advance(timedelta(seconds=10))
    await read(reads, 1)
    async with database.connect() as sql:
        counted = await sql.execute(text("SELECT subject_id, reads FROM read_counts ORDER BY 1"))
        assert [tuple(row) for row in counted] == [(INSTANCE, 3), ("key_1", 3)]
    assert await reads.forget() == 0
    clock.advance(timedelta(days=36))
    assert await reads.forget() == 2


@pytest.mark.parametrize(
    ("action", "words"),
    [("stop", "nothing more"), ("freeze", "frozen"), ("alert", "Nothing was"), ("", "Nothing was")],
)
def test_the_mail_says_what_happened_and_what_to_do(clock: MovableClock, action: str, words: str) -> None:
    facts = {"name": "Sync", "reads": "1400", "line": "the ceiling", "hour": "now", "action": action}
    notice = Notice(
        "ntc_1", NoticeKind.BULK_READ, Correspondent("help@larkspur.example"), clock.now(), facts=facts
    )
    vendor = Vendor("Larkspur", "help@larkspur.example", "Larkspur Ltd", True, "https://connect.example", {})
    said = " ".join(
        part.words for part in write_bulk_read(notice, vendor, None).paragraphs if isinstance(part, Text)
    )
    assert words in said
    assert "revoke" in said
