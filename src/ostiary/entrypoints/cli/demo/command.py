"""The command: start everything, say where to click, stop everything."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from ostiary.bootstrap import application, database_url
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.entrypoints.cli.demo import sample
from ostiary.entrypoints.cli.demo.check import run_check
from ostiary.entrypoints.cli.demo.children import Child, ChildFailed, start_emulator, start_service
from ostiary.entrypoints.cli.demo.instance import DemoInstance, Ports, free_port
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.processes import stop_signals
from ostiary.logs import configure_logging
from ostiary.settings import Settings

DEFAULT_FOLDER: Final = Path(".ostiary") / "demo"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog="Next: ostiary demo --check")(demo)


def demo(
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what earlier runs stored.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Do the whole main job with no hands, then stop.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the service.", min=1, max=65535)] = 8080,
    emulator_port: Annotated[int, typer.Option(help="Port of the emulator.", min=1, max=65535)] = 8025,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = DEFAULT_FOLDER,
) -> None:
    """Try everything on this machine with no Microsoft account: service, workers, PostgreSQL and emulator.

    Examples:

        ostiary demo

        ostiary demo --check
    """
    configure_logging(level="ERROR", log_format="text")
    try:
        if check:
            passed = asyncio.run(_check())
            raise typer.Exit(ExitCode.DONE if passed else ExitCode.FAILED)
        _require_free(port, emulator_port)
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        instance = DemoInstance(folder, Ports(port, emulator_port, free_port(), free_port()))
        asyncio.run(_run(instance))
    except ChildFailed as error:
        print(error, file=sys.stderr)
        raise typer.Exit(ExitCode.FAILED) from None


@dataclass(slots=True)
class RunningDemo:
    """A demo with everything started."""

    instance: DemoInstance
    settings: Settings
    emulator: Child
    service: Child

    async def restart_service(self) -> None:
        """Stop the service process and start another on the same data."""
        await self.service.stop()
        self.service = await start_service(self.instance)


@asynccontextmanager
async def running(instance: DemoInstance) -> AsyncGenerator[RunningDemo]:
    """Start PostgreSQL, then the emulator, the service and the sample company; stop all of it at the end."""
    settings = instance.prepare()
    async with database_url(settings), AsyncExitStack() as stack:
        # Side by side, since most of a start is loading code: two processes use two cores.
        starts = [
            asyncio.create_task(start_emulator(instance, settings)),
            asyncio.create_task(start_service(instance)),
        ]
        sowing = asyncio.create_task(_sow(settings))
        results = await asyncio.gather(*starts, return_exceptions=True)
        for result in results:
            if isinstance(result, Child):
                stack.push_async_callback(result.stop)
        await sowing
        emulator, service = [task.result() for task in starts]
        started = RunningDemo(instance, settings, emulator, service)
        # What was restarted meanwhile is stopped too; stopping twice does no harm.
        stack.push_async_callback(lambda: started.service.stop())
        yield started


async def _sow(settings: Settings) -> None:
    async with application(settings) as services:
        await sample.sow(services)


async def _run(instance: DemoInstance) -> None:
    declare(instance_wide(Duty.COMMAND))
    began = time.perf_counter()
    print("Starting PostgreSQL, the emulator and the service …", flush=True)
    async with stop_signals() as signals, running(instance) as started:
        print(await _welcome(started, time.perf_counter() - began), flush=True)
        waiting = asyncio.create_task(signals.get())
        ended = [asyncio.create_task(each.process.wait()) for each in (started.service, started.emulator)]
        await asyncio.wait([waiting, *ended], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            raise ChildFailed(f"A part of the demo ended by itself. Its log is in {instance.folder}.")
        print("\nStopping …", flush=True)
    print("Stopped. Your data is kept; start with --fresh to forget it.", flush=True)


async def _check() -> bool:
    declare(instance_wide(Duty.COMMAND))
    folder = Path(tempfile.mkdtemp(prefix="ostiary-demo-"))
    instance = DemoInstance(folder, Ports(free_port(), free_port(), free_port(), free_port()))
    try:
        async with running(instance) as started:
            return await run_check(started, started.settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _welcome(started: RunningDemo, seconds: float) -> str:
    async with application(started.settings) as services:
        approve = await sample.approval_link(services, "hv", asked_by="dana.okafor@harbourvale.example")
        connect = await sample.connect_link(services, "tom.ellis@harbourvale.example")
        operator = await sample.console_link(services)
        dana = await sample.admin_console_link(services, "dana.okafor@harbourvale.example")
    instance = started.instance
    lines = [
        f"Ready in {seconds:.0f} s. This is a rehearsal: nothing here reaches a real account.",
        "",
        "  1  Approve, as an IT administrator (works for 3 days)",
        f"     {approve}",
        "  2  Connect, as Tom Ellis (works for 15 minutes, once)",
        f"     {connect}",
        "  3  Console, as the vendor's operator (works once)",
        f"     {operator}",
        "     or as Dana Okafor, who looks after Harbour & Vale",
        f"     {dana}",
        "",
        f"  Emulator: pretend failures, move its clock, read its log   {instance.emulator_url}/",
        f"  Mail to Priya Nair, with links to press   {instance.emulator_url}/mailboxes/{sample.PRIYA}",
        "",
        "Accounts to try (any password; the emulator fills in one)",
    ]
    lines += [f"  {address:<40} {what}" for address, what in sample.ADMINISTRATORS]
    for organization in sample.ORGANIZATIONS:
        for person in organization.people:
            notes = [] if person.licensed or person.note else ["no licence"]
            notes += [person.note] if person.note else []
            lines.append(f"  {person.address:<40} {', '.join(notes) or 'member with a licence'}")
    lines += [
        "",
        "In another terminal:",
        f"  export OSTIARY_ENV_FILE={instance.env_file.resolve()}",
        "  ostiary doctor",
        "  ostiary mail list tom.ellis@harbourvale.example      (once Tom is connected)",
        "  ostiary api-key create --help                        (a key for the API)",
        f"  {instance.public_url}/v1/openapi.json",
        "",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _require_free(*ports: int) -> None:
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                print(f"Port {port} is taken. Choose others: --port and --emulator-port.", file=sys.stderr)
                raise typer.Exit(ExitCode.FAILED) from None
