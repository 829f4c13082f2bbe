"""The vendor's webhook endpoint, as small as one can be: checks signatures, repeats challenges, keeps what came."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

PATH: Final = "/hooks/ostiary"


@dataclass(slots=True)
class Receiver:
    """What arrived. Set ``secret`` before the first message comes."""

    url: str = ""
    secret: str = ""
    is_away: bool = False
    """Answers 503, as an app does that is just being deployed."""
    refused: int = 0
    """How many messages found it away."""
    forged: int = 0
    """How many had no good signature."""
    received: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    """Messages by ``webhook-id``, every copy."""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, event_id: str) -> None:
        """Return once the event has come, once or more often."""
        async with self._news:
            await self._news.wait_for(lambda: event_id in self.received)

    async def handle(self, request: web.Request) -> web.Response:
        """Take one message."""
        body = await request.read()
        if not self._is_signed(request, body):
            self.forged += 1
            return web.Response(status=400)
        message: dict[str, Any] = json.loads(body)
        if message["type"] == "webhook.verify":
            return web.json_response({"challenge": message["data"]["challenge"]})
        if self.is_away:
            self.refused += 1
            return web.Response(status=503)
        async with self._news:
            self.received.setdefault(request.headers["webhook-id"], []).append(message)
            self._news.notify_all()
        return web.Response(status=204)

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        """By Standard Webhooks: ``v1`` is HMAC-SHA256 of id, time and body, in base64."""
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        given = request.headers["webhook-signature"].split()
        return any(hmac.compare_digest(wanted, each) for each in given)


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    """Listen on a free port of this machine."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post(PATH, receiver.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        receiver.url = f"http://127.0.0.1:{port}{PATH}"
        yield receiver
    finally:
        await runner.cleanup()
