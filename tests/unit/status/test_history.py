"""What the status page says of the last days follows from looks that were counted (UX §3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ostiary.core.kernel.errors import TemporarilyUnavailable
from ostiary.core.status.model import KEPT_DAYS, LOOK_EVERY, Part, Uptime, slot_of
from ostiary.core.status.service import StatusHistory

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def microsoft() -> dict[str, bool]:
    return {"works": True}


@pytest.fixture
def status(transactions, clock, microsoft) -> StatusHistory:
    async def ask_microsoft() -> None:
        if not microsoft["works"]:
            raise TemporarilyUnavailable("x", reason="microsoft_down")

    async def ask_keys() -> None:
        return None

    return StatusHistory(
        transactions=transactions,
        clock=clock,
        parts={Part.SAVED_SIGN_INS: ask_keys, Part.MICROSOFT: ask_microsoft},
    )


async def look_for(status: StatusHistory, clock, time: timedelta) -> None:
    for _ in range(int(time / LOOK_EVERY)):
        await status.look()
        clock.advance(LOOK_EVERY)


def test_a_look_belongs_to_its_five_minutes() -> None:
    assert slot_of(NOON + timedelta(minutes=4, seconds=59)) == NOON
    assert slot_of(NOON + timedelta(minutes=5)) == NOON + timedelta(minutes=5)


def test_one_bad_look_is_never_rounded_to_a_hundred_percent() -> None:
    assert Uptime(9999, 10000).percent == 99.9


async def test_nothing_is_said_before_the_first_look(status) -> None:
    assert await status.last_days() == ()


async def test_a_fault_of_one_part_is_told_apart_from_the_others(status, clock, microsoft) -> None:
    await look_for(status, clock, timedelta(minutes=50))
    microsoft["works"] = False
    await look_for(status, clock, timedelta(minutes=10))
    (today,) = await status.last_days()
    assert today.uptimes == {
        Part.SERVICE: Uptime(12, 12),
        Part.SAVED_SIGN_INS: Uptime(12, 12),
        Part.MICROSOFT: Uptime(10, 12),
    }
    assert today.uptimes[Part.MICROSOFT].minutes_down == 10


async def test_looks_that_are_missing_count_against_the_service_only(status, clock) -> None:
    await look_for(status, clock, timedelta(minutes=30))
    clock.advance(timedelta(minutes=30))
    (today,) = await status.last_days()
    assert today.uptimes[Part.SERVICE] == Uptime(6, 12)
    assert today.uptimes[Part.MICROSOFT] == Uptime(6, 6)


async def test_a_whole_day_without_a_look_is_shown_as_one_on_which_nothing_worked(status, clock) -> None:
    await status.look()
    clock.advance(timedelta(days=2))
    await status.look()
    today, yesterday, first = await status.last_days()
    assert yesterday.uptimes == {Part.SERVICE: Uptime(0, 288)}
    # It began at noon: the morning is nobody's fault.
    assert first.uptimes[Part.SERVICE] == Uptime(1, 144)
    assert today.on == NOON.date() + timedelta(days=2)


async def test_a_job_that_runs_twice_counts_once(status, clock) -> None:
    await status.look()
    await status.look()
    clock.advance(LOOK_EVERY)
    (today,) = await status.last_days()
    assert today.uptimes[Part.MICROSOFT] == Uptime(1, 1)


async def test_what_nobody_is_shown_any_more_is_forgotten(status, clock, transactions) -> None:
    await status.look()
    clock.advance(timedelta(days=KEPT_DAYS))
    await status.look()
    async with transactions() as tx:
        kept = await tx.status.since(NOON.date())
    assert {count.on for count in kept} == {NOON.date() + timedelta(days=KEPT_DAYS)}
    clock.advance(LOOK_EVERY)
    assert len(await status.last_days()) == 1
