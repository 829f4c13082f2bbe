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


class Process:
    """One process of callers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(cls, settings: Settings, connection_id: str, at: datetime) -> AsyncIterator[Process]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("callers.py")),
            connection_id,
            str(CALLERS),
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

    async def ask(self, at: datetime) -> set[str]:
        """Let all its callers ask at ``at``; returns the different tokens they got, as hashes."""
        answer = json.loads(await self._say(at))
        assert answer["answered"] == CALLERS
        return set(answer["different"])

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
    customer = await crowd.customer(approved=True)
    connection_id = await crowd.connected(customer)
    now = SystemClock().now()
    before = tap.refreshes[customer.tenant_id]
    tokens: set[str] = set()
    try:
        async with AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(Process.running(kill_settings, connection_id, now))
                for _ in range(PROCESSES)
            ]
            for number in range(1, EXPIRIES + 1):
                # An access token lives an hour and a little more.
                moment = now + number * timedelta(minutes=95)
                running_emulator.control("POST", "/clock", {"set": moment.isoformat()})
                got = await asyncio.gather(*(process.ask(moment) for process in processes))
                (token,) = set.union(*got)
                tokens.add(token)
    finally:
        running_emulator.control("POST", "/clock", {"reset": True, "freeze": False})
    calls = tap.refreshes[customer.tenant_id] - before
    print(
        f"\nFG-4: {calls / EXPIRIES:.3f} refresh calls per expiry;"
        f" {EXPIRIES} expiries, {PROCESSES} processes of {CALLERS} callers"
    )
    assert calls == EXPIRIES
    assert len(tokens) == EXPIRIES
