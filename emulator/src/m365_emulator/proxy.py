"""Stand-in mode: a CONNECT proxy that takes Microsoft's host names to our TLS listener and refuses all others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from m365_emulator.tls import REAL_HOSTS

if TYPE_CHECKING:
    from m365_emulator.world.world import World

REQUEST_SECONDS = 10
CHUNK_BYTES = 65_536
NODE_PRELOAD = Path(__file__).with_name("node_preload.cjs")
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class StandInProxy:
    """Listens for CONNECT and pipes known hosts to the emulator.

    Args:
        world: Its tenants' domains are known hosts too, for autodiscover.
        target_port: The emulator's TLS port on `target_host`.
    """

    def __init__(self, world: World, target_host: str, target_port: int) -> None:
        self._world = world
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port; 0 takes a free one."""
        self._server = await asyncio.start_server(self._accept, host, port)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut open tunnels."""
        if self._server is not None:
            self._server.close()
        for pipe in list(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def knows(self, host: str) -> bool:
        """Say whether the emulator answers for this host name."""
        name = host.lower().rstrip(".")
        domain = name.removeprefix("autodiscover.")
        return (
            name in REAL_HOSTS
            or name == "localhost"
            or any(domain in tenant.domains for tenant in self._world.tenants)
        )

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection callback always runs in one
        self._pipes.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            self._pipes.discard(task)
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except (TimeoutError, asyncio.LimitOverrunError):
            return
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
        if len(words) != 3 or words[0].upper() != "CONNECT":
            await _refuse(writer, "405 Method Not Allowed", "This proxy only knows CONNECT.")
            return
        host = words[1].rpartition(":")[0].strip("[]")
        if not self.knows(host):
            await _refuse(writer, "403 Forbidden", f"The emulator does not stand in for {host[:253]}.")
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        client_socket: socket.socket | None = writer.get_extra_info("socket")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pipe(reader, upstream_writer, client_socket))
                group.create_task(_pipe(upstream_reader, writer, None))
        except* OSError:
            pass
        finally:
            await _close(upstream_writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


async def _refuse(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = text.encode()
    writer.write(
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
    with contextlib.suppress(OSError):
        await writer.drain()


async def _pipe(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, acknowledge: socket.socket | None
) -> None:
    """Copy until the end. Behind a proxy urllib3 leaves Nagle on and writes headers and body apart,
    so each POST would wait 40 ms for our acknowledgement unless it is sent at once."""
    while data := await reader.read(CHUNK_BYTES):
        if acknowledge is not None and _QUICKACK is not None:
            with contextlib.suppress(OSError):
                acknowledge.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()


def stand_in_environment(proxy_url: str, ca_bundle: str) -> dict[str, str]:
    """Return the variables that point a program at the emulator; empty ones clear what would bypass it."""
    return {
        "HTTPS_PROXY": proxy_url,
        "https_proxy": proxy_url,
        "NO_PROXY": "",
        "no_proxy": "",
        "REQUESTS_CA_BUNDLE": ca_bundle,
        "CURL_CA_BUNDLE": ca_bundle,
        "SSL_CERT_FILE": ca_bundle,
        "NODE_EXTRA_CA_CERTS": ca_bundle,
        "NODE_USE_ENV_PROXY": "1",
        "NODE_OPTIONS": _node_options(os.environ.get("NODE_OPTIONS", "")),
    }


def _node_options(given: str) -> str:
    """Add what makes Node before 22.21 use the proxy, and keep what the person has set."""
    path = str(NODE_PRELOAD).replace("\\", "\\\\").replace('"', '\\"')
    ours = f'--require "{path}"'
    return given if ours in given else f"{given} {ours}".strip()
