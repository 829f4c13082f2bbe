"""An endpoint of the vendor's that is out of order, while another one takes everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from ostiary.core.audit.model import SYSTEM

from .conftest import ROUNDS
from .following import RunningFeed
from .receiver import Answer

SECONDS_TO_ENDPOINTS = 1.0
"""Longest attempt in these tests; 15 seconds in the product."""


def status(code: int, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers=headers)

    return answer


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3 * SECONDS_TO_ENDPOINTS)
    return web.Response()


async def drips(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(30):
        try:
            await response.write(b".")
        except OSError:
            break
        await asyncio.sleep(0.1)
    return response


async def huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    try:
        for _ in range(4096):
            await response.write(b"x" * 262_144)
    except OSError:
        pass
    return response


ANSWERS: dict[str, Answer] = {
    "redirect": status(302, Location="http://169.254.169.254/latest/meta-data"),
    "slow-down": status(429, **{"Retry-After": "120"}),
    "broken": status(500),
    "hangs": hangs,
    "drips": drips,
    "huge": huge,
}


@asynccontextmanager
async def endpoint(feed: RunningFeed, path: str) -> AsyncIterator[str]:
    """One more endpoint, gone at the end."""
    # What happened before is not for it.
    await feed.move_clocks(timedelta(seconds=1))
    issued = await feed.services.webhooks.endpoints.add(f"{feed.receiver.url}{path}", actor=SYSTEM)
    await feed.services.webhooks.endpoints.prove(issued.endpoint.id, actor=SYSTEM)
    post = feed.services.webhooks.sender._post
    before, post._most_seconds = post._most_seconds, SECONDS_TO_ENDPOINTS  # type: ignore[attr-defined]
    try:
        yield issued.endpoint.id
    finally:
        post._most_seconds = before  # type: ignore[attr-defined]
        feed.receiver.answers.pop(path, None)
        await feed.services.webhooks.endpoints.delete(issued.endpoint.id, actor=SYSTEM)


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_endpoint_out_of_order_delays_nobody_and_gets_everything_in_the_end(
    feed: RunningFeed, name: str
) -> None:
    for turn in range(ROUNDS):
        path = f"/{name}{turn}"
        async with endpoint(feed, path) as endpoint_id:
            feed.receiver.answers[path] = ANSWERS[name]
            await feed.write()
            for each in feed.both:
                await feed.until_marked(each)
            await feed.step()
            assert feed.receiver.bodies[path], "nothing was sent there"
            assert not feed.receiver.taken[path] or name == "drips"
            # Whoever is in order has everything already.
            await feed.oracle.require_delivered("/hook", feed.endpoint_id)
            del feed.receiver.answers[path]
            await feed.require_converged()
            await feed.oracle.require_delivered(path, endpoint_id)


async def test_an_endpoint_that_says_that_it_is_gone_is_asked_no_more(feed: RunningFeed) -> None:
    for turn in range(ROUNDS):
        path = f"/gone{turn}"
        async with endpoint(feed, path) as endpoint_id:
            feed.receiver.answers[path] = status(410)
            await feed.write()
            for each in feed.both:
                await feed.until_marked(each)
            await feed.step()
            copies = sum(len(each) for each in feed.receiver.bodies[path].values())
            assert copies
            assert await feed.oracle.value(
                "SELECT status FROM webhook_endpoints WHERE id = :e", e=endpoint_id
            ) == ("disabled")
            await feed.under(steps=2, by=timedelta(hours=1))
            await feed.require_converged()
            assert sum(len(each) for each in feed.receiver.bodies[path].values()) == copies
