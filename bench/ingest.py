"""Notification ingest beside a bare endpoint that does one durable insert: ``python bench/ingest.py [POSTS] [AT_ONCE]``.

Both run in one process each on PostgreSQL with default durability, and are asked in turn by the same client, so that
whatever else the machine does meets both. Prints posts per second and the 50th and 99th percentile of each.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import uvicorn
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.adapters.sql.migrate import upgrade
from ostiary.bootstrap import Services, application
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.core.sync.model import Source
from ostiary.core.sync.subscriptions import Subscription, SubscriptionState, state_hash
from ostiary.entrypoints.web.app import create_app
from ostiary.logs import configure_logging
from ostiary.settings import Profile, Settings

MAILBOXES = 50
TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
SECRET = "s" * 43
ROUNDS = 4
HOST = "127.0.0.1:1"
"""The name that the service answers to; the port is another one."""


def settings(folder: Path, database_url: str) -> Settings:
    return Settings(
        profile=Profile.DEVELOPMENT,
        data_dir=folder,
        database_url=SecretStr(database_url),
        public_url=f"http://{HOST}",
        vendor_name="Larkspur",
        vendor_app_name="Larkspur for Microsoft 365",
        vendor_publisher="Larkspur Software Ltd",
        vendor_help_email="help@larkspur.example",
        vendor_data_kept="Ids and headers of messages, in Dublin, until you disconnect.",
        app_client_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
        app_secret=SecretStr("a secret for a measurement"),
        allow_client_secret=True,
    )


async def sow(services: Services) -> list[tuple[str, Any]]:
    """Follow some mailboxes; return the path and a notification of each."""
    made: list[tuple[str, Any]] = []
    now = services.clock.now()
    async with services.transactions() as tx:
        for number in range(MAILBOXES):
            connection_id, microsoft_id = f"con_{number}", f"00000000-0000-4000-8000-{number:012}"
            await tx.sync.ensure(
                connection_id=connection_id,
                organization_id="org_1",
                source=Source.MAIL,
                method=AccessMethod.GRAPH,
                backfill_since=None,
                now=now,
            )
            subscription = Subscription(
                id=f"sub_{number}",
                connection_id=connection_id,
                organization_id="org_1",
                tenant_id=TENANT,
                source=Source.MAIL,
                client_state_hash=state_hash(SECRET),
                state=SubscriptionState.LIVE,
                created_at=now,
                microsoft_id=microsoft_id,
            )
            await tx.subscriptions.add(subscription)
            path = urlsplit(services.notifications._paths.url(subscription.id)).path
            notice = {"subscriptionId": microsoft_id, "clientState": SECRET, "tenantId": TENANT}
            made.append((path, notice))
    return made


def bare(engine: AsyncEngine) -> Starlette:
    """The least that a durable endpoint can do."""

    async def take(request: Request) -> Response:
        body = await request.body()
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO bare_posts (body) VALUES (:body)"), {"body": body})
        return Response(status_code=202)

    return Starlette(routes=[Route("/bare", take, methods=["POST"])])


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - the server offers no event
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


async def hammer(url: str, posts: list[tuple[str, Any]], *, at_once: int) -> tuple[float, list[float]]:
    """Post them all; return posts per second and the milliseconds of each."""
    taken: list[float] = []
    gate = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

        async def one(path: str, body: Any) -> None:
            async with gate:
                began = time.perf_counter()
                async with session.post(f"{url}{path}", json=body, headers={"Host": HOST}) as answer:
                    assert answer.status == 202, answer.status
                taken.append((time.perf_counter() - began) * 1000)

        began = time.perf_counter()
        await asyncio.gather(*(one(path, body) for path, body in posts))
        return len(posts) / (time.perf_counter() - began), taken


async def main(count: int, at_once: int) -> None:
    configure_logging(level="ERROR", log_format="text")
    declare(instance_wide(Duty.COMMAND))
    with tempfile.TemporaryDirectory() as name, EmbeddedServer.start(Path(name)) as server:
        await asyncio.to_thread(upgrade, server.url)
        owner = create_engine(server.url, pool_size=10)
        async with owner.begin() as connection:
            await connection.execute(text("CREATE TABLE bare_posts (id bigserial PRIMARY KEY, body bytea)"))
        async with application(settings(Path(name), server.url)) as services:
            paths = await sow(services)
            ours: list[tuple[str, Any]] = []
            for number in range(count):
                path, notice = paths[number % len(paths)]
                data = {"@odata.type": "#Microsoft.Graph.Message", "id": f"AAkA-{number}"}
                ours.append((path, {"value": [notice | {"resourceData": data}]}))
            theirs = [("/bare", body) for _, body in ours]
            async with serving(create_app(services)) as our_url, serving(bare(owner)) as bare_url:
                rates: dict[str, list[float]] = {"bare": [], "ingest": []}
                times: dict[str, list[float]] = {"bare": [], "ingest": []}
                for _ in range(ROUNDS):
                    for which, url, posts in (("bare", bare_url, theirs), ("ingest", our_url, ours)):
                        rate, taken = await hammer(url, posts, at_once=at_once)
                        rates[which].append(rate)
                        times[which] += taken
        await owner.dispose()
    for which in ("bare", "ingest"):
        cuts = statistics.quantiles(times[which], n=100)
        print(
            f"{which:<7} {statistics.median(rates[which]):7.0f} posts/s   p50 {cuts[49]:6.1f} ms   p99 {cuts[98]:6.1f} ms"
        )
    ratio = statistics.median(rates["ingest"]) / statistics.median(rates["bare"])
    print(
        f"ingest / bare = {ratio:.2f}   ({count} posts × {ROUNDS}, {at_once} at once, {MAILBOXES} mailboxes)"
    )


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    asyncio.run(main(*(given + [2_000, 50][len(given) :])))
