"""One app for the three services, served over plain HTTP and over TLS at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from m365_emulator import control, ews, graph
from m365_emulator.dispatch import TRANSPORT, Dispatcher, Service
from m365_emulator.entra.routes import routes as entra_routes
from m365_emulator.proxy import StandInProxy, stand_in_environment
from m365_emulator.smtp import SMTPListener
from m365_emulator.tls import TLSFiles, ensure_certificates
from m365_emulator.world.mailbox.held import keep_releasing

if TYPE_CHECKING:
    from m365_emulator.world.world import World

STOP_SECONDS = 0.5
"""How long open requests may still run after a stop signal; streams are cut then."""


def create_app(world: World) -> Dispatcher:
    """Return the ASGI app of all services over one world."""
    return Dispatcher(
        world,
        entra=Service(entra_routes(world)),
        control=Service(control.routes(world)),
        resources=[Service(graph.routes(world)), Service(ews.routes(world))],
    )


class EmulatorProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it; lets faults reach the connection itself."""

    def on_message_begin(self) -> None:
        """Put the transport into the request's scope."""
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs several of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass(slots=True)
class Emulator:
    """A running emulator: an app, two listeners, certificates.

    Args:
        home: Folder of certificates and signing keys.
        http_port, https_port, proxy_port, smtp_port: 0 takes a free port.
    """

    world: World
    home: Path
    host: str = "127.0.0.1"
    http_port: int = 0
    https_port: int = 0
    proxy_port: int | None = None
    """Port of the stand-in proxy; None runs none."""
    smtp_port: int | None = None
    """Port of the SMTP listener; None runs none."""
    tls: TLSFiles = field(init=False)
    _servers: list[_Server] = field(default_factory=list[_Server], init=False)
    _proxy: StandInProxy | None = field(default=None, init=False)
    _smtp: SMTPListener | None = field(default=None, init=False)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]], init=False)

    @property
    def http_url(self) -> str:
        """Base URL without TLS."""
        return f"http://{self.host}:{self.http_port}"

    @property
    def https_url(self) -> str:
        """Base URL with TLS; its certificate names localhost."""
        return f"https://localhost:{self.https_port}"

    @property
    def proxy_url(self) -> str:
        """Address of the stand-in proxy."""
        return f"http://{self.host}:{self.proxy_port}"

    def stand_in_environment(self) -> dict[str, str]:
        """Return the variables that make a program meet the emulator under Microsoft's host names."""
        return stand_in_environment(self.proxy_url, str(self.tls.ca_bundle))

    async def start(self) -> None:
        """Listen; returns when both listeners accept connections.

        Raises:
            OSError: A port is taken; choose another or 0.
        """
        domains = [domain for tenant in self.world.tenants for domain in tenant.domains]
        self.tls = ensure_certificates(self.home, domains)
        app = create_app(self.world)
        plain = _listen(self.host, self.http_port)
        secure = _listen(self.host, self.https_port)
        self.http_port, self.https_port = plain.getsockname()[1], secure.getsockname()[1]
        self._serve(app, plain, {})
        self._serve(
            app, secure, {"ssl_certfile": str(self.tls.certificate), "ssl_keyfile": str(self.tls.key)}
        )
        while not all(server.started for server in self._servers):
            for task in self._tasks:
                if task.done():
                    await task
            await asyncio.sleep(0.005)
        self.world.background.start(keep_releasing(self.world))
        if self.proxy_port is not None:
            self._proxy = StandInProxy(self.world, self.host, self.https_port)
            self.proxy_port = await self._proxy.start(self.host, self.proxy_port)
        if self.smtp_port is not None:
            self._smtp = SMTPListener(self.world)
            self.smtp_port = await self._smtp.start(self.host, self.smtp_port)

    def _serve(self, app: Dispatcher, listener: socket.socket, tls: dict[str, Any]) -> None:
        config = uvicorn.Config(
            app,
            http=EmulatorProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
            **tls,
        )
        server = _Server(config)
        self._servers.append(server)
        self._tasks.append(asyncio.create_task(server.serve(sockets=[listener])))

    async def stop(self) -> None:
        """Stop listening; open requests get a moment to finish, then their connections are cut."""
        for listener in (self._proxy, self._smtp):
            if listener is not None:
                await listener.stop()
        for server in self._servers:
            server.should_exit = True
        await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for server in self._servers:
            for connection in list(server.server_state.connections):
                transport: asyncio.Transport | None = getattr(connection, "transport", None)
                if transport is not None:
                    transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.world.background.stop()

    def catch_signals(self) -> None:
        """From now on SIGINT and SIGTERM end `run_until_stopped`; call it before anybody is told that we are ready."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopped.set)

    async def run_until_stopped(self) -> None:
        """Serve until a caught signal, then stop."""
        waiting = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([waiting, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        await self.stop()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle off on accepted connections; without it every answer that is
    # written in two pieces waits 40 ms for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(1024)
    listener.setblocking(False)
    return listener
