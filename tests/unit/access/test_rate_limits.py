"""Rate limits: one budget for all processes, and nothing of who came (SR-68)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.core.access.rate_limits import Budget, LimitedAct, RateLimits
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import RateLimited

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

ADDRESS = "address 192.0.2.7"


@pytest.fixture
def limits(transactions: SQLTransactions, clock: MovableClock) -> RateLimits:
    return RateLimits(
        transactions=transactions,
        clock=clock,
        hash_key=b"r" * 32,
        budgets={LimitedAct.LINK: Budget.parse("3/m"), LimitedAct.MAIL: None},
    )


async def test_a_burst_may_use_the_whole_budget_and_then_waits_for_one_to_grow_back(
    limits: RateLimits, clock: MovableClock
) -> None:
    for _ in range(3):
        await limits.spend(LimitedAct.LINK, ADDRESS)
    with pytest.raises(RateLimited) as refused:
        await limits.spend(LimitedAct.LINK, ADDRESS)
    assert refused.value.retry_after_seconds == 20
    clock.advance(timedelta(seconds=19))
    with pytest.raises(RateLimited) as refused:
        await limits.spend(LimitedAct.LINK, ADDRESS)
    assert refused.value.retry_after_seconds == 1
    clock.advance(timedelta(seconds=1))
    await limits.spend(LimitedAct.LINK, ADDRESS)
    with pytest.raises(RateLimited):
        await limits.spend(LimitedAct.LINK, ADDRESS)


async def test_being_refused_does_not_make_the_wait_longer(limits: RateLimits, clock: MovableClock) -> None:
    for _ in range(3):
        await limits.spend(LimitedAct.LINK, ADDRESS)
    for _ in range(10):
        with pytest.raises(RateLimited):
            await limits.spend(LimitedAct.LINK, ADDRESS)
    clock.advance(timedelta(seconds=20))
    await limits.spend(LimitedAct.LINK, ADDRESS)


async def test_subjects_and_acts_have_budgets_of_their_own(limits: RateLimits) -> None:
    for _ in range(3):
        await limits.spend(LimitedAct.LINK, ADDRESS)
    await limits.spend(LimitedAct.LINK, "address 192.0.2.8")
    for _ in range(10):
        await limits.spend(LimitedAct.MAIL, ADDRESS)


async def test_tries_at_the_same_moment_never_get_more_than_the_budget(
    transactions: SQLTransactions, clock: MovableClock
) -> None:
    """As many processes as there are limits: each has its own, and they share only the database."""
    all_of_them = [
        RateLimits(
            transactions=transactions,
            clock=clock,
            hash_key=b"r" * 32,
            budgets={LimitedAct.LINK: Budget.parse("10/m")},
        )
        for _ in range(40)
    ]
    answers = await asyncio.gather(
        *(each.spend(LimitedAct.LINK, ADDRESS) for each in all_of_them), return_exceptions=True
    )
    assert sum(answer is None for answer in answers) == 10
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 30


async def test_nobody_reads_in_the_table_who_came(limits: RateLimits, database: AsyncEngine) -> None:
    await limits.spend(LimitedAct.LINK, ADDRESS)
    async with database.connect() as connection:
        row = (await connection.execute(text("SELECT bucket::text, full_at::text FROM rate_limits"))).one()
    assert len(bytes.fromhex(row[0].removeprefix("\\x"))) == 32
    assert "192.0.2.7" not in "".join(row)


async def test_a_bucket_that_is_full_again_is_forgotten(limits: RateLimits, clock: MovableClock) -> None:
    await limits.spend(LimitedAct.LINK, ADDRESS)
    assert await limits.forget_full() == 0
    clock.advance(timedelta(seconds=21))
    assert await limits.forget_full() == 1


@pytest.mark.parametrize(
    ("written", "most", "seconds"), [("300/10m", 300, 600), ("20/s", 20, 1), ("5000/h", 5000, 3600)]
)
def test_a_budget_is_read_as_written(written: str, most: int, seconds: int) -> None:
    assert Budget.parse(written) == Budget(most, timedelta(seconds=seconds))


@pytest.mark.parametrize("written", ["", "0/m", "3", "3/", "-1/m", "3/0m", "3/d", "off "])
def test_what_is_no_budget_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="not a budget"):
        Budget.parse(written)


def test_off_is_no_budget() -> None:
    assert Budget.parse("off") is None


async def test_an_act_without_a_budget_is_not_counted(
    limits: RateLimits, transactions: SQLTransactions, database: AsyncEngine
) -> None:
    for act in (LimitedAct.MAIL, LimitedAct.API):
        await limits.spend(act, ADDRESS)
        async with transactions() as transaction:
            await limits.spend_within(transaction, act, ADDRESS)
    async with database.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM rate_limits")) == 0


async def test_each_subject_pays_and_what_comes_after_an_empty_one_does_not(limits: RateLimits) -> None:
    for _ in range(2):
        await limits.spend(LimitedAct.LINK, ADDRESS, "link 1")
    await limits.spend(LimitedAct.LINK, ADDRESS)
    with pytest.raises(RateLimited):
        await limits.spend(LimitedAct.LINK, ADDRESS, "link 1")
    # Two of three were spent on the link, so one is left.
    await limits.spend(LimitedAct.LINK, "link 1")
    with pytest.raises(RateLimited):
        await limits.spend(LimitedAct.LINK, "link 1")
