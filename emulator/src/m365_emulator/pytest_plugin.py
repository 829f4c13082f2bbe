"""Pytest plugin: one fixture that starts the emulator on free ports.

The server starts once per session, when the first test asks for `m365_emulator`;
each test gets it freshly reset. Ini options `m365_emulator_seed` and
`m365_emulator_messages` choose the world.
"""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from m365_emulator.server import Emulator
    from m365_emulator.world.world import World

START_SECONDS = 30


class RunningEmulator:
    """An emulator that runs beside the tests, in a thread of its own."""

    def __init__(self, home: Path, seed: str, messages: int) -> None:
        self._home, self._seed, self._messages = home, seed, messages
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="m365-emulator", daemon=True)
        self._emulator: Emulator

    def start(self) -> None:
        """Start the server and wait until it listens."""
        from m365_emulator.server import Emulator
        from m365_emulator.world.keys import KeyRing
        from m365_emulator.world.seed import SeedSource
        from m365_emulator.world.world import World

        world = World(
            source=SeedSource(self._seed, messages_per_mailbox=self._messages),
            keyring=KeyRing(self._home / "signing-keys.pem"),
        )
        self._emulator = Emulator(world, self._home, proxy_port=0, smtp_port=0)
        self._thread.start()
        self._call(self._emulator.start())

    def stop(self) -> None:
        """Stop the server and its thread."""
        self._call(self._emulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def _call(self, work: Any) -> Any:
        result: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return result.result(START_SECONDS)

    @property
    def http_url(self) -> str:
        """Base URL without TLS."""
        return self._emulator.http_url

    @property
    def https_url(self) -> str:
        """Base URL with TLS, for clients that insist on it; trust `ca`."""
        return self._emulator.https_url

    @property
    def ca(self) -> str:
        """Path of the CA certificate."""
        return str(self._emulator.tls.ca)

    @property
    def smtp_port(self) -> int:
        """Port that takes mail for emulated mailboxes."""
        return self._emulator.smtp_port or 0

    @property
    def world(self) -> World:
        """The world itself. The server uses it too: change it only while no request runs."""
        return self._emulator.world

    def stand_in_environment(self) -> dict[str, str]:
        """Return the variables that make a program meet the emulator under Microsoft's host names."""
        return self._emulator.stand_in_environment()

    def reset(self) -> None:
        """Build the world anew from the seed."""

        async def work() -> None:
            self.world.reset()

        self._call(work())

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the control API, `path` without `/control`, and return its JSON.

        Raises:
            ValueError: The control API refused; the message is its own.
        """
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.http_url}/control{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"content-type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=START_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(json.load(error)["error"]) from None

    def set_scenario(self, tenant: str, scenario: str) -> None:
        """Put a failure scenario in force for one tenant until the next reset."""
        self.control("PUT", f"/tenants/{tenant}/scenario", {"id": scenario})

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock forward."""
        self.control("POST", "/clock", {"advance_seconds": seconds})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("m365_emulator_seed", "'sample', 'empty' or a YAML file for the emulator", default="sample")
    parser.addini("m365_emulator_messages", "messages in each emulated mailbox", default="20")


@pytest.fixture(scope="session")
def m365_emulator_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEmulator]:
    """The running emulator, shared by the session and not reset."""
    running = RunningEmulator(
        tmp_path_factory.mktemp("m365-emulator"),
        str(request.config.getini("m365_emulator_seed")),
        int(str(request.config.getini("m365_emulator_messages"))),
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def m365_emulator(m365_emulator_server: RunningEmulator) -> RunningEmulator:
    """The emulator on free ports, with a fresh world for each test."""
    m365_emulator_server.reset()
    return m365_emulator_server
