"""The wire between the service and the emulator: cut, clogged or poisoned in the ways that no honest server knows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web

_HOP_HEADERS = {"transfer-encoding", "content-length", "connection", "content-encoding", "keep-alive"}

AGAIN = "&wire=again"
"""Makes an address another one, until it comes to the wire."""

Poison = Callable[[web.Request, bytes], Awaitable[web.StreamResponse | None]]
"""Gets a request and Microsoft's answer to it; returns what the service gets instead, or None for that answer."""


@dataclass
class Wire:
    """Passes everything on, but for what a test puts in the way. ``url`` stands for Microsoft's hosts."""

    target: str
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    """Requests by method and path."""
    refreshed: Counter[str] = field(default_factory=Counter)
    """Refreshes that Microsoft granted and whose answer went through, by the directory in the address."""
    poisoned: int = 0
    """Answers that were replaced."""
    _poison: Poison | None = None
    _matches: Callable[[web.Request], bool] | None = None
    _is_asked: bool = True
    _silent: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def poison(
        self, poison: Poison, *, where: Callable[[web.Request], bool], is_asked: bool = True
    ) -> Iterator[None]:
        """Let answers of this kind be replaced for a while; Microsoft is not even asked unless ``is_asked``."""
        self._poison, self._matches, self._is_asked = poison, where, is_asked
        self._silent.clear()
        try:
            yield
        finally:
            self._poison = self._matches = None
            self._silent.set()

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Listen to nobody for a while: connecting is refused, and what was open is closed."""
        await self._stop()
        try:
            yield
        finally:
            await self._listen(self._port)

    async def hang(self, request: web.Request, content: bytes) -> web.StreamResponse:
        """Say nothing until the trouble is over."""
        del request, content
        await self._silent.wait()
        return web.Response(status=503)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked[f"{request.method} {request.path}"] += 1
        if (
            self._poison is not None
            and self._matches is not None
            and not self._is_asked
            and self._matches(request)
        ):
            self.poisoned += 1
            made = await self._poison(request, body)
            assert made is not None
            return made
        form = dict(parse_qsl(body.decode())) if request.path.endswith("/oauth2/v2.0/token") else {}
        async with self._session.request(
            request.method,
            f"{self.target}{request.raw_path.replace(AGAIN, '')}",
            data=body,
            headers={
                name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS
            },
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            if self._poison is not None and self._matches is not None and self._matches(request):
                # Counted first: an answer without end is still being written when the service has long hung up.
                self.poisoned += 1
                replaced = await self._poison(request, content)
                if replaced is not None:
                    return replaced
                self.poisoned -= 1
            if form.get("grant_type") == "refresh_token" and answer.status == 200:
                self.refreshed[request.path.split("/")[1]] += 1
            reply = web.Response(status=answer.status, body=content)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_HEADERS:
                    reply.headers.add(name, value)
            return reply

    async def _listen(self, port: int) -> None:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        await self._runner.cleanup()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Wire]:
        async with aiohttp.ClientSession(auto_decompress=True) as self._session:
            await self._listen(0)
            self.url = f"http://127.0.0.1:{self._port}"
            try:
                yield self
            finally:
                self._silent.set()
                await self._stop()
