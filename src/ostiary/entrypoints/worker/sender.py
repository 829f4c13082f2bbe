"""Sending webhooks beside something else, or as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.core.webhooks.sending import WebhookSender

_AGAIN_SECONDS: Final = 1.0

log = structlog.get_logger("ostiary.webhooks")


async def send_until_stopped(sender: WebhookSender, stopping: asyncio.Event) -> None:
    """Send webhooks until ``stopping`` is set; a database that went away is waited for."""
    # Every customer's events, and none of their secrets: signing keys are derived (SR-79).
    with declared(instance_wide(Duty.RECORDS)):
        while not stopping.is_set():
            try:
                await sender.run()
            except OstiaryError as error:
                log.warning("sending webhooks was interrupted and goes on", why=error.code)
            except Exception as error:
                log.warning("sending webhooks was interrupted and goes on", error=type(error).__name__)
            if not stopping.is_set():
                await asyncio.sleep(_AGAIN_SECONDS)


@asynccontextmanager
async def running_sender(sender: WebhookSender, *, seconds: float) -> AsyncGenerator[None]:
    """Send webhooks beside something else; at the end what is under way has ``seconds`` to finish."""
    stopping = asyncio.Event()
    task = asyncio.create_task(send_until_stopped(sender, stopping), name="webhook sender")
    try:
        yield
    finally:
        stopping.set()
        sender.ask_to_stop()
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=5)
