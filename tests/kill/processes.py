"""Real processes of the product, which tests start, kill and start again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ostiary.entrypoints.web.server import open_listener
from ostiary.failpoint_folder import VARIABLE, FailpointFolder
from ostiary.settings import Settings

_READY_SECONDS = 60
_END_SECONDS = 90


def environment(settings: Settings, **changes: str) -> dict[str, str]:
    """The settings that a test chose, as a process of its own reads them."""
    values = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    for name, value in settings.model_dump(exclude_none=True, exclude_unset=True).items():
        shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        text = ",".join(shown) if isinstance(shown, tuple) else str(shown)
        values[f"OSTIARY_{name.upper()}"] = text
    return values | changes


def port_to_come_back_to() -> int:
    """A free port that a process may bind anew after each kill.

    Below those that the system gives to outgoing connections: one of these would take it while the process is dead.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError):
            open_listener("127.0.0.1", port).close()
            return port
    raise AssertionError("no port is free")


class Starter:
    """Starts commands of the product by ``warm_start.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Starter]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("warm_start.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def run(self, *arguments: str, env: Mapping[str, str], log: Path, program: str = "ostiary") -> int:
        """Start one command; returns its process id. Another ``program`` is a module of this folder."""
        asked = {"run": list(arguments), "program": program, "env": dict(env), "log": str(log)}
        return (await self._ask(asked))["pid"]

    async def code(self, process_id: int) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        return (await self._ask({"poll": process_id}))["code"]

    async def ended(self, process_id: int) -> int:
        """Wait for the end; returns the exit code."""
        async with asyncio.timeout(_END_SECONDS):
            return (await self._ask({"wait": process_id}))["code"]

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            return json.loads(await self._process.stdout.readline())


@dataclass
class Served:
    """``ostiary serve`` on one port, killed at failpoints and started again."""

    settings: Settings
    home: Path
    """Holds what the process leaves: its log, its temporary files, its failpoints."""
    starter: Starter
    folder: FailpointFolder = field(init=False)
    kills: int = 0
    process_id: int | None = None

    def __post_init__(self) -> None:
        for name in ("failpoints", "tmp"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        self.folder = FailpointFolder(self.home / "failpoints")

    @property
    def url(self) -> str:
        return self.settings.public_url

    @property
    def environment(self) -> dict[str, str]:
        return environment(
            self.settings, TMPDIR=str(self.home / "tmp"), **{VARIABLE: str(self.home / "failpoints")}
        )

    @property
    def log_file(self) -> Path:
        return self.home / "log"

    async def run(self, *arguments: str) -> int:
        """Run another command on the same settings to its end, failpoints and all; returns its exit code."""
        return await self.starter.ended(
            await self.starter.run(*arguments, env=self.environment, log=self.home / "commands.log")
        )

    async def start(self) -> None:
        """Start, and return once it answers that it is ready."""
        self.folder.disarm()
        self.process_id = await self.starter.run("serve", env=self.environment, log=self.log_file)
        async with asyncio.timeout(_READY_SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while await self.status(client) != 200:
                await asyncio.sleep(0.02)

    async def status(self, client: httpx.AsyncClient) -> int:
        """What it answers when asked whether it is ready; 0 is no answer. Fails when the process has ended."""
        assert self.process_id is not None
        try:
            return (await client.get(f"{self.url}/readyz", timeout=30)).status_code
        except httpx.TransportError:
            process_id = self.process_id
            if await self.lives():
                return 0
            raise AssertionError(f"{process_id} has ended: {self.log_file.read_text()[-6000:]}") from None

    async def lives(self) -> bool:
        """Whether it runs, or was told to end and has not."""
        if self.process_id is not None and await self.starter.code(self.process_id) is not None:
            self.process_id = None
        return self.process_id is not None

    async def died(self) -> None:
        """Wait until a failpoint has killed it; fails when none did, because then the point was not hit."""
        assert self.process_id is not None
        code = await self.starter.ended(self.process_id)
        self.process_id = None
        assert code == -signal.SIGKILL, f"ended with {code}: {self.log_file.read_text()[-3000:]}"
        self.kills += 1

    async def kill(self) -> None:
        """Kill it wherever it stands."""
        assert self.process_id is not None
        os.kill(self.process_id, signal.SIGKILL)
        await self.died()

    async def stop(self) -> None:
        """End it for good, if it runs."""
        if await self.lives():
            await self.kill()
