"""However many mailboxes are answered without end at once: the process takes in a bounded amount of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from ostiary.adapters.answer_bodies import FREE_BYTES, BodyBudget
from ostiary.core.kernel.errors import ProviderContractBroken

PART = bytes(32 * 1024)
MOST = 1024 * 1024
CAP = 2 * MOST


def answering(count: int | None, seen: list[int], budget: BodyBudget) -> Any:
    """A response of so many parts, or without end."""

    async def parts() -> AsyncIterator[bytes]:
        number = 0
        while count is None or number < count:
            await asyncio.sleep(0)
            seen.append(budget.held)
            yield PART
            number += 1

    return SimpleNamespace(content=SimpleNamespace(iter_any=parts))


async def read(budget: BodyBudget, response: Any) -> int:
    async with budget.body(response, most_bytes=CAP, too_large=ProviderContractBroken) as content:
        return len(content)


async def test_many_answers_without_end_take_up_no_more_than_the_budget_and_one_of_them() -> None:
    budget, seen = BodyBudget(MOST), list[int]()
    ends = await asyncio.gather(
        *(read(budget, answering(None, seen, budget)) for _ in range(20)), return_exceptions=True
    )
    assert [type(end) for end in ends] == [ProviderContractBroken] * 20
    assert max(seen) <= MOST + CAP
    assert budget.held == 0


async def test_honest_answers_that_do_not_fit_together_all_arrive() -> None:
    budget, seen = BodyBudget(MOST), list[int]()
    many = CAP // len(PART)
    sizes = await asyncio.gather(*(read(budget, answering(many, seen, budget)) for _ in range(8)))
    assert sizes == [CAP] * 8
    assert max(seen) <= MOST + CAP
    assert budget.held == 0


async def test_small_answers_never_wait() -> None:
    budget, seen = BodyBudget(0), list[int]()
    # Somebody else has taken everything.
    async with budget.body(answering(4, seen, budget), most_bytes=CAP, too_large=ProviderContractBroken):
        assert await read(budget, answering(FREE_BYTES // len(PART), seen, budget)) == FREE_BYTES


async def test_one_who_gives_up_waiting_leaves_nothing_taken() -> None:
    budget, seen = BodyBudget(MOST), list[int]()
    many = CAP // len(PART)
    async with budget.body(answering(many, seen, budget), most_bytes=CAP, too_large=ProviderContractBroken):
        waiting = asyncio.create_task(read(budget, answering(many, seen, budget)))
        for _ in range(200):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert budget.held == CAP
    assert budget.held == 0
