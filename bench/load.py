"""Posts to an address, as many as are answered or so many a second; prints what that took. A process of its own.

One JSON object on standard input: ``posts`` (a list of address and body, taken in turn), ``seconds``, and ``at_once``
or ``per_second``. One on standard output: ``count``, ``failed``, ``seconds``, ``milliseconds`` (one for each post,
from the moment it was due, so that waiting in line counts).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import Any

import aiohttp


async def main() -> None:
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    posts = itertools.cycle([(url, body.encode()) for url, body in order["posts"]])
    milliseconds: list[float] = []
    failed = 0
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:

        async def post(due: float) -> None:
            nonlocal failed
            url, body = next(posts)
            try:
                async with session.post(
                    url, data=body, headers={"Content-Type": "application/json"}
                ) as answer:
                    await answer.read()
                    failed += answer.status not in (200, 202)
            except (aiohttp.ClientError, TimeoutError):
                failed += 1
            milliseconds.append((time.perf_counter() - due) * 1000)

        for _ in range(20):
            await post(time.perf_counter())
        milliseconds.clear()
        began = time.perf_counter()
        if "at_once" in order:
            await asyncio.gather(*(_again(post, began + order["seconds"]) for _ in range(order["at_once"])))
        else:
            tasks: list[asyncio.Task[None]] = []
            for number in range(int(order["seconds"] * order["per_second"])):
                due = began + number / order["per_second"]
                if (pause := due - time.perf_counter()) > 0:
                    await asyncio.sleep(pause)
                tasks.append(asyncio.create_task(post(due)))
            await asyncio.gather(*tasks)
        seconds = time.perf_counter() - began
    print(
        json.dumps(
            {"count": len(milliseconds), "failed": failed, "seconds": seconds, "milliseconds": milliseconds}
        )
    )


async def _again(post: Any, until: float) -> None:
    while (now := time.perf_counter()) < until:
        await post(now)


if __name__ == "__main__":
    asyncio.run(main())
