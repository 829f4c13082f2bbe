"""Posting to addresses that somebody else chose, and to servers that behave badly."""

from __future__ import annotations

import asyncio
import gzip
import socket
from datetime import timedelta
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from ostiary.adapters.delivery.post import GuardedResolver, HTTPWebhookPost
from ostiary.core.webhooks.destination import EgressRules

DEVELOPMENT = EgressRules(allow_private=True)
Receiver = Any


def posting(rules: EgressRules = DEVELOPMENT, **options: Any) -> HTTPWebhookPost:
    return HTTPWebhookPost(rules, user_agent="ostiary/test", **options)


async def test_what_is_sent_arrives_as_it_is(receiver: Receiver) -> None:
    async with posting() as post:
        answer = await post.post(receiver.url, {"webhook-id": "evt_1"}, b'{"a": 1}')
    assert (answer.status, answer.text, answer.trouble) == (200, "ok", None)
    (request,) = receiver.seen
    assert (request.headers["webhook-id"], request.headers["content-type"]) == ("evt_1", "application/json")
    assert receiver.bodies == [b'{"a": 1}']


async def test_no_redirect_is_followed(receiver: Receiver) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/other"})

    receiver.answer = elsewhere
    async with posting() as post:
        answer = await post.post(receiver.url, {}, b"{}")
    assert (answer.status, answer.is_success, len(receiver.seen)) == (307, False, 1)


async def test_an_answer_that_drips_ends_with_the_wall_clock(receiver: Receiver) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.05)

    receiver.answer = drip
    async with posting(most_seconds=0.5) as post:
        answer = await post.post(receiver.url, {}, b"{}")
    assert (answer.status, answer.trouble) == (None, "It did not answer within 0.5 seconds.")


async def test_of_a_huge_answer_64_kilobytes_are_read(receiver: Receiver) -> None:
    async def huge(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    receiver.answer = huge
    async with posting() as post:
        answer = await post.post(receiver.url, {}, b"{}")
    assert (answer.status, len(answer.text)) == (200, 64 * 1024)


async def test_a_bomb_is_not_unpacked(receiver: Receiver) -> None:
    async def bomb(_: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b"x" * 10_000_000), headers={"Content-Encoding": "gzip"})

    receiver.answer = bomb
    async with posting() as post:
        answer = await post.post(receiver.url, {}, b"{}")
    assert len(answer.text) < 20_000


async def test_retry_after_is_read_and_nonsense_is_not(receiver: Receiver) -> None:
    said = ["120", "soon"]

    async def busy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": said.pop(0)})

    receiver.answer = busy
    async with posting() as post:
        assert (await post.post(receiver.url, {}, b"{}")).retry_after == timedelta(seconds=120)
        assert (await post.post(receiver.url, {}, b"{}")).retry_after is None


async def test_a_closed_port_is_an_answer_too(unused_tcp_port: int) -> None:
    async with posting() as post:
        answer = await post.post(f"http://127.0.0.1:{unused_tcp_port}/", {}, b"{}")
    assert (answer.status, answer.trouble) == (None, "No connection could be opened.")


async def test_a_name_that_leads_to_this_machine_is_refused(receiver: Receiver) -> None:
    async with posting(EgressRules()) as post:
        answer = await post.post(f"https://localhost:{receiver.port}/", {}, b"{}")
    assert "private or special network" in str(answer.trouble)
    assert not receiver.seen


class _Rebinding(AbstractResolver):
    """Leads to this machine by another name each time, as an attacker's name server does."""

    def __init__(self, inner: GuardedResolver) -> None:
        self._inner = inner
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        return await self._inner.resolve("localhost" if self.asked % 2 else "127.0.0.1", port, family)

    async def close(self) -> None:
        return


async def test_a_name_that_turns_inward_a_thousand_times_never_gets_there(receiver: Receiver) -> None:
    resolver = _Rebinding(GuardedResolver(EgressRules()))
    async with posting(EgressRules(), resolver=resolver) as post:
        for _ in range(1000):
            answer = await post.post(f"http://rebind.larkspur.example:{receiver.port}/", {}, b"{}")
            assert answer.status is None
    assert resolver.asked == 1000
    assert not receiver.seen
