"""What commands share: settings, services for the length of a command, and one way to end.

What runs the services is imported when they are needed: ``--help`` and a mistyped option should not wait for it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import typer

from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.entrypoints.cli.outcome import ExitCode, exit_code, show_failure

if TYPE_CHECKING:
    from ostiary.bootstrap import Services
    from ostiary.settings import Settings

ENV_FILE_VARIABLE: Final = "OSTIARY_ENV_FILE"

T = TypeVar("T")


def read_settings() -> Settings:
    """Return the settings, or end the command with what is wrong with them."""
    from ostiary.failpoint_folder import arm_from_environment
    from ostiary.settings import SettingsError, load_settings

    file = os.environ.get(ENV_FILE_VARIABLE)
    try:
        settings = load_settings(env_file=Path(file) if file else None)
    except SettingsError as error:
        print("These settings have to be put right first:", file=sys.stderr)
        for line in str(error).splitlines():
            print(f"  {line}", file=sys.stderr)
        print("Each is explained in docs/reference/settings.md.", file=sys.stderr)
        raise typer.Exit(ExitCode.WRONG_USAGE) from None
    arm_from_environment(os.environ, settings.profile)
    return settings


def run_with_services(use: Callable[[Services], Awaitable[T]], *, as_json: bool = False) -> T:
    """Open the services, run ``use``, close them; an expected failure ends the command with its exit code."""
    from ostiary.bootstrap import application
    from ostiary.logs import configure_logging

    settings = read_settings()
    # Answers go to standard output; of the log, a person at a terminal wants only the warnings.
    configure_logging(level="WARNING", log_format="text")

    async def run() -> T:
        with declared(instance_wide(Duty.COMMAND)):
            async with application(settings) as services:
                return await use(services)

    try:
        return asyncio.run(run())
    except OstiaryError as error:
        fail(error, settings, as_json=as_json)


def fail(error: OstiaryError, settings: Settings, *, as_json: bool) -> NoReturn:
    """Show an expected failure and end the command with its exit code."""
    show_failure(
        error,
        as_json=as_json,
        values={"vendor": settings.vendor_name, "app_id": settings.app_client_id, "ref": error.reference},
    )
    raise typer.Exit(exit_code(error))
