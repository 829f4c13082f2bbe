"""The installed command serves, says when it is ready, and stops in order (SR-107)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from ostiary.settings import Settings


def environment(settings: Settings, **changes: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
    assert settings.database_url is not None
    assert settings.app_secret is not None
    return plain | {
        "OSTIARY_PROFILE": "development",
        "OSTIARY_DATA_DIR": str(settings.data_dir),
        "OSTIARY_DATABASE_URL": settings.database_url.get_secret_value(),
        "OSTIARY_VENDOR_NAME": settings.vendor_name,
        "OSTIARY_VENDOR_APP_NAME": settings.vendor_app_name,
        "OSTIARY_VENDOR_PUBLISHER": settings.vendor_publisher,
        "OSTIARY_VENDOR_HELP_EMAIL": settings.vendor_help_email,
        "OSTIARY_VENDOR_DATA_KEPT": settings.vendor_data_kept,
        "OSTIARY_APP_CLIENT_ID": settings.app_client_id,
        "OSTIARY_APP_SECRET": settings.app_secret.get_secret_value(),
        "OSTIARY_ALLOW_CLIENT_SECRET": "true",
        "OSTIARY_LOGIN_URL": "http://127.0.0.1:9",
        "OSTIARY_WORKERS_INSIDE": "true",
        "OSTIARY_PORT": "0",
        **changes,
    }


@asynccontextmanager
async def running(*command: str, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ostiary",
        *command,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def port_of(process: asyncio.subprocess.Process) -> int:
    assert process.stderr is not None
    async for line in process.stderr:
        text = line.decode()
        if '"serving"' in text:
            return int(text.partition('"port": ')[2].partition(",")[0])
    raise AssertionError("it never served")


async def test_serve_answers_and_ends_with_success_on_sigterm(settings: Settings) -> None:
    async with running("serve", env=environment(settings)) as process:
        port = await port_of(process)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert (await client.get("/readyz")).status_code == 200
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
        assert process.returncode == 0
    assert b"/console/link/" in output, "the first start prints a link into the console"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells through /proc")
async def test_a_running_service_cannot_be_dumped(settings: Settings) -> None:
    async with running("serve", env=environment(settings)) as process:
        await port_of(process)
        limits = Path(f"/proc/{process.pid}/limits").read_text("ascii")
        (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"]
        # The files of a process that may not be dumped belong to root, whoever runs it (proc(5)).
        owner = Path(f"/proc/{process.pid}/mem").stat().st_uid
        assert owner == 0


async def test_worker_ends_with_success_on_sigterm(settings: Settings) -> None:
    async with running("worker", env=environment(settings)) as process:
        assert process.stderr is not None
        async for line in process.stderr:
            if b'"working"' in line:
                break
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_missing_settings_end_the_command_and_are_named(settings: Settings, command: str) -> None:
    env = environment(settings)
    del env["OSTIARY_APP_CLIENT_ID"]
    async with running(command, env=env) as process:
        _, trouble = await process.communicate()
        assert process.returncode == 2
    assert b"OSTIARY_APP_CLIENT_ID" in trouble
    assert b"Traceback" not in trouble
