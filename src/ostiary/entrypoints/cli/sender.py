"""``ostiary sender``: webhooks from a process of their own."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog
import typer

from ostiary.bootstrap import webhook_sender
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.entrypoints.cli.processes import leave_no_dump, run, stop_signals
from ostiary.entrypoints.cli.runtime import fail, read_settings
from ostiary.entrypoints.worker.sender import running_sender
from ostiary.logs import configure_logging
from ostiary.settings import Settings

log = structlog.get_logger("ostiary.webhooks")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sender", epilog="Next: ostiary webhooks list")(sender)


def sender() -> None:
    """Send webhooks until SIGTERM or Ctrl-C, without access to any saved sign-in; run as many as you like.

    Set OSTIARY_WORKER_SENDS_WEBHOOKS=false for the workers then.

    Examples:

        OSTIARY_WEBHOOK_SIGNING_KEY_FILE=/run/secrets/webhooks ostiary sender
    """
    settings = read_settings()
    leave_no_dump()
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    try:
        run(_send_until_stopped(settings))
    except OstiaryError as error:
        fail(error, settings, as_json=False)


async def _send_until_stopped(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        signals = await stack.enter_async_context(stop_signals())
        stack.enter_context(declared(instance_wide(Duty.RECORDS)))
        opened = await stack.enter_async_context(webhook_sender(settings))
        await stack.enter_async_context(running_sender(opened, seconds=settings.shutdown_seconds))
        log.info("sending webhooks")
        await signals.get()
        log.info("stopping")
