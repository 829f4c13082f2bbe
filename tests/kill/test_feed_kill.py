"""SIGKILL at each step from Microsoft's notification to the vendor's webhook, of the process and of PostgreSQL.

What was acknowledged is not lost, what comes twice comes under the same id, and no subscription is left behind (RR-8).
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.adapters.sql.migrate import upgrade
from ostiary.bootstrap import application
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.failpoints import Failpoint
from ostiary.core.sync.keeping import KEEP_JOB
from ostiary.settings import Settings

from ..conftest import Emulator
from ..faults.oracle import Oracle as FeedOracle
from ..faults.receiver import Receiver
from .conftest import KILLS, steps
from .database import DatabaseProcess
from .feed_world import FeedWorld, make_feed_world
from .oracle import Oracle
from .people import Crowd
from .processes import Served, Starter, port_to_come_back_to
from .token_tap import TokenTap

INGEST = (
    Failpoint.INGEST_BODY_READ,
    Failpoint.INGEST_WRITTEN,
    Failpoint.INGEST_COMMITTED,
    Failpoint.INGEST_ANSWER_SENT,
)
READ = (
    Failpoint.FOLLOW_CLAIMED,
    Failpoint.FOLLOW_CONTENT_READ,
    Failpoint.FOLLOW_APPLIED,
    Failpoint.FOLLOW_DONE,
)
PAGE = (
    Failpoint.FOLLOW_PAGE_FETCHED,
    Failpoint.FOLLOW_PAGE_WRITTEN,
    Failpoint.FOLLOW_PAGE_COMMITTED,
)
RELISTING = (Failpoint.FOLLOW_RESET, Failpoint.FOLLOW_PAGE_WRITTEN, Failpoint.FOLLOW_PAGE_COMMITTED)
"""Here a page that others follow."""
DELIVERY = (
    Failpoint.DELIVERY_QUEUED,
    Failpoint.DELIVERY_CLAIMED,
    Failpoint.DELIVERY_ANSWERED,
    Failpoint.DELIVERY_MARKED,
)
CREATING = (
    Failpoint.SUBSCRIPTION_CREATE_SENT,
    Failpoint.SUBSCRIPTION_CREATED,
    Failpoint.SUBSCRIPTION_SAVED,
)
LEAVING = (Failpoint.DISCONNECT_UNSUBSCRIBE_SENT,)
RENEWING = (Failpoint.SUBSCRIPTION_RENEWED,)
ON_THE_WAY = (*INGEST, *READ, *PAGE, *DELIVERY)
"""Every message that is written passes these."""
DATABASE_SAMPLE = (Failpoint.INGEST_BODY_READ, Failpoint.FOLLOW_PAGE_WRITTEN)
RECOVERY_SECONDS = 30
ROUNDS = KILLS or 1

pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def feed_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ostiary-kill-feed-"))
    (folder / "data").mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def feed_database(feed_home: Path) -> Iterator[EmbeddedServer]:
    """A PostgreSQL of these tests' own: nobody else's mailboxes are followed here."""
    with EmbeddedServer.start(feed_home) as server:
        # Before anybody counts how long a process takes to start.
        upgrade(server.url)
        yield server


@pytest_asyncio.fixture(scope="module")
async def feed_served(
    feed_home: Path, feed_database: EmbeddedServer, kill_settings: Settings, starter: Starter
) -> AsyncIterator[Served]:
    """A process that follows mailboxes and sends webhooks."""
    port = port_to_come_back_to()
    changes = {
        "data_dir": feed_home / "data",
        "database_url": SecretStr(feed_database.url),
        "public_url": f"http://localhost:{port}",
        "port": port,
        "change_detection": "push",
        "sync_concurrency": 8,
        "webhook_private_destinations": True,
    }
    process = Served(kill_settings.model_copy(update=changes), feed_home / "served", starter)
    await process.start()
    yield process
    await process.stop()


@pytest_asyncio.fixture(scope="module")
async def feed_judge(
    feed_database: EmbeddedServer, feed_served: Served, tap: TokenTap
) -> AsyncIterator[Oracle]:
    engine = create_engine(feed_database.url, pool_size=4)
    yield Oracle(engine, feed_served, tap, feed_database.data_dir)
    await engine.dispose()


@pytest_asyncio.fixture(scope="module")
async def world(
    feed_served: Served, feed_judge: Oracle, running_emulator: Emulator
) -> AsyncIterator[FeedWorld]:
    async with (
        application(feed_served.settings) as services,
        httpx.AsyncClient(timeout=70, trust_env=False) as client,
        httpx.AsyncClient(base_url=feed_served.url, timeout=70, trust_env=False) as api,
        Receiver().running() as receiver,
    ):
        _, key = await services.access.create_api_key(
            name="Larkspur", permissions=API_PERMISSIONS, actor=SYSTEM
        )
        api.headers["Authorization"] = f"Bearer {key.reveal()}"
        crowd = Crowd(services, running_emulator, feed_served.url, client, api)
        oracle = FeedOracle(feed_judge.engine, receiver)
        yield await make_feed_world(crowd, feed_served, receiver, oracle)


async def some_mail(world: FeedWorld) -> None:
    for act in ("write", "mark", "write"):
        await world.followed.act(act)


@pytest.mark.parametrize("point", ON_THE_WAY)
async def test_killed_between_notification_and_webhook_nothing_is_lost(
    point: Failpoint, world: FeedWorld
) -> None:
    for _ in range(ROUNDS):
        await world.killed_at(point, some_mail(world))
        await world.require_whole()
        await world.require_few_copies(world.served.kills)


@pytest.mark.parametrize("point", RELISTING)
async def test_killed_while_a_folder_is_listed_anew_no_page_is_skipped_and_nothing_called_deleted(
    point: Failpoint, world: FeedWorld
) -> None:
    address = world.followed.mailbox.address
    for _ in range(ROUNDS):
        told = len(await world.oracle.feed(world.connection_id))
        world.crowd.emulator.control("POST", f"/users/{address}/forget-changes")
        await world.killed_at(point, world.followed.act("write"))
        await world.require_whole()
        since = (await world.oracle.feed(world.connection_id))[told:]
        assert [event["type"] for event in since] == ["message.created"], "told of more than there was"


async def test_killed_while_an_endpoint_has_the_message_and_has_not_answered_it_comes_once_more(
    world: FeedWorld,
) -> None:
    """The step between bytes sent and answer received: nobody but the endpoint knows of it."""
    for _ in range(ROUNDS):
        process_id = world.served.process_id
        assert process_id is not None

        async def kill_the_sender(_: web.Request, process_id: int = process_id) -> web.StreamResponse:
            world.receiver.answers.clear()
            os.kill(process_id, signal.SIGKILL)
            return web.Response(status=500)

        world.receiver.answers["/hook"] = kill_the_sender
        await world.followed.act("write")
        await world.served.died()
        await world.served.start()
        await world.require_whole()


@pytest.mark.parametrize("point", [*CREATING, *RENEWING])
async def test_killed_while_subscribing_one_subscription_is_left_after_a_sweep(
    point: Failpoint, world: FeedWorld
) -> None:
    for _ in range(ROUNDS):
        await world.require_subscribed_once()

        async def subscribe() -> None:
            if point in RENEWING:
                await world.send_lifecycle("reauthorizationRequired")
                await world.until(is_due)
            else:
                await world.send_lifecycle("subscriptionRemoved")
                await world.until(is_gone)
                await world.let_leases_pass()
            await world.job(KEEP_JOB)

        async def is_gone() -> bool:
            return len(await world.ours()) == 1

        async def is_due() -> bool:
            return bool(
                await world.oracle.value("SELECT count(*) FROM graph_subscriptions WHERE renew_at <= now()")
            )

        await world.killed_at(point, subscribe())
        await world.followed.act("write")
        await world.require_subscribed_once()
        await world.require_whole()


@pytest.mark.parametrize("point", LEAVING)
async def test_killed_while_microsoft_is_asked_to_tell_no_more_saying_it_again_ends_it(
    point: Failpoint, world: FeedWorld
) -> None:
    for _ in range(ROUNDS):
        connection_id = await world.crowd.connected(await world.crowd.customer(approved=True))

        async def is_told_of(connection_id: str = connection_id) -> bool:
            return (
                await world.oracle.value(
                    "SELECT count(*) FROM graph_subscriptions WHERE connection_id = :c AND state = 'live'",
                    c=connection_id,
                )
                == 2
            )

        await world.until(is_told_of)
        path = f"/v1/connections/{connection_id}/disconnect"
        world.served.folder.arm(point)
        with pytest.raises(httpx.TransportError):
            await world.crowd.api.post(path)
        await world.served.died()
        await world.served.start()
        receipt = await world.crowd.api.post(path)
        assert receipt.json()["tokens_destroyed"]
        assert receipt.json()["subscriptions_left"] == 0
        await world.until(world._has_no_orphan)


async def test_the_end_of_a_process_under_load_is_orderly(world: FeedWorld) -> None:
    """SIGTERM: what runs is finished, the rest is taken up by the next process."""
    for _ in range(ROUNDS):
        served = world.served
        assert served.process_id is not None
        writing = asyncio.create_task(world.followed.write(12))
        await asyncio.sleep(0.2)
        os.kill(served.process_id, signal.SIGTERM)
        code = await served.starter.ended(served.process_id)
        served.process_id = None
        await writing
        assert code == 0, served.log_file.read_text()[-3000:]
        held = await world.oracle.value("SELECT count(*) FROM sync_states WHERE lease_holder IS NOT NULL")
        assert held == 0, "a process that ended in order holds nothing"
        await served.start()
        await world.require_whole()


@pytest.mark.parametrize("point", steps(ON_THE_WAY, DATABASE_SAMPLE))
async def test_the_database_killed_between_notification_and_webhook_loses_nothing(
    point: Failpoint, world: FeedWorld, feed_database: EmbeddedServer
) -> None:
    process = DatabaseProcess(feed_database, chance=random.Random(point.value))
    for _ in range(ROUNDS):
        await struck(world, process, point, some_mail(world))
        await world.require_whole()


@pytest.mark.parametrize("point", steps((*CREATING, *RENEWING), (Failpoint.SUBSCRIPTION_CREATED,)))
async def test_the_database_killed_while_subscribing_leaves_one_subscription(
    point: Failpoint, world: FeedWorld, feed_database: EmbeddedServer
) -> None:
    process = DatabaseProcess(feed_database, chance=random.Random(point.value))
    for _ in range(ROUNDS):
        await world.require_subscribed_once()
        event = "reauthorizationRequired" if point in RENEWING else "subscriptionRemoved"

        async def subscribe(event: str = event) -> None:
            await world.send_lifecycle(event)
            await asyncio.sleep(0.5)
            await world.let_leases_pass()
            await world.job(KEEP_JOB)

        await struck(world, process, point, subscribe())
        await world.require_subscribed_once()
        await world.require_whole()


async def struck(
    world: FeedWorld, process: DatabaseProcess, point: Failpoint, doing: Awaitable[object]
) -> None:
    """Kill PostgreSQL while the process stands at a step, let it go on, and wait until all serve again."""
    world.served.folder.arm(point, "hang")
    try:
        await doing
        await world.until(lambda: reached(world))
        await process.kill()
    finally:
        world.served.folder.disarm()
    async with asyncio.timeout(RECOVERY_SECONDS), httpx.AsyncClient(trust_env=False) as client:
        while await world.served.status(client) != 200:
            await asyncio.sleep(0.05)
    # The judge's own connections died, too.
    await world.oracle.engine.dispose()


async def reached(world: FeedWorld) -> bool:
    return world.served.folder.is_reached()


async def test_what_was_done_is_on_record(world: FeedWorld, feed_judge: Oracle) -> None:
    """After all the kills: the audit trail is whole, and no secret is on disk."""
    await world.require_whole()
    await feed_judge.require_whole_chain()
    assert feed_judge.secrets_on_disk() == []
