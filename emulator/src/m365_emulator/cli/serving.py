"""Commands that run an emulator: `serve`, `stand-in`, `run`."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shlex
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m365_emulator.cli.common import app, fail

if TYPE_CHECKING:
    from m365_emulator.server import Emulator
    from m365_emulator.world.seed import SeedSource
    from m365_emulator.world.world import World


def default_home() -> Path:
    """Return where certificates and signing keys are kept unless told otherwise."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "m365-emulator"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(help="Port without TLS; 0 takes a free one.")] = 8025,
    https_port: Annotated[int, typer.Option(help="Port with TLS; 0 takes a free one.")] = 8443,
    seed: Annotated[str, typer.Option(help="'sample', 'empty' or a YAML file.")] = "sample",
    messages: Annotated[int | None, typer.Option(help="Messages in each mailbox.", min=0)] = None,
    data: Annotated[
        Path | None, typer.Option(help="File the world is read from at start and written to at the end.")
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(envvar="M365_EMULATOR_HOME", help="Folder of certificates and signing keys."),
    ] = None,
    redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Reply address added to the first app registration; repeatable.")
    ] = None,
    client_secret_file: Annotated[
        Path | None, typer.Option(help="File with the client secret of the first app registration.")
    ] = None,
    client_certificate_file: Annotated[
        Path | None, typer.Option(help="PEM certificate that may sign client assertions of the first app.")
    ] = None,
    random_seed: Annotated[int, typer.Option(help="Number that all chance in the world comes from.")] = 1,
    record: Annotated[
        Path | None,
        typer.Option(envvar="M365_EMULATOR_RECORD", help="File to which every exchange is appended."),
    ] = None,
    proxy_port: Annotated[
        int | None, typer.Option(help="Port of the stand-in proxy; 0 takes a free one. Off by default.")
    ] = None,
    smtp_port: Annotated[
        int | None,
        typer.Option(help="Port that takes mail for emulated mailboxes; 0 takes a free one. Off by default."),
    ] = None,
    i_know_this_is_a_fake_sign_in: Annotated[
        bool, typer.Option(help="Allow an address that other machines can reach.")
    ] = False,
) -> None:
    """Serve until Ctrl-C. Prints one line when ready: `ready HTTP-URL HTTPS-URL`."""
    if not _is_loopback(host) and not i_know_this_is_a_fake_sign_in:
        fail(
            f"{host} is reachable from other machines, where this could be taken for a real sign-in page."
            " Add --i-know-this-is-a-fake-sign-in to do it all the same."
        )
    from m365_emulator.server import Emulator

    folder = home or (data.parent if data else default_home())
    source = _source(seed, messages, redirect_uri, client_secret_file, client_certificate_file)
    world = _world(random_seed, source, folder, data, record)
    emulator = Emulator(
        world,
        folder,
        host,
        http_port=http_port,
        https_port=https_port,
        proxy_port=proxy_port,
        smtp_port=smtp_port,
    )
    _run(_serve(emulator))


def _source(
    seed: str,
    messages: int | None,
    redirect_uris: list[str] | None,
    client_secret_file: Path | None,
    client_certificate_file: Path | None,
) -> SeedSource:
    from m365_emulator.world.seed import SeedSource

    secret = (
        _read(client_secret_file).strip()
        if client_secret_file
        else os.environ.get("M365_EMULATOR_CLIENT_SECRET")
    )
    return SeedSource(
        name=seed,
        messages_per_mailbox=messages,
        redirect_uris=list(redirect_uris or []),
        client_secrets=[secret] if secret else [],
        certificates=[_read(client_certificate_file)] if client_certificate_file else [],
    )


def _world(random_seed: int, source: SeedSource, home: Path, data: Path | None, record: Path | None) -> World:
    from m365_emulator.world.keys import KeyRing
    from m365_emulator.world.request_log import RequestLog
    from m365_emulator.world.seed import SeedError
    from m365_emulator.world.snapshot import SnapshotError, load
    from m365_emulator.world.world import World

    try:
        world = World(
            seed=random_seed,
            source=source,
            request_log=RequestLog(record_to=record),
            keyring=KeyRing(home / "signing-keys.pem"),
        )
    except SeedError as error:
        fail(str(error))
    if data is not None and data.exists():
        try:
            load(world, data)
            world.apply_overrides(source)
        except SnapshotError:
            kept = data.with_name(data.name + ".old")
            data.replace(kept)
            print(
                f"{data} is of another version. It is kept as {kept.name}; the world begins anew.",
                file=sys.stderr,
            )
    world.data_file = data
    return world


def _run(work: Coroutine[Any, Any, int | None]) -> int | None:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _start(emulator: Emulator) -> None:
    emulator.catch_signals()
    try:
        await emulator.start()
    except OSError as error:
        fail(f"Cannot listen on {emulator.host}: {error.strerror}.")


async def _serve(emulator: Emulator) -> None:
    from m365_emulator.world.snapshot import save

    await _start(emulator)
    print(f"ca {emulator.tls.ca}")
    if emulator.proxy_port is not None:
        print(f"proxy {emulator.proxy_url}")
    if emulator.smtp_port is not None:
        print(f"smtp {emulator.host}:{emulator.smtp_port}")
    print(f"ready {emulator.http_url} {emulator.https_url}", flush=True)
    await emulator.run_until_stopped()
    if emulator.world.data_file is not None:
        save(emulator.world, emulator.world.data_file)


@app.command("stand-in")
def stand_in(
    proxy_port: Annotated[int, typer.Option(help="Port of the proxy; 0 takes a free one.")] = 8480,
    seed: Annotated[str, typer.Option(help="'sample', 'empty' or a YAML file.")] = "sample",
    messages: Annotated[int | None, typer.Option(help="Messages in each mailbox.", min=0)] = None,
    home: Annotated[
        Path | None,
        typer.Option(envvar="M365_EMULATOR_HOME", help="Folder of certificates and signing keys."),
    ] = None,
) -> None:
    """Answer for Microsoft's own host names, and print the variables that point a program here."""
    from m365_emulator.server import Emulator

    folder = home or default_home()
    world = _world(1, _source(seed, messages, None, None, None), folder, None, None)
    _run(_stand_in(Emulator(world, folder, proxy_port=proxy_port)))


async def _stand_in(emulator: Emulator) -> None:
    await _start(emulator)
    for name, value in emulator.stand_in_environment().items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"# controls and web page: {emulator.http_url}")
    print(f"# a browser: --proxy-server={emulator.proxy_url}, and trust {emulator.tls.ca}", flush=True)
    await emulator.run_until_stopped()


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(help="-- COMMAND and its arguments.")],
    seed: Annotated[str, typer.Option(help="'sample', 'empty' or a YAML file.")] = "sample",
    messages: Annotated[int | None, typer.Option(help="Messages in each mailbox.", min=0)] = None,
    home: Annotated[
        Path | None,
        typer.Option(envvar="M365_EMULATOR_HOME", help="Folder of certificates and signing keys."),
    ] = None,
) -> None:
    """Run a program that meets the emulator under Microsoft's host names; ends with its exit code."""
    from m365_emulator.server import Emulator

    folder = home or default_home()
    world = _world(1, _source(seed, messages, None, None, None), folder, None, None)
    raise typer.Exit(_run(_run_command(Emulator(world, folder, proxy_port=0), command)) or 0)


async def _run_command(emulator: Emulator, command: list[str]) -> int:
    await _start(emulator)
    environment = {**os.environ, **emulator.stand_in_environment(), "M365_EMULATOR_URL": emulator.http_url}
    try:
        child = await asyncio.create_subprocess_exec(*command, env=environment)
    except OSError as error:
        await emulator.stop()
        fail(f"Cannot run {command[0]}: {error.strerror}.")
    # Ctrl-C reaches the child by itself; a signal sent to us alone is passed on.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, child.terminate)
    code = await child.wait()
    await emulator.stop()
    return code if code >= 0 else 128 - code


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        fail(f"Cannot read {path}: {error.strerror}.")
