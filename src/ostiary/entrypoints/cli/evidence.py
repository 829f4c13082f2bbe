"""``ostiary evidence``: the evidence pack as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ostiary.bootstrap import registrations_of
from ostiary.core.kernel.clock import SystemClock
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import read_settings
from ostiary.entrypoints.evidence_pack.content import build_pack
from ostiary.entrypoints.evidence_pack.pdf import render_pdf


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evidence", epilog="Next: send the file to whoever reviews your product")(evidence)


def evidence(
    out: Annotated[Path, typer.Option(help="Where to write the PDF.", dir_okay=False)] = Path(
        "evidence-pack.pdf"
    ),
) -> None:
    """Write what an IT administrator asks for before approving: permissions, data flow, hosts, retention, cryptography.

    Needs the settings, and neither the database nor Microsoft. The same is on the page /genuine/evidence.

    Examples:

        ostiary evidence

        ostiary evidence --out larkspur-evidence.pdf
    """
    settings = read_settings()
    pack = build_pack(settings, registrations_of(settings), today=SystemClock().now().date())
    try:
        out.write_bytes(render_pdf(pack))
    except OSError as error:
        print(f"{out} cannot be written: {error.strerror}.", file=sys.stderr)
        raise typer.Exit(ExitCode.FAILED) from None
    print(out)
