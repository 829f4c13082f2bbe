"""Serving the web application, and stopping it without losing anybody's request (SR-107)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Final

import structlog
import uvicorn

from ostiary.bootstrap import Services
from ostiary.entrypoints.web.app import create_app

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 15

log = structlog.get_logger("ostiary.web")


class WebServer:
    """One uvicorn server on one socket; stops when told, not by signals of its own."""

    def __init__(self, services: Services, listener: socket.socket) -> None:
        self._services = services
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                create_app(services),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # Forwarded headers are judged by our own layer, which knows whom to trust.
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=int(services.settings.shutdown_seconds),
                h11_max_incomplete_event_size=32 * 1024,
            )
        )

    async def run(self) -> None:
        """Answer requests until :meth:`stop`."""
        await self._server.serve(sockets=[self._listener])

    async def started(self) -> None:
        """Wait until requests are answered."""
        await self._server.answering.wait()

    async def stop(self, *, drain_seconds: float) -> None:
        """Turn readiness off, wait until load balancers have noticed, then finish what runs.

        A second call ends the waiting.
        """
        health = self._services.health
        if health.stopping:
            self._server.force_exit = True
            self._server.should_exit = True
            return
        health.stopping = True
        log.info("stopping", drain_seconds=drain_seconds)
        await asyncio.sleep(drain_seconds)
        self._server.should_exit = True


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell whoever waits for it."""
        await super().startup(sockets=sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the process: it stops more than this server."""
        yield


def open_listener(host: str, port: int) -> socket.socket:
    """Return a listening-ready socket; port 0 picks a free one.

    Raises:
        OSError: The address is not ours or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
