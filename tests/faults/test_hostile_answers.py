"""Microsoft cannot be reached, or what answers is no honest server: refused within caps, and nothing half applied."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from .conftest import ROUNDS, SECONDS_TO_MICROSOFT
from .following import RunningFeed

MOST_RISE = 64 * 1024 * 1024
"""Of memory, while hostile answers are refused (RR-9)."""
Answering = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


def saying(content: bytes, *, kind: str = "application/json", encoding: str | None = None) -> Answering:
    async def answer(_: web.Request, __: bytes) -> web.StreamResponse:
        headers = {"Content-Type": kind}
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        return web.Response(body=content, headers=headers)

    return answer


def cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def reset(request: web.Request, _: bytes) -> web.StreamResponse:
    cut(request)
    return web.Response()


async def reset_in_the_middle(request: web.Request, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Length": str(len(content)), "Content-Type": "application/json"}
    )
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    cut(request)
    return response


async def drip(request: web.Request, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for byte in content:
        try:
            await response.write(bytes([byte]))
        except OSError:
            break
        await asyncio.sleep(0.1)
    return response


async def truncated(_: web.Request, content: bytes) -> web.StreamResponse:
    return web.Response(body=content[: len(content) // 2], content_type="application/json")


async def twice_the_same_key(_: web.Request, content: bytes) -> web.StreamResponse:
    """Which of the two counts is anybody's guess: the parser must choose, and neither may do harm."""
    return web.Response(body=content[:-1] + b',"value":5}', content_type="application/json")


async def without_end(request: web.Request, _: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    piece = b'{"value":[' + b" " * 262_144
    try:
        # 1 GB, if anybody listened for so long.
        for _ in range(4096):
            await response.write(piece)
    except OSError:
        pass
    return response


ANSWERS: dict[str, Answering] = {
    "reset": reset,
    "reset-in-the-middle": reset_in_the_middle,
    "slow-drip": drip,
    "garbage": saying(bytes(range(256)) * 8),
    "truncated": truncated,
    "html-with-200": saying(b"<!doctype html><title>Sign in</title>", kind="text/html"),
    "a-list": saying(b"[]"),
    "wrong-type": saying(b'{"value":5,"@odata.deltaLink":7}'),
    "same-key-twice": twice_the_same_key,
    "without-end": without_end,
    "bomb": saying(gzip.compress(b" " * (256 * 1024 * 1024), 1), encoding="gzip"),
    "deep-nesting": saying(b'{"value":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
}


def memory(name: str) -> int:
    """A figure of this process in bytes, such as ``VmRSS`` or its peak ``VmHWM``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


def reading(request: web.Request) -> bool:
    return request.method == "GET" and request.path.startswith("/v1.0/me/")


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_no_honest_server_says_is_refused_within_caps(feed: RunningFeed, name: str) -> None:
    for _ in range(ROUNDS):
        cursors = [await feed.oracle.cursors(each.connection_id) for each in feed.both]
        told = [len(await feed.oracle.feed(each.connection_id)) for each in feed.both]
        seen = feed.wire.poisoned
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        with feed.wire.poison(ANSWERS[name], where=reading):
            # Both mailboxes, mail and calendar of each: what is read at once has a cap together.
            for each in feed.both:
                await each.act("write")
                await feed.until_marked(each)
            await feed.step()
            assert feed.wire.poisoned > seen
            assert [await feed.oracle.cursors(each.connection_id) for each in feed.both] == cursors
            for each, count in zip(feed.both, told, strict=True):
                since = (await feed.oracle.feed(each.connection_id))[count:]
                assert [one["type"] for one in since if one["type"].endswith("deleted")] == []
        assert memory("VmHWM") - before < MOST_RISE
        await feed.require_converged()


async def test_a_host_that_refuses_everybody_is_tried_again(feed: RunningFeed) -> None:
    for _ in range(ROUNDS):
        cursors = [await feed.oracle.cursors(each.connection_id) for each in feed.both]
        async with feed.wire.refusing():
            await feed.under(steps=2)
        assert [await feed.oracle.cursors(each.connection_id) for each in feed.both] == cursors
        await feed.require_converged()


async def test_silence_ends_with_the_time_out_and_leaves_no_task_behind(feed: RunningFeed) -> None:
    for _ in range(ROUNDS):
        with feed.wire.poison(feed.wire.hang, where=reading):
            await feed.write(2)
            for each in feed.both:
                await feed.until_marked(each)
            began = time.monotonic()
            await feed.services.sync.read_due()
            # Up to two calls one after the other and a second of turns, on a machine that may be busy.
            assert time.monotonic() - began < 10 * SECONDS_TO_MICROSOFT
        assert [task for task in asyncio.all_tasks() if "SyncService" in repr(task.get_coro())] == []
        await feed.require_converged()
