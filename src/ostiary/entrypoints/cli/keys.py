"""``ostiary keys``: key-encryption keys: a new file of them, rotation, and moving to the current ones."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ostiary.bootstrap import Services, create_key_file
from ostiary.core.connections.rewrap import PER_SECOND, KeyState, RewrapReport
from ostiary.core.kernel.entropy import SystemEntropy
from ostiary.entrypoints.cli.answers import JSONOption, advise, command_line_actor, print_json
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="Key-encryption keys: make, rotate, re-wrap, look.", no_args_is_help=True)
    keys.command("new", epilog="Next: set OSTIARY_KEY_FILE, then ostiary doctor")(new)
    keys.command("rotate", epilog="Next: ostiary keys rewrap")(rotate)
    keys.command("rewrap", epilog="Next: ostiary keys status")(rewrap)
    keys.command("status", epilog="Next: ostiary keys rotate")(status)
    app.add_typer(keys, name="keys")


def new(
    file: Annotated[Path, typer.Argument(help="Where to write it; must not exist.", dir_okay=False)],
    name: Annotated[str | None, typer.Option(help="Name of the key; this month by default.")] = None,
) -> None:
    """Write a new key file that only this user can read. Keep a copy apart from the database and its backups.

    Examples:

        ostiary keys new /etc/ostiary/keys.json

        ostiary keys new keys.json --name 2026-11
    """
    try:
        create_key_file(file, name=name or datetime.now(UTC).strftime("%Y-%m"), entropy=SystemEntropy())
    except FileExistsError:
        print(
            f"{file} exists. Keys in use are never overwritten: what they sealed would be lost.",
            file=sys.stderr,
        )
        raise typer.Exit(ExitCode.CONFLICT) from None
    except (OSError, ValueError) as error:
        print(f"{file} cannot be written: {error}", file=sys.stderr)
        raise typer.Exit(ExitCode.FAILED) from None
    print(f"Wrote {file}. Without it nothing that is sealed can be opened: keep a copy in another place.")


def rotate(
    organization: Annotated[
        list[str] | None, typer.Option("--org", help="Only this customer. Repeatable; all when left out.")
    ] = None,
    as_json: JSONOption = False,
) -> None:
    """Make new keys current. Older ones stay, until nothing is wrapped under them. Once a year is enough.

    Examples:

        ostiary keys rotate

        ostiary keys rotate --org hv
    """

    async def use(services: Services) -> int:
        found = [(await services.organizations.resolve(each)).id for each in organization or ()]
        return await services.key_rotation.rotate(organization_ids=found, actor=command_line_actor())

    count = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "organizations": count})
        return
    print(f"New keys are current for {count} customers.")
    advise("Running processes notice within a minute. A worker re-wraps every ten minutes.")


def rewrap(
    rate: Annotated[float, typer.Option(help="Saved sign-ins a second at most.", min=0.1)] = PER_SECOND,
    as_json: JSONOption = False,
) -> None:
    """Wrap every saved sign-in under its current key. It may be stopped anywhere and started again.

    Examples:

        ostiary keys rewrap

        ostiary keys rewrap --rate 10
    """

    def show(done: int) -> None:
        print(f"{done} re-wrapped", file=sys.stderr, flush=True)

    async def use(services: Services) -> RewrapReport:
        return await services.key_rotation.rewrap(
            actor=command_line_actor(), most=sys.maxsize, per_second=rate, progress=show
        )

    report = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": not report.broken, "rewrapped": report.rewrapped, "broken": report.broken})
    else:
        print(f"{report.rewrapped} saved sign-ins are under their current keys now.")
    if report.broken:
        advise(f"{report.broken} could not be opened; the audit log names them: connection.seal_broken")
        raise typer.Exit(ExitCode.FAILED)


def status(as_json: JSONOption = False) -> None:
    """List keys that something is wrapped under. An older key that is not listed may be removed.

    Examples:

        ostiary keys status

        ostiary keys status --json
    """

    async def use(services: Services) -> tuple[KeyState, ...]:
        return await services.key_rotation.status()

    states = run_with_services(use, as_json=as_json)
    if as_json:
        print_json(
            {
                "ok": True,
                "keys": [
                    {
                        "organization_id": state.use.organization_id,
                        "key_id": state.use.key_id,
                        "current": state.is_current,
                        "refresh_tokens": state.use.refresh_tokens,
                        "access_tokens": state.use.access_tokens,
                    }
                    for state in states
                ],
            }
        )
        return
    print_table(
        ("Key", "Customer", "Current", "Sign-ins", "Access tokens"),
        [
            (
                state.use.key_id,
                state.use.organization_id,
                "yes" if state.is_current else "older",
                str(state.use.refresh_tokens),
                str(state.use.access_tokens),
            )
            for state in states
        ],
    )
