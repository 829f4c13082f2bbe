"""From a notification to the feed, and on to the vendor's webhook: at 1, 50 and 300 a second."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web
from report import Part, Table, Target, percentile, run, say
from sqlalchemy import text
from stage import (
    SYSTEM,
    Stage,
    add_organization,
    address_of,
    connect,
    free_port,
    opened,
    product,
    stage,
    until_ready,
)
from subscribed import Subscribed, subscribe

from ostiary.bootstrap import Services
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.sync.model import Stage as SyncStage
from ostiary.core.webhooks.model import EndpointStatus

_DRAIN_SECONDS = 20.0


@dataclass
class Flight:
    """One rate: when each message was told of, and when it arrived."""

    per_second: float
    seconds: float
    told_at: dict[str, float] = field(default_factory=dict)
    """By message, when its notification was about to be posted."""
    in_feed_at: dict[str, float] = field(default_factory=dict)
    webhook_at: dict[str, float] = field(default_factory=dict)
    took: float = 0.0
    refused_count: int = 0
    """Posts that were not answered with 202."""

    def delays(self, arrived: dict[str, float]) -> list[float]:
        """Return milliseconds from notification to arrival, of those that arrived."""
        return [(arrived[each] - told) * 1000 for each, told in self.told_at.items() if each in arrived]


class Receiver:
    """The vendor's endpoint."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        self.news = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        now = time.time()
        data = json.loads(await request.read()).get("data", {})
        if "message_id" in data:
            self.arrived.setdefault(data["message_id"], now)
            self.news.set()
        return web.Response()


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    people, rates = (2, ((2.0, 1.0),)) if tiny else (20, ((1.0, 10.0), (50.0, 6.0), (300.0, 4.0)))
    with stage(people=people, messages=5) as place:
        return asyncio.run(_measure(place, people, rates))


async def _measure(place: Stage, people: int, rates: tuple[tuple[float, float], ...]) -> Part:
    part = Part(
        "latency",
        "From notification to feed to webhook (FG-7)",
        f"{people} mailboxes, one `ostiary serve`, one `ostiary worker`, PostgreSQL, the emulator, the vendor’s"
        " endpoint and the sender of changes, all on this machine. For each change a message is made at the"
        " emulator and then told of by a post in Microsoft’s form; the clock starts just before that post, and"
        " stops when the event is recorded in the feed and when the vendor’s endpoint is called the first time."
        " Nothing waits for anything: a late event counts from its own post.",
    )
    receiver = Receiver()
    port = free_port()
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    flights: list[Flight] = []
    try:
        async with opened(place) as services:
            say("latency: connecting mailboxes")
            subscribed, tokens = await _prepare(services, place, people, f"http://127.0.0.1:{port}/hook")
            with product(place, "serve") as serve, product(place, "worker"):
                await until_ready(f"{place.settings.public_url}/readyz", serve)
                await _until_live(services, subscribed)
                for per_second, seconds in rates:
                    say(f"latency: {per_second:g} a second for {seconds:g} s")
                    flight = Flight(per_second, seconds)
                    await _fly(flight, place, subscribed, tokens)
                    await _until_arrived(flight, receiver)
                    await _read_feed(services, flight)
                    flights.append(flight)
    finally:
        await runner.cleanup()
    part.tables.append(_table(flights))
    for flight in flights:
        delays = flight.delays(flight.webhook_at)
        p50, p99 = percentile(delays, 50) / 1000, percentile(delays, 99) / 1000
        is_met = p50 < 1 and p99 < 5 and len(delays) == len(flight.told_at)
        part.targets.append(
            Target(
                f"FG-7: to the first webhook attempt < 1 s / < 5 s (p50 / p99) at {flight.per_second:g} a second",
                f"{p50:.2f} s / {p99:.2f} s at {len(flight.told_at) / flight.took:.0f} a second",
                is_met,
            )
        )
    return part


def _table(flights: list[Flight]) -> Table:
    rows = []
    for flight in flights:
        to_feed, to_webhook = flight.delays(flight.in_feed_at), flight.delays(flight.webhook_at)
        rows.append(
            [
                f"{flight.per_second:g} a second",
                f"{len(flight.told_at) / flight.took:.0f}",
                str(len(flight.told_at)),
                f"{percentile(to_feed, 50):,.0f} / {percentile(to_feed, 99):,.0f}",
                f"{percentile(to_webhook, 50):,.0f} / {percentile(to_webhook, 99):,.0f}",
                f"{flight.refused_count} / {len(flight.told_at) - len(to_webhook)}",
            ]
        )
    return Table(
        "Milliseconds, p50 / p99",
        (
            "wanted",
            "reached, a second",
            "changes",
            "notification to feed",
            "notification to webhook",
            "refused / not arrived",
        ),
        rows,
        note="*Reached* is below what was wanted where the emulator could not make so many messages beside everything"
        " else.",
    )


async def _prepare(
    services: Services, place: Stage, people: int, hook: str
) -> tuple[list[Subscribed], list[str]]:
    # The sender of changes counts as the same app at the emulator; it must not use up what reading is allowed.
    place.control("PATCH", "/services/graph", {"concurrent": 1_000})
    await add_organization(services)
    issued = await services.webhooks.endpoints.add(hook, actor=SYSTEM)
    async with services.transactions() as tx:
        await tx.webhooks.save(replace(issued.endpoint, status=EndpointStatus.ACTIVE))
    subscribed: list[Subscribed] = []
    tokens: list[str] = []
    for number in range(people):
        connection = await connect(services, place, number, AccessMethod.GRAPH)
        subscribed.append(await subscribe(services, connection))
        tokens.append((await place.sign_in(address_of(number), AccessMethod.GRAPH)).access_token)
    return subscribed, tokens


async def _until_live(services: Services, subscribed: list[Subscribed]) -> None:
    async with asyncio.timeout(120):
        for each in subscribed:
            while True:
                progress = await services.sync.progress(each.connection.id)
                if progress and all(one.stage is SyncStage.LIVE for one in progress):
                    break
                await asyncio.sleep(0.1)
    await asyncio.sleep(1)


async def _fly(flight: Flight, place: Stage, subscribed: list[Subscribed], tokens: list[str]) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    # One change at a time in each mailbox, as its owner would make them.
    gates = [asyncio.Semaphore(1) for _ in subscribed]
    async with aiohttp.ClientSession(connector=connector) as session:

        async def change(number: int) -> None:
            which = number % len(subscribed)
            headers = {"Authorization": f"Bearer {tokens[which]}", "Prefer": 'IdType="ImmutableId"'}
            draft = {"subject": f"Change {number}", "body": {"contentType": "text", "content": "New."}}
            url = f"{place.emulator_url}/v1.0/me/messages"
            async with gates[which], session.post(url, json=draft, headers=headers) as answer:
                answer.raise_for_status()
                made: dict[str, Any] = await answer.json()
            flight.told_at[made["id"]] = time.time()
            async with session.post(subscribed[which].url, data=subscribed[which].post(made["id"])) as answer:
                flight.refused_count += answer.status != 202

        began = time.perf_counter()
        tasks: list[asyncio.Task[None]] = []
        for number in range(int(flight.per_second * flight.seconds)):
            pause = began + number / flight.per_second - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            tasks.append(asyncio.create_task(change(number)))
        await asyncio.gather(*tasks)
        flight.took = time.perf_counter() - began


async def _until_arrived(flight: Flight, receiver: Receiver) -> None:
    until = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < until and not flight.told_at.keys() <= receiver.arrived.keys():
        with suppress(TimeoutError):
            await asyncio.wait_for(receiver.news.wait(), 1)
        receiver.news.clear()
    flight.webhook_at = {each: receiver.arrived[each] for each in flight.told_at if each in receiver.arrived}


async def _read_feed(services: Services, flight: Flight) -> None:
    statement = text(
        "SELECT data->>'message_id' AS message_id, min(recorded_at) AS at FROM feed_events"
        " WHERE type = 'message.created' AND data->>'message_id' = ANY(:ids) GROUP BY 1"
    )
    async with services.transactions() as tx:
        rows = await tx._connection.execute(statement, {"ids": list(flight.told_at)})
        for row in rows:
            at: datetime = row.at
            flight.in_feed_at[row.message_id] = at.timestamp()


if __name__ == "__main__":
    run(measure)
