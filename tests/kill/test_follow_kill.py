"""SIGKILL while a notification is kept and while a page of changes is applied: nothing lost, nothing twice (RR-8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from ostiary.core.kernel.failpoints import Failpoint
from ostiary.core.kernel.ids import new_id
from ostiary.core.sync.model import Source
from ostiary.core.sync.subscriptions import Subscription, SubscriptionState, state_hash

from ..conftest import Emulator
from ..integration.sync.truth import Truth
from .conftest import KILLS, steps
from .oracle import Oracle
from .people import Crowd, Customer
from .processes import Served, Starter

INGESTING = (Failpoint.INGEST_BODY_READ, Failpoint.INGEST_WRITTEN, Failpoint.INGEST_COMMITTED)
READING = (
    Failpoint.FOLLOW_CLAIMED,
    Failpoint.FOLLOW_PAGE_FETCHED,
    Failpoint.FOLLOW_PAGE_WRITTEN,
    Failpoint.FOLLOW_PAGE_COMMITTED,
    Failpoint.FOLLOW_DONE,
)
INGESTING_SAMPLE = (Failpoint.INGEST_COMMITTED,)
READING_SAMPLE = (Failpoint.FOLLOW_PAGE_WRITTEN, Failpoint.FOLLOW_PAGE_COMMITTED)
SECRET = "s" * 43


class Worker(Served):
    """``ostiary worker`` that follows mailboxes when it is told to, and at no other time."""

    async def start(self) -> None:
        self.folder.disarm()
        self.process_id = await self.starter.run("worker", env=self.environment, log=self.log_file)


@pytest_asyncio.fixture
async def worker(served: Served, home: Path, starter: Starter) -> AsyncIterator[Worker]:
    settings = served.settings.model_copy(update={"sync_concurrency": 4, "poll_seconds": 86_400})
    process = Worker(settings, home / "worker", starter)
    await process.start()
    yield process
    await process.stop()


async def until(true: Any, *, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.05)


async def notice(crowd: Crowd, connection_id: str) -> None:
    """Say that the mailbox changed, as a kept notification does."""
    async with crowd.services.transactions() as tx:
        await tx.sync.mark({(connection_id, Source.MAIL): None}, now=crowd.services.clock.now())


async def told(crowd: Crowd, connection_id: str) -> list[str]:
    """Ids of messages that were told of, in order."""
    async with crowd.services.transactions() as tx:
        events = await tx.feed.read(connection_id, after=0, limit=1_000)
    return [str(event.data["message_id"]) for event in events if event.type.value == "message.created"]


def truth_of(customer: Customer, client: httpx.AsyncClient, emulator: Emulator) -> Truth:
    return Truth(client, emulator.url, customer.person, tenant_id=customer.tenant_id)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(READING, READING_SAMPLE))
async def test_killed_while_reading_every_change_is_told_once(
    point: Failpoint,
    crowd: Crowd,
    worker: Worker,
    oracle: Oracle,
    running_emulator: Emulator,
) -> None:
    customer = await crowd.customer(approved=True)
    connection_id = await crowd.connected(customer)
    truth = truth_of(customer, crowd.client, running_emulator)
    waiting = "SELECT count(*) FROM sync_states WHERE connection_id = :c AND (stage = 'initial' OR mark > done_mark)"

    async def is_done() -> bool:
        return await oracle.value(waiting, c=connection_id) == 0

    await until(is_done)
    for number in range(KILLS or 1):
        new_id = await truth.write(f"message {number}")
        worker.folder.arm(point)
        await notice(crowd, connection_id)
        await worker.died()
        await worker.start()
        if point is Failpoint.FOLLOW_DONE:
            await notice(crowd, connection_id)
        await until(is_done)
        assert (await told(crowd, connection_id)).count(new_id) == 1

    ids = await told(crowd, connection_id)
    assert len(ids) == len(set(ids))
    async with crowd.services.transactions() as tx:
        head = await tx.feed.head(connection_id)
        events = await tx.feed.read(connection_id, after=0, limit=1_000)
    assert [event.sequence for event in events] == list(range(1, head.last + 1))
    held = {
        row["item_id"]: (row["version"], row["folder_id"])
        for row in await oracle.rows(
            "SELECT item_id, version, folder_id FROM sync_items WHERE connection_id = :c AND source = 'mail'",
            c=connection_id,
        )
    }
    assert held == await truth.messages()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(INGESTING, INGESTING_SAMPLE))
async def test_killed_while_keeping_a_notification_none_is_acknowledged_and_lost(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    customer = await crowd.customer(approved=True)
    connection_id = await crowd.connected(customer)
    services = crowd.services
    subscription = Subscription(
        id=new_id("sub", services.entropy),
        connection_id=connection_id,
        organization_id=customer.organization.id,
        tenant_id=customer.tenant_id,
        source=Source.MAIL,
        client_state_hash=state_hash(SECRET),
        state=SubscriptionState.LIVE,
        created_at=services.clock.now(),
        microsoft_id="0b6e1c1e-6d2f-4a53-9a55-20d1b6f0c3aa",
    )
    async with services.transactions() as tx:
        assert await tx.subscriptions.add(subscription)
    path = urlsplit(services.notifications._paths.url(subscription.id)).path
    kept = "SELECT count(*) FROM sync_hints WHERE connection_id = :c AND item_id = :i"
    for number in range(KILLS or 1):
        item_id = f"AAkA-{number}"
        post = {
            "subscriptionId": subscription.microsoft_id,
            "clientState": SECRET,
            "tenantId": customer.tenant_id,
            "resourceData": {"@odata.type": "#Microsoft.Graph.Message", "id": item_id},
        }
        served.folder.arm(point)
        with pytest.raises(httpx.TransportError):
            await crowd.client.post(f"{served.url}{path}", json={"value": [post]})
        await served.died()
        await served.start()
        # Without an answer Microsoft posts again; kept already or not, the item is marked once.
        assert await oracle.value(kept, c=connection_id, i=item_id) == int(
            point is Failpoint.INGEST_COMMITTED
        )
        answer = await crowd.client.post(f"{served.url}{path}", json={"value": [post]})
        assert answer.status_code == 202
        await served.kill()
        assert await oracle.value(kept, c=connection_id, i=item_id) == 1
        await served.start()
