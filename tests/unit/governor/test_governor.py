"""Turns at a mailbox, within one process and across two that share a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from ostiary.core.governor.governor import Governor
from ostiary.core.governor.model import Limits, MailboxKey, Urgency
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Throttled

KEY = MailboxKey(AccessMethod.GRAPH, "tenant", "tom")
OTHER = MailboxKey(AccessMethod.GRAPH, "tenant", "dana")
Make = Callable[..., Governor]


@pytest_asyncio.fixture(params=["alone", "database"])
async def make(request: pytest.FixtureRequest, transactions: Any) -> AsyncIterator[Make]:
    """Governors of processes that share one ledger; of one process where there is no database."""
    shared: dict[str, Any] = {"transactions": transactions} if request.param == "database" else {}
    async with AsyncExitStack() as stack:

        def made(**options: Any) -> Governor:
            governor = Governor(**({"limits": Limits(most_at_once=4)} | shared | options))
            stack.push_async_callback(governor.close)
            return governor

        yield made


class Calls:
    """Counts calls that run at the same time."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.done: list[Urgency] = []

    async def make(self, governor: Governor, urgency: Urgency, key: MailboxKey = KEY) -> None:
        async with governor.turn(key, urgency):
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0.01)
            self.running -= 1
            self.done.append(urgency)


async def test_no_more_calls_at_once_than_the_mailbox_bears(make: Make) -> None:
    governor, calls = make(), Calls()
    await asyncio.gather(*(calls.make(governor, Urgency.INTERACTIVE) for _ in range(40)))
    assert (calls.most, len(calls.done)) == (4, 40)


async def test_background_work_leaves_a_place_for_people(make: Make) -> None:
    governor, calls = make(), Calls()
    await asyncio.gather(*(calls.make(governor, Urgency.BACKGROUND) for _ in range(20)))
    assert calls.most == 3


async def test_people_go_first(make: Make) -> None:
    governor, calls = make(limits=Limits(most_at_once=1)), Calls()
    background = [asyncio.create_task(calls.make(governor, Urgency.BACKGROUND)) for _ in range(10)]
    await asyncio.sleep(0)
    await calls.make(governor, Urgency.INTERACTIVE)
    assert calls.done.count(Urgency.BACKGROUND) < 10
    await asyncio.gather(*background)


async def test_a_pause_that_microsoft_asks_for_holds_for_that_mailbox_only(make: Make) -> None:
    governor, calls = make(patience_seconds=1.0), Calls()
    with pytest.raises(Throttled):
        async with governor.turn(KEY, Urgency.INTERACTIVE):
            raise Throttled("Slow down.", retry_after_seconds=30)
    with pytest.raises(Throttled) as refused:
        await calls.make(governor, Urgency.INTERACTIVE)
    assert 25 < refused.value.retry_after_seconds <= 30
    await calls.make(governor, Urgency.INTERACTIVE, OTHER)
    (load,) = [load for load in await governor.loads() if load.blocked_seconds]
    assert load.key == KEY


async def test_a_short_pause_is_waited_out(make: Make) -> None:
    governor, calls = make(), Calls()
    with pytest.raises(Throttled):
        async with governor.turn(KEY, Urgency.INTERACTIVE):
            raise Throttled("Slow down.", retry_after_seconds=0.2)
    await calls.make(governor, Urgency.INTERACTIVE)
    assert calls.done


async def test_a_spent_budget_refuses_and_says_for_how_long(make: Make) -> None:
    governor, calls = make(limits=Limits(most_at_once=4, most_calls=10), patience_seconds=1.0), Calls()
    for _ in range(10):
        await calls.make(governor, Urgency.INTERACTIVE)
    with pytest.raises(Throttled) as refused:
        await calls.make(governor, Urgency.INTERACTIVE)
    assert refused.value.retry_after_seconds > 60


async def test_what_was_held_is_given_back_after_use(make: Make) -> None:
    governor, calls = make(), Calls()
    await calls.make(governor, Urgency.INTERACTIVE)
    async with asyncio.timeout(10):
        while await governor.loads():
            await asyncio.sleep(0.05)
    await calls.make(governor, Urgency.INTERACTIVE)


async def test_a_caller_that_goes_away_leaves_no_place_taken(make: Make) -> None:
    governor, calls = make(limits=Limits(most_at_once=1)), Calls()
    async with governor.turn(KEY, Urgency.INTERACTIVE):
        gone = asyncio.create_task(calls.make(governor, Urgency.INTERACTIVE))
        await asyncio.sleep(0.05)
        gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await calls.make(governor, Urgency.INTERACTIVE)
    assert len(calls.done) == 1


async def test_two_processes_share_the_limit_and_both_get_their_part(transactions: Any) -> None:
    limits = Limits(most_at_once=4)
    one = Governor(limits=limits, transactions=transactions, holder="one")
    two = Governor(limits=limits, transactions=transactions, holder="two")
    both = Calls()
    first = asyncio.gather(*(both.make(one, Urgency.BACKGROUND) for _ in range(900)))
    async with asyncio.timeout(10):
        while not both.done:
            await asyncio.sleep(0.01)
    await asyncio.gather(*(both.make(two, Urgency.BACKGROUND) for _ in range(5)))
    assert not first.done()
    await first
    assert both.most <= 3
    await one.close()
    await two.close()


async def test_a_pause_is_known_to_every_process(transactions: Any) -> None:
    one = Governor(transactions=transactions, holder="one")
    two = Governor(transactions=transactions, holder="two", patience_seconds=1.0)
    with pytest.raises(Throttled):
        async with one.turn(KEY, Urgency.INTERACTIVE):
            raise Throttled("Slow down.", retry_after_seconds=60)
    with pytest.raises(Throttled) as refused:
        await Calls().make(two, Urgency.INTERACTIVE)
    assert refused.value.retry_after_seconds > 50
    await one.close()
    await two.close()


async def test_what_a_dead_process_held_comes_free_with_its_lease(
    transactions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.core.governor.governor.LEASE_SECONDS", 1.0)
    dead = Governor(limits=Limits(most_at_once=1), transactions=transactions, holder="dead")
    async with dead.turn(KEY, Urgency.INTERACTIVE):
        # It never renews again, as after a SIGKILL.
        (mailbox,) = dead._mailboxes.values()
        assert mailbox._keeper is not None
        mailbox._keeper.cancel()
        heir = Governor(limits=Limits(most_at_once=1), transactions=transactions, holder="heir")
        calls = Calls()
        await calls.make(heir, Urgency.INTERACTIVE)
        assert calls.done
        await heir.close()
