"""The least that any receiver does: parse a post, store one row durably, answer 202. ASGI on uvicorn, psycopg, one process.

``python bench/bare_endpoint.py PORT``; the database's address is in ``BARE_DATABASE_URL``.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import orjson
import psycopg_pool
import uvicorn

TABLE = "CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, subscription text, item text)"
INSERT = "INSERT INTO bare (subscription, item) VALUES (%s, %s)"


class Endpoint:
    """The application."""

    def __init__(self, url: str) -> None:
        self._pool = psycopg_pool.AsyncConnectionPool(
            url, min_size=10, max_size=10, open=False, kwargs={"autocommit": True}
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self._pool.open(wait=True)
            async with self._pool.connection() as connection:
                await connection.execute(TABLE)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self._pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        status = 200
        if scope["method"] == "POST":
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            notice = orjson.loads(body)["value"][0]
            async with self._pool.connection() as connection:
                await connection.execute(INSERT, (notice["subscriptionId"], notice["resourceData"]["id"]))
            status = 202
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        Endpoint(os.environ["BARE_DATABASE_URL"]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=False,
        log_level="error",
    )
