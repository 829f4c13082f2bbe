"""Endpoints and deliveries on a real database, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from ostiary.adapters.delivery.post import HTTPWebhookPost
from ostiary.adapters.sql.feed_listener import SQLFeedSignals
from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.adapters.sql.webhooks import SQLWebhookStore
from ostiary.core.audit.model import SYSTEM
from ostiary.core.feed.model import FeedEvent, FeedEventType, connection_event
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import Conflict, NotFound
from ostiary.core.webhooks.deliveries import WebhookDeliveries
from ostiary.core.webhooks.destination import EgressRules
from ostiary.core.webhooks.endpoints import EndpointNotProven, Issued, WebhookEndpoints
from ostiary.core.webhooks.fanout import WebhookFanout
from ostiary.core.webhooks.model import (
    DEAD_KEPT_FOR,
    KEPT_FOR,
    DeliveryState,
    DisabledBecause,
    EndpointStatus,
)
from ostiary.core.webhooks.ports import DeliveryFilter
from ostiary.core.webhooks.sending import CLAIMED_OF_ONE, LEASE, WebhookSender
from ostiary.core.webhooks.signature import SigningSecrets

Receiver = Any
RULES = EgressRules(allow_private=True)


@dataclass
class World:
    """Webhooks wired by hand, without a process around them."""

    transactions: SQLTransactions
    clock: MovableClock
    endpoints: WebhookEndpoints
    deliveries: WebhookDeliveries
    sender: WebhookSender
    another_sender: WebhookSender
    receiver: Receiver

    async def endpoint(self, path: str = "", **options: Any) -> Issued:
        """An endpoint that has proven itself."""
        issued = await self.endpoints.add(self.receiver.url + path, **options, actor=SYSTEM)
        answer, self.receiver.answer = self.receiver.answer, repeat_challenge
        proven = await self.endpoints.prove(issued.endpoint.id, actor=SYSTEM)
        self.receiver.answer = answer
        self.receiver.seen.clear()
        self.receiver.bodies.clear()
        return replace(issued, endpoint=proven)

    async def happens(self, *numbers: int, kind: FeedEventType = FeedEventType.MESSAGE_CREATED) -> None:
        async with self.transactions() as tx:
            await tx.feed.append([self.event(number, kind) for number in numbers])

    def event(self, number: int, kind: FeedEventType = FeedEventType.MESSAGE_CREATED) -> FeedEvent:
        return connection_event(
            connection_id="con_a",
            organization_id="org_a",
            kind=kind,
            subject=f"message {number}",
            version="1",
            occurred_at=self.clock.now(),
            data={"message_id": f"message {number}"},
        )

    async def all(self, **wanted: Any) -> list[Any]:
        return list((await self.deliveries.page(DeliveryFilter(**wanted), limit=200)).items)


@pytest_asyncio.fixture
async def world(
    database: AsyncEngine, clock: MovableClock, entropy: SeededEntropy, receiver: Receiver
) -> AsyncIterator[World]:
    transactions = SQLTransactions(
        database, clock=clock, entropy=entropy, fanouts=[WebhookFanout(clock=clock)]
    )
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    signals = SQLFeedSignals(conninfo=url, keywords={"connect_timeout": 5})
    async with HTTPWebhookPost(RULES, user_agent="ostiary/test", most_seconds=2) as post:
        shared: dict[str, Any] = {"transactions": transactions, "clock": clock}
        wired: dict[str, Any] = {**shared, "secrets": SigningSecrets(bytes(32)), "rules": RULES, "post": post}
        yield World(
            transactions,
            clock,
            WebhookEndpoints(**wired, entropy=entropy),
            WebhookDeliveries(**shared),
            WebhookSender(**wired, signals=signals, holder="prc_1"),
            WebhookSender(**wired, signals=signals, holder="prc_2"),
            receiver,
        )
    await signals.close()


async def repeat_challenge(request: web.Request) -> web.StreamResponse:
    message = json.loads(await request.text())
    return web.json_response({"challenge": message["data"]["challenge"]})


def answering(*statuses: int) -> Any:
    """Answer with these one after the other, the last one for ever."""
    left = list(statuses)

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=left.pop(0) if len(left) > 1 else left[0])

    return answer


async def test_every_event_goes_out_once_signed_and_with_its_own_id(world: World) -> None:
    issued = await world.endpoint()
    await world.happens(1, 2)
    await world.happens(2)  # noticed twice, told once
    assert await world.sender.send_due() == 2
    reader = Webhook(issued.secret.reveal())
    messages = []
    for request, body in zip(world.receiver.seen, world.receiver.bodies, strict=True):
        # The reference library wants a time of today; the clock of this test stands still.
        message = json.loads(body)
        signed = reader.sign(request.headers["webhook-id"], world.clock.now(), body.decode())
        assert request.headers["webhook-signature"] == signed
        assert message["id"] == request.headers["webhook-id"]
        messages.append(message)
    assert {message["id"] for message in messages} == {world.event(1).id, world.event(2).id}
    assert messages[0]["data"]["connection_id"] == "con_a"
    assert {delivery.state for delivery in await world.all()} == {DeliveryState.DELIVERED}


async def test_an_endpoint_gets_nothing_before_it_repeats_the_challenge(world: World) -> None:
    issued = await world.endpoints.add(world.receiver.url, actor=SYSTEM)
    await world.happens(1)
    assert await world.sender.send_due() == 0
    with pytest.raises(EndpointNotProven):
        await world.endpoints.prove(issued.endpoint.id, actor=SYSTEM)
    world.receiver.answer = repeat_challenge
    proven = await world.endpoints.prove(issued.endpoint.id, actor=SYSTEM)
    assert proven.status is EndpointStatus.ACTIVE
    await world.happens(2)
    assert await world.sender.send_due() == 1


async def test_another_address_has_to_be_proven_anew(world: World) -> None:
    issued = await world.endpoint()
    changed = await world.endpoints.change(
        issued.endpoint.id, url=f"{world.receiver.url}/other", actor=SYSTEM
    )
    assert changed.status is EndpointStatus.UNPROVEN
    await world.happens(1)
    assert await world.sender.send_due() == 0


async def test_an_endpoint_gets_only_what_it_asked_for(world: World) -> None:
    await world.endpoint(types=[FeedEventType.MESSAGE_DELETED])
    await world.happens(1)
    await world.happens(2, kind=FeedEventType.MESSAGE_DELETED)
    assert await world.sender.send_due() == 1
    assert json.loads(world.receiver.bodies[0])["type"] == "message.deleted"


async def test_the_same_address_is_taken_once_and_a_foreign_customer_is_none(world: World) -> None:
    await world.endpoint()
    with pytest.raises(Conflict):
        await world.endpoints.add(world.receiver.url, actor=SYSTEM)
    with pytest.raises(NotFound):
        await world.endpoints.add(f"{world.receiver.url}/b", organization_id="org_none", actor=SYSTEM)


async def test_a_failure_is_tried_again_with_the_same_id_and_body(world: World) -> None:
    await world.endpoint()
    world.receiver.answer = answering(500, 500, 200)
    await world.happens(1)
    for _ in range(3):
        await world.sender.send_due()
        world.clock.advance(timedelta(hours=1))
    ids = {request.headers["webhook-id"] for request in world.receiver.seen}
    assert (len(world.receiver.seen), len(ids), len(set(world.receiver.bodies))) == (3, 1, 1)
    (delivery,) = await world.all()
    _, attempts = await world.deliveries.get(delivery.id)
    assert [attempt.status for attempt in attempts] == [500, 500, 200]
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 3)


async def test_after_ten_failures_a_delivery_is_dead_and_can_be_replayed(world: World) -> None:
    issued = await world.endpoint()
    world.receiver.answer = answering(500)
    await world.happens(1)
    for _ in range(10):
        assert await world.sender.send_due() == 1
        # Somebody answers in between, so that the endpoint itself stays on.
        async with world.transactions() as tx:
            await tx.webhooks.succeeded([issued.endpoint.id])
        world.clock.advance(timedelta(hours=44))
    assert await world.sender.send_due() == 0
    (dead,) = await world.all(states=(DeliveryState.DEAD,))
    world.receiver.answer = answering(200)
    await world.deliveries.replay_one(dead.id, actor=SYSTEM)
    assert await world.sender.send_due() == 1
    (delivered,) = await world.all()
    assert (delivered.state, delivered.event_id) == (DeliveryState.DELIVERED, dead.event_id)
    assert world.receiver.seen[-1].headers["webhook-id"] == dead.event_id


async def test_an_endpoint_that_is_gone_is_disabled_at_once(world: World) -> None:
    issued = await world.endpoint()
    world.receiver.answer = answering(410)
    await world.happens(1)
    await world.sender.send_due()
    gone = await world.endpoints.get(issued.endpoint.id)
    assert (gone.status, gone.disabled_because) == (EndpointStatus.DISABLED, DisabledBecause.GONE)
    (delivery,) = await world.all()
    assert delivery.state is DeliveryState.DEAD


async def test_five_days_of_failures_disable_and_what_waits_goes_out_later(world: World) -> None:
    issued = await world.endpoint()
    world.receiver.answer = answering(503)
    await world.happens(1)
    for _ in range(6):
        await world.sender.send_due()
        world.clock.advance(timedelta(days=1))
        await world.happens(100 + int(world.clock.now().timestamp()))
    failed = await world.endpoints.get(issued.endpoint.id)
    assert (failed.status, failed.disabled_because) == (EndpointStatus.DISABLED, DisabledBecause.FAILED)
    await world.happens(2)
    assert await world.sender.send_due() == 0
    world.receiver.answer = repeat_challenge
    enabled = await world.endpoints.prove(issued.endpoint.id, actor=SYSTEM)
    assert (enabled.status, enabled.failing_since) == (EndpointStatus.ACTIVE, None)
    world.receiver.answer = answering(200)
    world.clock.advance(timedelta(days=2))
    assert await world.sender.send_due() > 1
    assert {delivery.state for delivery in await world.all()} == {DeliveryState.DELIVERED}


async def test_during_a_rotation_both_secrets_sign_and_afterwards_the_new_one(world: World) -> None:
    issued = await world.endpoint()
    rotated = await world.endpoints.rotate_secret(issued.endpoint.id, actor=SYSTEM)
    assert rotated.secret.reveal() != issued.secret.reveal()
    await world.happens(1)
    await world.sender.send_due()
    world.clock.advance(timedelta(hours=25))
    await world.happens(2)
    await world.sender.send_due()
    counts = [len(request.headers["webhook-signature"].split()) for request in world.receiver.seen]
    assert counts == [2, 1]


async def test_what_a_sender_that_died_had_claimed_goes_out_after_its_lease(world: World) -> None:
    await world.endpoint()
    await world.happens(1)
    async with world.transactions() as tx:
        claimed = await tx.webhooks.claim(
            holder="prc_3", now=world.clock.now(), lease=LEASE, each=10, most=10, without=()
        )
    assert len(claimed) == 1
    assert await world.sender.send_due() == 0
    world.clock.advance(LEASE)
    assert await world.another_sender.send_due() == 1


@pytest.mark.parametrize(
    ("passes", "copies"), [(timedelta(0), 1), (LEASE, 2)], ids=["soon back", "long away"]
)
async def test_a_database_that_is_away_while_results_are_written_costs_one_repetition_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch, passes: timedelta, copies: int
) -> None:
    """Whatever fails there: the sender goes on writing results afterwards."""
    await world.endpoint()
    failures = 0
    record = SQLWebhookStore.record

    async def away(store: SQLWebhookStore, results: Any) -> None:
        nonlocal failures
        failures += 1
        if failures == 1:
            world.clock.advance(passes)
            raise ConnectionResetError
        await record(store, results)

    monkeypatch.setattr(SQLWebhookStore, "record", away)
    running = asyncio.create_task(world.sender.run())
    await world.happens(1)
    async with asyncio.timeout(30):
        while not failures:
            await asyncio.sleep(0.02)
        await world.happens(2)
        while {each.state for each in await world.all()} != {DeliveryState.DELIVERED}:
            await asyncio.sleep(0.02)
    world.sender.ask_to_stop()
    await running
    assert sorted(request.headers["webhook-id"] for request in world.receiver.seen) == sorted(
        [world.event(1).id] * copies + [world.event(2).id]
    )


async def test_two_senders_never_send_the_same_delivery(world: World) -> None:
    await world.endpoint()
    await world.happens(*range(60))
    await asyncio.gather(world.sender.send_due(), world.another_sender.send_due())
    ids = [request.headers["webhook-id"] for request in world.receiver.seen]
    assert (len(ids), len(set(ids))) == (60, 60)


async def test_an_endpoint_that_hangs_holds_up_no_other(world: World) -> None:
    await world.endpoint("/fine")
    hanging = await world.endpoint("/hangs")
    released = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/hangs"):
            await released.wait()
        return web.Response()

    world.receiver.answer = answer
    await world.happens(*range(50))
    running = asyncio.create_task(world.sender.run())
    async with asyncio.timeout(15):
        while len(await world.all(states=(DeliveryState.DELIVERED,))) < 50:
            await asyncio.sleep(0.02)
    waiting = await world.all(endpoint_id=hanging.endpoint.id, states=(DeliveryState.DELIVERED,))
    assert waiting == []
    released.set()
    world.sender.ask_to_stop()
    await running


class NobodyTells:
    """Signals that never come: neither of news nor of time that has passed."""

    @asynccontextmanager
    async def listen(self, stream_id: str) -> AsyncIterator[NobodyTells]:
        yield self

    async def news(self, *, seconds: float) -> bool:
        await asyncio.Event().wait()
        return True


async def test_a_backlog_goes_out_as_the_endpoint_takes_it_without_anybody_looking(world: World) -> None:
    await world.endpoint()
    count = 3 * CLAIMED_OF_ONE + 1
    await world.happens(*range(count))
    everything = asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        if len(world.receiver.bodies) >= count:
            everything.set()
        return web.Response()

    world.receiver.answer = answer
    world.sender._signals = NobodyTells()
    running = asyncio.create_task(world.sender.run())
    await asyncio.wait_for(everything.wait(), 60)
    world.sender.ask_to_stop()
    await running
    assert {each.state for each in await world.all()} == {DeliveryState.DELIVERED}


async def test_deleting_an_endpoint_while_it_is_called_leaves_nothing(world: World) -> None:
    issued = await world.endpoint()

    async def delete(_: web.Request) -> web.StreamResponse:
        await world.endpoints.delete(issued.endpoint.id, actor=SYSTEM)
        return web.Response()

    world.receiver.answer = delete
    await world.happens(1)
    await world.sender.send_due()
    assert await world.all() == []


async def test_finished_deliveries_are_kept_for_their_time(world: World) -> None:
    await world.endpoint()
    await world.happens(1)
    await world.sender.send_due()
    world.receiver.answer = answering(410)
    await world.happens(2)
    await world.sender.send_due()
    world.clock.advance(KEPT_FOR + timedelta(hours=1))
    assert await world.deliveries.trim() == 1
    world.clock.advance(DEAD_KEPT_FOR - KEPT_FOR)
    assert await world.deliveries.trim() == 1


async def test_replaying_a_range_sends_just_that_again(world: World) -> None:
    issued = await world.endpoint()
    for number in range(3):
        await world.happens(number)
        await world.sender.send_due()
        world.clock.advance(timedelta(hours=1))
    since = world.clock.now() - timedelta(hours=2, minutes=30)
    wanted = DeliveryFilter(endpoint_id=issued.endpoint.id, since=since)
    assert await world.deliveries.replay(issued.endpoint.id, wanted, actor=SYSTEM) == 2
    assert await world.sender.send_due() == 2
    ids = [request.headers["webhook-id"] for request in world.receiver.seen]
    assert sorted(ids[3:]) == sorted(ids[1:3])


async def test_the_log_comes_in_pages_without_a_gap(world: World) -> None:
    await world.endpoint()
    await world.happens(*range(25))
    seen: list[str] = []
    cursor = None
    while True:
        page = await world.deliveries.page(DeliveryFilter(), cursor=cursor, limit=10)
        seen.extend(delivery.id for delivery in page.items)
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert (len(seen), len(set(seen))) == (25, 25)


async def test_what_a_sender_that_died_had_claimed_is_free_once_that_is_known(world: World) -> None:
    await world.endpoint()
    await world.happens(1)
    async with world.transactions() as tx:
        claimed = await tx.webhooks.claim(
            holder="prc_dead", now=world.clock.now(), lease=LEASE, each=1, most=1, without=()
        )
    assert len(claimed) == 1
    assert await world.sender.send_due() == 0
    async with world.transactions() as tx:
        assert await tx.processes.release(["prc_dead"], now=world.clock.now()) == 1
    assert await world.sender.send_due() == 1


async def test_a_claim_whose_answer_was_lost_is_made_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.endpoint()
    await world.happens(1)
    opened = SQLTransactions.__call__

    @asynccontextmanager
    async def answer_lost(transactions: SQLTransactions) -> AsyncIterator[object]:
        async with opened(transactions) as tx:
            yield tx
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(SQLTransactions, "__call__", answer_lost)
        with pytest.raises(ConnectionResetError):
            await world.sender.send_due()
    assert await world.another_sender.send_due() == 0, "it is claimed"
    assert await world.sender.send_due() == 1
    assert len(world.receiver.seen) == 1


async def test_a_sender_that_lost_the_database_sends_again_when_it_runs_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.endpoint()

    async def away(*_: object, **__: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(SQLWebhookStore, "claim", away)
        with pytest.raises(ConnectionResetError):
            await world.sender.run()
    await world.happens(1)
    running = asyncio.create_task(world.sender.run())
    async with asyncio.timeout(30):
        while {each.state for each in await world.all()} != {DeliveryState.DELIVERED}:
            await asyncio.sleep(0.02)
    world.sender.ask_to_stop()
    await running
