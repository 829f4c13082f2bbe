"""The vendor's own server: takes webhooks, writes down what came, and answers as a test chooses."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """What came in, by path: each path is an endpoint of its own."""

    bodies: dict[str, dict[str, list[bytes]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """Every copy that arrived, by path and ``webhook-id``."""
    taken: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Ids that were answered with 2xx, by path."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """How a path answers; the others say yes."""
    url: str = ""

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        message = json.loads(body)
        if message["type"] == "webhook.verify":
            return web.json_response({"challenge": message["data"]["challenge"]})
        message_id = request.headers["webhook-id"]
        self.bodies[request.path][message_id].append(body)
        answer = self.answers.get(request.path)
        response = web.Response(text="ok") if answer is None else await answer(request)
        if 200 <= response.status < 300:
            self.taken[request.path].add(message_id)
        return response

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Receiver]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
