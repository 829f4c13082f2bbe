"""``ostiary mail attachments``: what is attached to a message, and saving it."""

from __future__ import annotations

import re
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.core.kernel.errors import Conflict
from ostiary.core.mail.model import AttachmentInfo
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.connections import OptionalOrganization, Which, find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.progress import progress
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

LONGEST_NAME: Final = 120


def register(mail: typer.Typer) -> None:
    """Add the command."""
    mail.command("attachments", epilog="Next: ostiary mail attachments CONNECTION MESSAGE --save-to .")(
        attachments
    )


def attachments(
    connection: Which,
    message: Annotated[str, typer.Argument(help="A message's id, as `mail list` shows it.")],
    save_to: Annotated[
        Path | None,
        typer.Option(
            help="Save the files into this folder; none is overwritten.", exists=True, file_okay=False
        ),
    ] = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """List what is attached to a message, or save it. Files come from strangers: look before you open them.

    Examples:

        ostiary mail attachments tom.ellis@harbourvale.example AAkALgAAAAAAHYQDEapmEc2byACq

        ostiary mail attachments CO-9D1M-7VHE AAkALgAAAAAAHYQDEapmEc2byACq --save-to . --json
    """

    async def use(services: Services) -> tuple[tuple[AttachmentInfo, ...], list[Path]]:
        found = await find_connection(services, connection, organization=organization)
        own = {"organization_id": found.organization_id}
        files = await services.mail.list_attachments(found.id, message, **own)
        saved: list[Path] = []
        for number, file in enumerate(files if save_to is not None else (), start=1):
            assert save_to is not None  # noqa: S101 - nothing is gone through without it
            target = save_to / safe_name(file.name, number)
            async with services.mail.open_attachment(found.id, message, file.id, **own) as stream:
                with (
                    _create(target) as written,
                    progress(f"save {target.name}", stream.size_bytes, quiet=as_json) as advance,
                ):
                    async for chunk in stream.chunks:
                        written.write(chunk)
                        advance(written.tell())
            saved.append(target)
        return files, saved

    files, saved = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "attachments": document_of(files), "saved": [str(path) for path in saved]})
        return
    if not files:
        advise("Nothing is attached.")
        return
    print_table(
        ("NAME", "TYPE", "BYTES", "SHOWN INSIDE", "ATTACHMENT"),
        [
            (
                one_line(each.name, LONGEST_NAME),
                one_line(each.content_type),
                f"{each.size_bytes:,}",
                "yes" if each.is_inline else "",
                each.id,
            )
            for each in files
        ],
    )
    for path in saved:
        advise(f"Saved {path}")


def safe_name(name: str, number: int) -> str:
    """Return a stranger's file name as one that stays in its folder and is no hidden file."""
    cleaned = re.sub(r"[^\w .()+,=@-]", "_", name).strip(" .")
    stem, dot, suffix = cleaned.rpartition(".")
    short = cleaned if len(cleaned) <= LONGEST_NAME else stem[: LONGEST_NAME - 20] + dot + suffix[:19]
    return short or f"attachment-{number}"


def _create(target: Path) -> BufferedWriter:
    try:
        return target.open("xb")
    except FileExistsError:
        raise Conflict(f"{target} is there already; nothing was overwritten.") from None
