"""``ostiary serve``: pages, console and API."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from typing import Annotated, Final

import structlog
import typer

from ostiary.bootstrap import Services, application
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.processes import leave_no_dump, run, stop_signals
from ostiary.entrypoints.cli.runtime import fail, read_settings
from ostiary.entrypoints.web.server import WebServer, open_listener
from ostiary.entrypoints.worker.runner import running_worker
from ostiary.entrypoints.worker.sender import running_sender
from ostiary.logs import configure_logging
from ostiary.settings import Profile, Settings

DRAIN_SECONDS: Final = 3.0
"""How long a load balancer may take to notice that readiness is off; nobody balances a development machine."""

log = structlog.get_logger("ostiary.serve")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", epilog="Next: ostiary doctor")(serve)


def serve(
    host: Annotated[str | None, typer.Option(help="Overrides OSTIARY_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Overrides OSTIARY_PORT.", min=0, max=65535)] = None,
) -> None:
    """Serve the approval and connect pages, the console and the API until SIGTERM or Ctrl-C.

    Examples:

        ostiary serve

        ostiary serve --port 9000
    """
    settings = read_settings()
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update=changes)
    leave_no_dump()
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    try:
        run(serve_until_stopped(settings))
    except OstiaryError as error:
        fail(error, settings, as_json=False)


async def serve_until_stopped(settings: Settings) -> None:
    """Run the web server, and a worker beside it when the settings say so."""
    async with AsyncExitStack() as stack:
        signals = await stack.enter_async_context(stop_signals())
        # The process's own work; each request begins with nothing, and a worker inside declares its own.
        stack.enter_context(declared(instance_wide(Duty.PAGES)))
        services = await stack.enter_async_context(application(settings))
        try:
            listener = open_listener(settings.host, settings.port)
        except OSError as error:
            print(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.", file=sys.stderr)
            raise typer.Exit(ExitCode.FAILED) from None
        stack.callback(listener.close)
        await _print_first_link(services)
        web = WebServer(services, listener)
        running: set[asyncio.Task[None]] = {asyncio.create_task(web.run(), name="web")}
        if settings.workers_inside:
            await stack.enter_async_context(services.presence.shown())
            running.add(await stack.enter_async_context(running_worker(services)))
            if settings.worker_sends_webhooks:
                await stack.enter_async_context(
                    running_sender(services.webhooks.sender, seconds=settings.shutdown_seconds)
                )
        # The socket listens only once the server has started: who reads the line below may connect.
        starting = asyncio.create_task(web.started())
        await asyncio.wait({starting, *running}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        address = listener.getsockname()
        log.info("serving", host=address[0], port=address[1], public_url=settings.public_url)

        stopping = asyncio.create_task(_stop_on_signal(web, signals, settings), name="stop")
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done:
            task.result()  # a part that died takes the process with it, so that it is started again whole


async def _print_first_link(services: Services) -> None:
    """At the very first start somebody has to get in: to standard output, not to the log, because it is a secret."""
    secret = await services.access.ensure_first_operator()
    if secret is not None:
        url = f"{services.settings.effective_console_url.rstrip('/')}/console/link/{secret.reveal()}"
        print(f"First sign-in to the console (works once): {url}", flush=True)
        print("Another one: ostiary operator sign-in-link", flush=True)


async def _stop_on_signal(web: WebServer, signals: asyncio.Queue[signal.Signals], settings: Settings) -> None:
    drain = DRAIN_SECONDS if settings.profile is Profile.PRODUCTION else 0.0
    await signals.get()
    first = asyncio.create_task(web.stop(drain_seconds=drain))
    await signals.get()
    await web.stop(drain_seconds=0)
    await first
