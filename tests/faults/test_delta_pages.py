"""What Microsoft's pages of changes can do: forget, repeat, say nothing, lead in circles, lead elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from .conftest import ROUNDS
from .following import RunningFeed
from .wire import AGAIN


def pages(request: web.Request) -> bool:
    return request.method == "GET" and request.path.endswith("/messages/delta")


def answer(content: Any, status: int = 200) -> web.Response:
    return web.json_response(content, status=status)


@pytest.mark.parametrize("kind", ["410", "syncStateNotFound"])
async def test_forgotten_positions_lead_to_a_comparison_without_gaps_or_false_deletes(
    feed: RunningFeed, kind: str
) -> None:
    for _ in range(ROUNDS):
        await feed.write()
        told = {each.connection_id: len(await feed.oracle.feed(each.connection_id)) for each in feed.both}
        if kind == "410":
            for each in feed.both:
                feed.emulator.control("POST", f"/users/{each.mailbox.address}/forget-changes")
            await feed.write()
        else:
            forgotten: Counter[str] = Counter()

            async def forget(request: web.Request, _: bytes, seen: Counter[str] = forgotten) -> Any:
                seen[request.raw_path] += 1
                if "token" not in request.query_string.lower() or seen[request.raw_path] > 1:
                    return None
                return answer({"error": {"code": "syncStateNotFound", "message": "Sync state."}}, 410)

            with feed.wire.poison(forget, where=pages):
                await feed.write()
                await feed.settle()
            assert forgotten
        await feed.require_converged()
        for each in feed.both:
            real = await each.mailbox.messages()
            for event in (await feed.oracle.feed(each.connection_id))[told[each.connection_id] :]:
                if event["type"] == "message.deleted":
                    assert event["data"]["message_id"] not in real, "called deleted, and it is there"


async def test_the_same_changes_again_and_again_are_told_once(feed: RunningFeed) -> None:
    for _ in range(ROUNDS):
        kept: dict[str, list[Any]] = {}

        async def repeat(request: web.Request, content: bytes, kept: dict[str, list[Any]] = kept) -> Any:
            """Each item three times, and everything of earlier pages of the folder once more before it."""
            page = json.loads(content)
            if "value" not in page:
                return None
            old = kept.setdefault(request.path, [])
            page["value"] = old + page["value"] * 3
            kept[request.path] = page["value"][-40:]
            return answer(page)

        with feed.wire.poison(repeat, where=pages):
            for _ in range(3):
                await feed.write()
                await feed.settle()
        assert any(kept.values())
        await feed.require_converged()


async def test_empty_pages_that_go_on_are_followed_to_the_end(feed: RunningFeed) -> None:
    for _ in range(ROUNDS):
        seen: Counter[str] = Counter()

        async def nothing_yet(request: web.Request, _: bytes, seen: Counter[str] = seen) -> Any:
            if request.raw_path.count(AGAIN) >= 3:
                return None
            seen["empty"] += 1
            return answer({"value": [], "@odata.nextLink": f"{feed.wire.url}{request.raw_path}{AGAIN}"})

        with feed.wire.poison(nothing_yet, where=pages):
            await feed.write()
            await feed.settle()
            for each in feed.both:
                await feed.oracle.require_known(each.connection_id, each.mailbox)
        assert seen["empty"] >= 3
        await feed.require_converged()


async def test_circles_are_cut_and_the_folder_is_compared_anew(feed: RunningFeed) -> None:
    for _ in range(ROUNDS):
        asked = feed.wire.asked.total()

        async def round_and_round(request: web.Request, _: bytes) -> Any:
            turn = (request.raw_path.count(AGAIN) + 1) % 3
            path = request.raw_path.replace(AGAIN, "")
            return answer({"value": [], "@odata.nextLink": f"{feed.wire.url}{path}{AGAIN * turn}"})

        with feed.wire.poison(round_and_round, where=pages):
            await feed.write()
            await feed.settle()
            await feed.under(steps=2)
        assert feed.wire.asked.total() - asked < 300, "went round for long"
        await feed.require_converged()


@pytest.mark.parametrize("link", ["@odata.nextLink", "@odata.deltaLink"])
async def test_links_to_another_host_are_refused(feed: RunningFeed, link: str) -> None:
    for _ in range(ROUNDS):
        strangers: list[str] = []

        async def elsewhere(request: web.Request, _: bytes) -> Any:
            foreign = feed.receiver.url.replace("127.0.0.1", "localhost")
            return answer({"value": [], link: f"{foreign}/v1.0/me/mailFolders/delta?token=x"})

        before = {path: len(copies) for path, copies in feed.receiver.bodies.items()}
        with feed.wire.poison(elsewhere, where=pages):
            await feed.write(2)
            for each in feed.both:
                await feed.until_marked(each)
            await feed.services.sync.read_due()
        strangers = [path for path in feed.receiver.bodies if path not in before]
        assert strangers == [], "a bearer token went to another host"
        await feed.require_converged()
