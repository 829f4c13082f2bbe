"""Under writes, with notifications dropped, doubled, late and shuffled: nothing lost, nothing told twice (RR-9).

The oracle reads the emulator; what we believe and what a reader of the feed was told are both held against it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from ostiary.core.kernel.access_method import AccessMethod

from .conftest import Followed

FAULTS: list[dict[str, Any]] = [
    {"route": "*", "notification": "drop", "probability": 0.3, "seed": 1},
    {"route": "*", "notification": "double", "probability": 0.4, "seed": 2},
    {"route": "*", "notification": "late", "probability": 0.3, "seed": 3, "late_seconds": 0.4},
    {"route": "*", "notification": "shuffle", "probability": 0.3, "seed": 4},
    {"route": "*/v1.0/*", "status": 503, "probability": 0.05, "seed": 5, "resources_only": True},
    {"route": "*/v1.0/*", "status": 429, "probability": 0.03, "seed": 6, "headers": {"Retry-After": "1"}},
    {"route": "*/messages/delta*", "truncate_after_bytes": 300, "probability": 0.05, "seed": 7},
    {"route": "*/messages/delta*", "garbage": True, "probability": 0.05, "seed": 8},
]


async def scribble(followed: Followed, dice: random.Random, *, acts: int) -> None:
    """Do what people and their programs do to a mailbox, for a while."""
    truth = followed.truth
    own = [await truth.write(f"start {number}") for number in range(6)]
    places = ["inbox", "archive", "drafts", "junkemail"]
    for number in range(acts):
        match dice.choice(["write", "write", "flag", "move", "delete", "purge", "rush"]):
            case "write":
                own.append(await truth.write(f"act {number}", folder=dice.choice(places)))
            case "flag":
                chosen = dice.choice(own)
                await truth.mark_read(chosen, read=True)
                await truth.mark_read(chosen, read=False)
            case "move":
                chosen = own.pop(dice.randrange(len(own)))
                own.append(await truth.move(chosen, dice.choice(places)) or await truth.write("again"))
            case "delete":
                await truth.delete(dice.choice(own))
            case "purge":
                await truth.purge(own.pop(dice.randrange(len(own))))
            case _:
                gone = await truth.write(f"short life {number}")
                await truth.purge(gone)
        if not own:
            own.append(await truth.write("one at least"))


@pytest.mark.parametrize("seed", [11, 12])
async def test_nothing_is_lost_or_told_twice_whatever_becomes_of_notifications(
    followed: Followed, seed: int
) -> None:
    app, dice = followed.app, random.Random(seed)
    await followed.read()
    await app.subscriptions.keep()
    await followed.read()
    await followed.news()
    known = await followed.truth.messages()
    for fault in FAULTS:
        followed.emulator.control("POST", "/faults", fault | {"seed": seed + fault["seed"]})

    async def work() -> None:
        while True:
            await app.sync.read_due()
            # What was slowed down waits by a clock that stands still here.
            async with app.transactions() as tx:
                await tx._connection.execute(text("UPDATE sync_states SET not_before = NULL"))
            await asyncio.sleep(0.02)

    # The oracle's own writes must arrive, or it would not know what is true.
    followed.emulator.control("PATCH", "/services/graph", {"concurrent": 50})
    worker = asyncio.create_task(work())
    try:
        await retrying(followed, dice)
    finally:
        worker.cancel()
        await asyncio.wait({worker})
    followed.emulator.control("DELETE", "/faults")
    async with app.transactions() as tx:
        await tx._connection.execute(
            text("UPDATE sync_states SET not_before = NULL, lease_until = NULL, due_at = :now"),
            {"now": app.clock.now()},
        )
    await followed.sweep()
    await followed.news()

    truth = await followed.truth.messages()
    assert await followed.projection() == truth, "I2: the projection is the truth"
    told = {
        **{each: known[each] for each in known},
    }
    assert replay(told, followed) == truth, "I1: whoever follows the feed ends with the truth"
    ids = Counter(event.id for event in followed.seen)
    assert [each for each, count in ids.items() if count > 1] == [], "I3: one event, one id, once"

    async def is_idle() -> bool:
        # A late notification may still arrive, and is read like any other.
        await followed.read()
        async with app.transactions() as tx:
            left = await tx._connection.execute(
                text(
                    "SELECT (SELECT count(*) FROM sync_hints), (SELECT count(*) FROM sync_states WHERE mark > done_mark),"
                    " (SELECT count(*) FROM sync_states WHERE lease_holder IS NOT NULL)"
                )
            )
            return tuple(left.one()) == (0, 0, 0)

    await followed.until(is_idle)  # I10: nothing waits for ever, nothing stays leased.


async def retrying(followed: Followed, dice: random.Random) -> None:
    """Write through the same faults, with the patience of a mail program."""
    ask = followed.truth.ask

    async def patient(method: str, path: str, body: Any = None, **query: str) -> Any:
        for _ in range(20):
            try:
                return await ask(method, path, body, **query)
            except Exception:
                await asyncio.sleep(0.02)
        raise AssertionError("the emulator never answered")

    followed.truth.ask = patient  # type: ignore[method-assign]
    try:
        await scribble(followed, dice, acts=30)
    finally:
        followed.truth.ask = ask  # type: ignore[method-assign]


def replay(known: dict[str, tuple[str, str]], followed: Followed) -> dict[str, tuple[str, str]]:
    """Apply every event after the first reading to what was known then."""
    for event in followed.seen:
        data = event.data
        match event.type.value:
            case "message.created" | "message.updated":
                if not data.get("backfill"):
                    known[str(data["message_id"])] = (str(data["version"]), str(data["folder_id"]))
            case "message.moved":
                known.pop(str(data["previous_message_id"]), None)
                known[str(data["message_id"])] = (str(data["version"]), str(data["folder_id"]))
            case "message.deleted":
                known.pop(str(data["message_id"]), None)
            case _:
                pass
    return known


@pytest.mark.parametrize("followed", [AccessMethod.EWS], indirect=True, ids=["ews"])
async def test_two_workers_at_one_mailbox_tell_nothing_twice(followed: Followed) -> None:
    app = followed.app
    await asyncio.gather(*(followed.read() for _ in range(3)))
    await followed.news()
    known = await followed.truth.messages()
    dice = random.Random(5)
    for _ in range(3):
        await scribble(followed, dice, acts=6)
        await followed.mark_everything()
        # Leases are cut off under the first worker, as after a pause longer than they live.
        first = asyncio.gather(*(app.sync.read(claim) for claim in await app.sync.claim(limit=5)))
        async with app.transactions() as tx:
            await tx._connection.execute(text("UPDATE sync_states SET lease_until = NULL"))
        second = asyncio.gather(*(app.sync.read(claim) for claim in await app.sync.claim(limit=5)))
        await asyncio.gather(first, second)
    await followed.sweep()
    await followed.news()

    truth = await followed.truth.messages()
    assert await followed.projection() == truth
    assert replay(dict(known), followed) == truth
    assert max(Counter(event.id for event in followed.seen).values()) == 1
