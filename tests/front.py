"""One web server for a whole run, in front of one application after the other.

To start and end a server for each test takes a quarter of a second, mostly in waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any, Self

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """Serves on one socket what :meth:`serve` was told last, and 503 between two applications."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
            )
        )
        self._running: asyncio.Task[None] | None = None
        self._app: ASGIApp = _NOTHING
        self._requests: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started:
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        if self._running is not None:
            await self._running

    def serve(self, app: ASGIApp) -> None:
        """Serve this application from now on."""
        self._app = app

    async def withdraw(self) -> None:
        """Serve nothing. What is still being answered is broken off, or it would outlive its services."""
        self._app = _NOTHING
        for request in tuple(self._requests):
            request.cancel()
        while self._requests:
            await asyncio.sleep(0)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = asyncio.current_task()
        assert request is not None
        self._requests.add(request)
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests.discard(request)


_NOTHING = PlainTextResponse("No test serves anything here now.", status_code=503)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the test runner."""
        yield
