"""A wire to Microsoft that does what was asked and then loses the answer."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

_NOT_PASSED_ON = frozenset(
    {"transfer-encoding", "connection", "content-length", "content-encoding", "keep-alive"}
)


@dataclass
class LossyLink:
    """Passes everything on. A request that ``loses`` names arrives and is done; its answer never comes."""

    upstream: str
    url: str = ""
    loses: str | None = None
    """Part of the first line or of the body of requests whose answers are lost."""
    losses_left: int = 0
    hangs: bool = False
    """Keep the line open without an answer, instead of dropping it."""
    cuts_after_bytes: int | None = None
    """End every longer answer after so many bytes, and the connection with it."""
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    passed_count: int = 0
    """Requests that ``loses`` names, lost or not."""

    def lose(self, what: str, *, times: int = 1, hangs: bool = False) -> None:
        """Lose the next answers to requests with ``what`` in first line or body."""
        self.loses, self.losses_left, self.hangs, self.passed_count = what, times, hangs, 0
        self.lost.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        async with (
            aiohttp.ClientSession(auto_decompress=False, trust_env=False) as session,
            session.request(
                request.method,
                f"{self.upstream}{request.raw_path}",
                data=io.BytesIO(body) if body else None,
                headers=headers,
                allow_redirects=False,
            ) as answer,
        ):
            content = await answer.read()
            if self._is_lost(request, body):
                self.lost.set()
                if self.hangs:
                    await asyncio.sleep(3600)
                assert request.transport is not None
                request.transport.abort()
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in _NOT_PASSED_ON or name.lower() == "content-encoding"
            }
            if self.cuts_after_bytes is not None and len(content) > self.cuts_after_bytes:
                return await self._cut(request, answer.status, kept, content[: self.cuts_after_bytes])
            return web.Response(status=answer.status, body=content, headers=kept)

    @staticmethod
    async def _cut(
        request: web.Request, status: int, headers: dict[str, str], part: bytes
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(part)
        assert request.transport is not None
        request.transport.close()
        return response

    def _is_lost(self, request: web.Request, body: bytes) -> bool:
        line = f"{request.method} {request.raw_path}"
        if self.loses is None or (self.loses not in line and self.loses.encode() not in body):
            return False
        self.passed_count += 1
        if self.losses_left <= 0:
            return False
        self.losses_left -= 1
        return True


@asynccontextmanager
async def lossy_link(upstream: str) -> AsyncGenerator[LossyLink]:
    """Run a link to ``upstream`` on a free port."""
    link = LossyLink(upstream)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", link.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (address,) = runner.addresses
    link.url = f"http://127.0.0.1:{address[1]}"
    try:
        yield link
    finally:
        await runner.cleanup()
