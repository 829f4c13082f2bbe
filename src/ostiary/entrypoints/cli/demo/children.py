"""The demo's processes: started in sessions of their own, stopped by us alone, logs in files."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import aiohttp

from ostiary.entrypoints.cli.demo.instance import DemoInstance
from ostiary.entrypoints.cli.doctor import redirect_addresses
from ostiary.settings import Settings

START_SECONDS: Final = 40.0
STOP_SECONDS: Final = 8.0
_POLL_SECONDS: Final = 0.1


class ChildFailed(Exception):
    """A process did not start, or ended by itself; the message ends with its last words."""


class Child:
    """A running process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, command: Sequence[str], *, log: Path, env: dict[str, str]) -> Self:
        """Start a program; its output goes to ``log``."""
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                # A Ctrl-C at the terminal reaches us alone, so that we choose the order of stopping.
                start_new_session=True,
            )
        return cls(name, process, log)

    async def wait_until_answers(self, url: str) -> None:
        """Return once ``url`` answers 200.

        Raises:
            ChildFailed: The process ended, or did not answer in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while loop.time() < deadline:
                if self.process.returncode is not None:
                    raise ChildFailed(f"The {self.name} ended at once.\n{self._last_words()}")
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(_POLL_SECONDS)
        raise ChildFailed(f"The {self.name} does not answer.\n{self._last_words()}")

    async def stop(self) -> None:
        """Ask the process to stop; end it when it does not."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()

    def _last_words(self) -> str:
        with suppress(OSError):
            return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-15:])
        return ""


async def start_emulator(instance: DemoInstance, settings: Settings) -> Child:
    """Start the emulator with the sample world.

    Raises:
        ChildFailed: It is not installed, or does not start.
    """
    program = _find_program("m365-emulator")
    if program is None:
        raise ChildFailed("The emulator is not installed. Run: pip install 'ostiary[demo]'")
    command = [program, "serve"]
    command += ["--http-port", str(instance.ports.emulator_http)]
    command += ["--https-port", str(instance.ports.emulator_https)]
    command += ["--smtp-port", str(instance.ports.emulator_smtp)]
    command += ["--data", str(instance.emulator_data), "--home", str(instance.folder / "emulator")]
    command += ["--client-secret-file", str(instance.secret_file)]
    for address in redirect_addresses(settings):
        command += ["--redirect-uri", address]
    child = await Child.start(
        "emulator", command, log=instance.folder / "emulator.log", env=_plain_environment()
    )
    await _or_stop(child, f"{instance.emulator_url}/control/clock")
    return child


async def start_service(instance: DemoInstance) -> Child:
    """Start ``ostiary serve`` with workers inside.

    Raises:
        ChildFailed: It does not start.
    """
    command = [sys.executable, "-m", "ostiary", "--env-file", str(instance.env_file), "serve"]
    child = await Child.start(
        "service", command, log=instance.folder / "service.log", env=_plain_environment()
    )
    await _or_stop(child, f"{instance.public_url}/readyz")
    return child


async def _or_stop(child: Child, url: str) -> None:
    try:
        await child.wait_until_answers(url)
    except BaseException:
        await child.stop()
        raise


def _find_program(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
