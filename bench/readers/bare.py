"""The least that any client does: ask for the same pages and parse their JSON. With httpx, or with aiohttp and orjson."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import httpx
import orjson
from order import Order, each_of, first_order, serve
from yarl import URL

from ostiary.adapters.graph.codec.calendar import EVENT_FIELDS
from ostiary.adapters.graph.codec.mail import ATTACHMENT_EXPANSION, MESSAGE_FIELDS, SUMMARY_FIELDS

Get = Callable[[str], Awaitable[dict[str, Any]]]


def first_url(order: Order) -> str:
    """Return the address of the first page: what our gateway asks for, too."""
    if order.what == "messages":
        path = "/me/messages"
        query = {"$top": str(order.page_size), "$select": SUMMARY_FIELDS, "$orderby": "receivedDateTime desc"}
    else:
        path = "/me/calendar/calendarView"
        start, end = order.window_on_the_wire
        query = {
            "startDateTime": start,
            "endDateTime": end,
            "$top": str(order.page_size),
            "$select": EVENT_FIELDS,
            "$orderby": "start/dateTime",
        }
    return f"{order.url}/v1.0{path}?{urlencode(query, quote_via=quote)}"


def message_url(order: Order, message_id: str) -> str:
    """Return the address of one message with its body."""
    query = urlencode({"$select": MESSAGE_FIELDS, "$expand": ATTACHMENT_EXPANSION}, quote_via=quote)
    return f"{order.url}/v1.0/me/messages/{quote(message_id, safe='')}?{query}"


def reading(order: Order, get: Get) -> Callable[[], Awaitable[int]]:
    async def pages() -> int:
        count = 0
        url: str | None = first_url(order)
        while url is not None:
            page = await get(url)
            count += len(page["value"])
            url = page.get("@odata.nextLink")
        return count

    async def bodies() -> int:
        return await each_of(
            order.message_ids, order.at_once, lambda message_id: get(message_url(order, message_id))
        )

    return bodies if order.what == "bodies" else pages


async def main(library: str) -> None:
    order = first_order()
    headers = {"Authorization": f"Bearer {order.token}", "Prefer": 'IdType="ImmutableId"'}
    if library == "httpx":
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:

            async def get(url: str) -> dict[str, Any]:
                return (await client.get(url)).raise_for_status().json()

            await serve(lambda asked: reading(asked, get))
    else:
        async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:

            async def get_with_aiohttp(url: str) -> dict[str, Any]:
                async with session.get(URL(url, encoded=True)) as answer:
                    return orjson.loads(await answer.read())

            await serve(lambda asked: reading(asked, get_with_aiohttp))


asyncio.run(main(sys.argv[1]))
