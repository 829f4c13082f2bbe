"""The feed as the vendor reads it, and workers that follow by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest_asyncio
from sqlalchemy import text

from ostiary.core.access.model import API_PERMISSIONS, Permission
from ostiary.core.audit.model import SYSTEM
from ostiary.core.feed.model import KEPT_FOR
from ostiary.entrypoints.worker.following import following

from .conftest import Followed


@pytest_asyncio.fixture
async def api(followed: Followed, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    permissions = API_PERMISSIONS - {Permission.METRICS_READ}
    _, key = await followed.app.access.create_api_key(name="App", permissions=permissions, actor=SYSTEM)
    client.headers["Authorization"] = f"Bearer {key.reveal()}"
    yield client
    del client.headers["Authorization"]


async def get(api: httpx.AsyncClient, path: str, *, status: int = 200, **query: Any) -> Any:
    answer = await api.get(path, params=query, timeout=40)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_reader_follows_from_the_first_event_to_the_newest(
    followed: Followed, api: httpx.AsyncClient
) -> None:
    await followed.read()
    path = f"/v1/connections/{followed.connection.id}/changes"
    items: list[Any] = []
    page = await get(api, path, limit=20)
    while True:
        items += page["items"]
        if not page["has_more"]:
            break
        page = await get(api, path, limit=20, cursor=page["next_cursor"])
    assert [each["sequence"] for each in items] == list(range(1, len(items) + 1))
    assert items[0]["type"] == "connection.connected"
    assert items[0]["data"]["member_id"] == "mem_1"
    assert {each["type"] for each in items} >= {"message.created", "event.created", "connection.synced"}
    newest = await get(api, path, start="newest")
    assert (newest["items"], newest["next_cursor"]) == ([], page["next_cursor"])

    waiting = asyncio.create_task(get(api, path, cursor=newest["next_cursor"], wait=30))
    new_id = await followed.truth.write("while somebody waits")
    await followed.sweep()
    async with asyncio.timeout(20):
        (heard,) = (await waiting)["items"]
    assert (heard["type"], heard["data"]["message_id"]) == ("message.created", new_id)
    assert "while somebody waits" not in str(heard)
    async with followed.app.transactions() as tx:
        counted = await tx._connection.scalar(text("SELECT count(*) FROM read_counts"))
    assert counted == 0, "who only follows the feed reads no mailbox, however often"


async def test_wrong_and_old_cursors_are_told_apart(followed: Followed, api: httpx.AsyncClient) -> None:
    path = f"/v1/connections/{followed.connection.id}/changes"
    page = await get(api, path, limit=1)
    other = await get(api, f"/v1/organizations/{followed.connection.organization_id}/changes", limit=1)
    assert (await get(api, path, status=400, cursor=other["next_cursor"]))["code"] == "invalid_request"
    assert (await get(api, path, status=400, cursor="x"))["code"] == "invalid_request"
    await get(api, path, status=400, wait=31)
    await followed.read()
    followed.app.clock.advance(KEPT_FOR + timedelta(seconds=1))
    await followed.app.feed.trim()
    problem = await get(api, path, status=410, cursor=page["next_cursor"])
    assert problem["code"] == "feed_cursor_expired"


async def test_progress_and_coverage_are_shown(followed: Followed, api: httpx.AsyncClient) -> None:
    path = f"/v1/connections/{followed.connection.id}"
    before = await get(api, f"{path}/sync")
    assert [each["stage"] for each in before["sources"]] == ["initial", "initial"]
    await followed.read()
    followed.app.clock.advance(timedelta(minutes=10))
    await followed.sweep()
    after = await get(api, f"{path}/sync")
    assert [(each["source"], each["stage"]) for each in after["sources"]] == [
        ("mail", "live"),
        ("calendar", "live"),
    ]
    assert after["sources"][0]["items_counted"] >= 40
    start = followed.connection.created_at.isoformat()
    answer = await get(api, f"{path}/coverage", **{"from": start, "to": "2030-01-01T00:00:00Z"})
    assert answer["is_complete"] is True
    assert {each["how"] for each in answer["stretches"]} == {"initial", "changes"} - (
        {"initial"} if answer["stretches"][0]["how"] == "changes" else set()
    )
    await get(api, f"{path}/coverage", status=400, **{"from": "2030-01-01T00:00:00Z", "to": start})


async def test_workers_follow_by_themselves(followed: Followed) -> None:
    async with following(followed.app):

        async def is_live() -> bool:
            stages = {each.stage.value for each in await followed.app.sync.progress(followed.connection.id)}
            return stages == {"live"}

        await followed.until(is_live, seconds=40)
        await followed.app.subscriptions.keep()
        await followed.news()
        new_id = await followed.truth.write("nobody asked")

        async def heard() -> bool:
            return ("message.created", new_id) in await followed.told()

        await followed.until(heard, seconds=40)
    assert await followed.projection() == await followed.truth.messages()
