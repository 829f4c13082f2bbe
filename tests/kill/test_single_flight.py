"""However many callers in however many processes: one refresh per expiry (SR-46, FG-4)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ostiary.core.kernel.clock import SystemClock
from ostiary.settings import Settings

from ..conftest import Emulator
from .people import Crowd
from .processes import environment
from .token_tap import TokenTap

PROCESSES = 4
CALLERS = 64
EXPIRIES = int(os.environ.get("EXPIRIES", "3"))
CONNECTIONS = 8 if EXPIRIES >= 100 else 1
"""Whose tokens expire at the same moment; each of them has all the callers."""


class Process:
    """One process of callers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(
        cls, settings: Settings, connection_ids: list[str], at: datetime
    ) -> AsyncIterator[Process]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("callers.py")),
            str(CALLERS),
            *connection_ids,
            env=environment(settings),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            started = cls(process)
            assert await started._say(at) == b"ready\n"
            yield started
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def ask(self, at: datetime) -> dict[str, list[str]]:
        """Let all its callers ask at ``at``; returns the different tokens they got, as hashes, by connection."""
        answer = json.loads(await self._say(at))
        assert answer["answered"] == CALLERS * len(answer["different"])
        return answer["different"]

    async def _say(self, at: datetime) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(at.isoformat().encode() + b"\n")
        async with asyncio.timeout(90):
            return await self._process.stdout.readline()


@pytest.mark.timeout(3600)
async def test_each_expiry_is_refreshed_once(
    crowd: Crowd, kill_settings: Settings, running_emulator: Emulator, tap: TokenTap
) -> None:
    customers = [await crowd.customer(approved=True) for _ in range(CONNECTIONS)]
    connection_ids = [await crowd.connected(customer) for customer in customers]
    moments = -(-EXPIRIES // CONNECTIONS)
    now = SystemClock().now()

    def refreshes() -> int:
        return sum(tap.refreshes[customer.tenant_id] for customer in customers)

    before = refreshes()
    tokens: set[str] = set()
    try:
        async with AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(Process.running(kill_settings, connection_ids, now))
                for _ in range(PROCESSES)
            ]
            for number in range(1, moments + 1):
                # An access token lives an hour and a little more.
                moment = now + number * timedelta(minutes=95)
                running_emulator.control("POST", "/clock", {"set": moment.isoformat()})
                got = await asyncio.gather(*(process.ask(moment) for process in processes))
                for connection_id in connection_ids:
                    (token,) = {each for answer in got for each in answer[connection_id]}
                    tokens.add(token)
    finally:
        running_emulator.control("POST", "/clock", {"reset": True, "freeze": False})
    expiries, calls = moments * CONNECTIONS, refreshes() - before
    print(
        f"\nFG-4: {calls / expiries:.3f} refresh calls per expiry;"
        f" {expiries} expiries, {PROCESSES} processes of {CALLERS} callers"
    )
    assert calls == expiries
    assert len(tokens) == expiries
