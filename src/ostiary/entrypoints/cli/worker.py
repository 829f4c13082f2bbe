"""``ostiary worker``: background work."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import structlog
import typer

from ostiary.bootstrap import application
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.entrypoints.cli.processes import leave_no_dump, run, stop_signals
from ostiary.entrypoints.cli.runtime import fail, read_settings
from ostiary.entrypoints.worker.runner import Worker, stop_worker
from ostiary.entrypoints.worker.sender import running_sender
from ostiary.logs import configure_logging
from ostiary.settings import Settings

log = structlog.get_logger("ostiary.worker")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("worker", epilog="Next: ostiary doctor")(worker)


def worker() -> None:
    """Run background jobs until SIGTERM or Ctrl-C; run as many of these as you like.

    Examples:

        ostiary worker

        OSTIARY_WORKER_CONCURRENCY=16 ostiary worker
    """
    settings = read_settings()
    leave_no_dump()
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    try:
        run(_work_until_stopped(settings))
    except OstiaryError as error:
        fail(error, settings, as_json=False)


async def _work_until_stopped(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        signals = await stack.enter_async_context(stop_signals())
        stack.enter_context(declared(instance_wide(Duty.WORKER)))
        services = await stack.enter_async_context(application(settings))
        await stack.enter_async_context(services.presence.shown())
        if settings.worker_sends_webhooks:
            await stack.enter_async_context(
                running_sender(services.webhooks.sender, seconds=settings.shutdown_seconds)
            )
        worker = Worker(services)
        running = asyncio.create_task(worker.run(), name="worker")
        log.info("working", concurrency=settings.worker_concurrency)
        stopped = asyncio.create_task(signals.get())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not running.done():
            log.info("stopping")
            await stop_worker(worker, running, seconds=settings.shutdown_seconds)
        if running.done() and not running.cancelled() and (error := running.exception()) is not None:
            raise error
