"""Kills PostgreSQL itself, as the kernel would for want of memory, and starts it again."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import signal
import subprocess
import time
from pathlib import Path

from ostiary.adapters.sql.embedded import EmbeddedServer

_START_SECONDS = 60


class DatabaseProcess:
    """The processes of a server that this test run started."""

    def __init__(self, server: EmbeddedServer, *, chance: random.Random) -> None:
        self._server = server
        self._chance = chance
        self.kills = 0

    @property
    def folder(self) -> Path:
        return self._server.data_dir

    def _postmaster(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().splitlines()[0])

    @staticmethod
    def _children(process_id: int) -> list[int]:
        found = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
        return [int(child) for child in found.split()]

    async def kill(self) -> None:
        """SIGKILL a child, upon which PostgreSQL recovers by itself, or all of it, and start it again."""
        postmaster = self._postmaster()
        children = self._children(postmaster)
        self.kills += 1
        if children and self._chance.random() < 0.5:
            _kill(self._chance.choice(children))
            return
        for process_id in (postmaster, *children):
            _kill(process_id)
        async with asyncio.timeout(_START_SECONDS):
            while any(_lives(process_id) for process_id in (postmaster, *children)):
                await asyncio.sleep(0.02)
        # Where nobody buries the dead postmaster, the next one would take it for a live one.
        for lock in (self.folder / "postmaster.pid", *self.folder.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        # How it was started the first time: program and arguments, quoted.
        _, *arguments = shlex.split((self.folder / "postmaster.opts").read_text())
        at_data_dir = arguments.index("-D")
        options = [*arguments[:at_data_dir], *arguments[at_data_dir + 2 :]]
        bin_path = Path(self._server._server.bin_path)  # type: ignore[reportPrivateUsage]
        command = [str(bin_path / "pg_ctl"), "start", "-w", "-t", str(_START_SECONDS), "-D", str(self.folder)]
        command += ["-l", str(self.folder / "log"), "-o", shlex.join(options)]
        # A child born after the list was made keeps the shared memory until it has noticed, and with it the start.
        deadline = time.monotonic() + _START_SECONDS
        while True:
            ended = subprocess.run(
                command,
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                user=self._server._server.system_user,  # type: ignore[reportPrivateUsage]
                cwd="/",
            )
            if ended.returncode == 0:
                return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.2)


def _kill(process_id: int) -> None:
    try:
        os.kill(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return


def _lives(process_id: int) -> bool:
    """A dead one that nobody has buried does not count."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
