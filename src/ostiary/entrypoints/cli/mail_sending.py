"""``ostiary mail send`` and ``reply``: write and send, with files, once."""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.attachments import NewAttachment
from ostiary.core.mail.drafts import Answering, AnswerKind, MessageContent
from ostiary.core.mail.sends import SendOutcome
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.calendar_times import typed_moment
from ostiary.entrypoints.cli.connections import OptionalOrganization, Which, find_connection
from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.progress import Advance, progress
from ostiary.entrypoints.cli.runtime import run_with_services

if TYPE_CHECKING:
    from ostiary.bootstrap import Services
    from ostiary.core.connections.model import Connection

CHUNK_BYTES: Final = 256 * 1024
MOST_TEXT_BYTES: Final = 3_000_000

To = Annotated[list[str] | None, typer.Option("--to", help="Somebody's address; repeat it for more.")]
Text = Annotated[str | None, typer.Option("--text", help="What to say. Left out: read from standard input.")]
HTMLFile = Annotated[
    Path | None,
    typer.Option("--html-file", help="A file with the body as HTML.", exists=True, dir_okay=False),
]
Files = Annotated[
    list[Path] | None,
    typer.Option("--attach", help="A file to attach; repeat it for more.", exists=True, dir_okay=False),
]
At = Annotated[str | None, typer.Option("--at", help="Have it delivered then: a time, UTC.")]
Key = Annotated[
    str | None, typer.Option("--key", help="Your own name for this: with the same one nothing is sent twice.")
]


def register(mail: typer.Typer) -> None:
    """Add the commands."""
    mail.command("send", epilog="Next: ostiary mail list CONNECTION --folder sent")(send)
    mail.command("reply", epilog="Next: ostiary mail list CONNECTION --folder sent")(reply)


def send(
    connection: Which,
    subject: Annotated[str, typer.Option(help="What it is about.")],
    to: To = None,
    cc: Annotated[list[str] | None, typer.Option("--cc", help="Likewise, as a copy.")] = None,
    text: Text = None,
    html_file: HTMLFile = None,
    attach: Files = None,
    at: At = None,
    key: Key = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Send a message, once.

    Examples:

        ostiary mail send tom.ellis@harbourvale.example --to dana.okafor@harbourvale.example --subject Figures --text "Done."

        ostiary mail send CO-9D1M-7VHE --to vik@larkspur.example --subject Figures --attach f.xlsx --json < letter.txt
    """
    if not to:
        raise typer.BadParameter("say to whom", param_hint="--to")
    content = MessageContent(
        subject=subject,
        to=_people(to),
        cc=_people(cc),
        text=_text(text, html_file),
        html=_html(html_file),
    )
    _send(connection, content, None, attach or [], at, key, organization, as_json)


def reply(
    connection: Which,
    message: Annotated[str, typer.Argument(help="A message's id, as `mail list` shows it.")],
    text: Text = None,
    html_file: HTMLFile = None,
    everybody: Annotated[bool, typer.Option("--all", help="To everybody who got it.")] = False,
    forward: Annotated[bool, typer.Option("--forward", help="To somebody else, named by --to.")] = False,
    to: To = None,
    attach: Files = None,
    at: At = None,
    key: Key = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Answer a message, or forward it; Microsoft addresses, threads and quotes it.

    Examples:

        ostiary mail reply tom.ellis@harbourvale.example AAkALgAAAAAAHYQDEapmEc2byACq --text "Thank you."

        ostiary mail reply CO-9D1M-7VHE AAkALgAAAAAAHYQDEapmEc2byACq --forward --to vik@larkspur.example --text FYI --json
    """
    if everybody and forward:
        raise typer.BadParameter("answer everybody, or forward", param_hint="--all")
    if forward and not to:
        raise typer.BadParameter("say to whom", param_hint="--to")
    kind = AnswerKind.FORWARD if forward else AnswerKind.REPLY_ALL if everybody else AnswerKind.REPLY
    content = MessageContent(to=_people(to), text=_text(text, html_file), html=_html(html_file))
    _send(connection, content, Answering(message, kind), attach or [], at, key, organization, as_json)


def _send(
    connection: str,
    content: MessageContent,
    answering: Answering | None,
    files: list[Path],
    at: str | None,
    key: str | None,
    organization: str | None,
    as_json: bool,
) -> None:
    act_key = None if key is None else ("command line", key)
    if files and key is not None:
        # The key names the draft's sending, and each run would write another draft.
        raise typer.BadParameter(
            "a message with files cannot have one; look into Sent Items instead", param_hint="--key"
        )

    deliver_at = None if at is None else typed_moment(at, "at")

    async def use(services: Services) -> SendOutcome:
        found = await find_connection(services, connection, organization=organization)
        if not files:
            return await services.mail_sending.send(
                found.id,
                content,
                organization_id=found.organization_id,
                answering=answering,
                deliver_at=deliver_at,
                act_key=act_key,
            )
        return await _send_with_files(services, found, content, answering, files, deliver_at, as_json)

    outcome = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "sent": document_of(outcome)})
    else:
        advise(
            "Microsoft has taken it." if outcome.deliver_at is None else "Microsoft holds it until its time."
        )


async def _send_with_files(
    services: Services,
    found: Connection,
    content: MessageContent,
    answering: Answering | None,
    files: list[Path],
    deliver_at: datetime | None,
    as_json: bool,
) -> SendOutcome:
    customer = found.organization_id
    draft = await services.mail_writing.create_draft(
        found.id, content, answering=answering, organization_id=customer
    )
    try:
        for path in files:
            file = _new_attachment(path)
            with progress(f"attach {path.name}", file.size_bytes, quiet=as_json) as advance:
                await services.mail_writing.add_attachment(
                    found.id, draft.id, file, _chunks(path, advance), organization_id=customer
                )
    except OstiaryError:
        # Half a message is nobody's wish: nothing of it stays.
        await services.mail_writing.delete(found.id, draft.id, for_good=True, organization_id=customer)
        raise
    return await services.mail_sending.send_draft(
        found.id, draft.id, deliver_at=deliver_at, organization_id=customer
    )


def _new_attachment(path: Path) -> NewAttachment:
    guessed, _ = mimetypes.guess_type(path.name)
    return NewAttachment(path.name, guessed or "application/octet-stream", path.stat().st_size)


async def _chunks(path: Path, advance: Advance) -> AsyncIterator[bytes]:
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            done += len(chunk)
            advance(done)


def _people(addresses: list[str] | None) -> tuple[MailAddress, ...] | None:
    return None if not addresses else tuple(MailAddress(each) for each in addresses)


def _text(text: str | None, html_file: Path | None) -> str | None:
    if html_file is not None:
        if text is not None:
            raise typer.BadParameter("give the body as text or as HTML, not both", param_hint="--text")
        return None
    if text is not None:
        return text
    if sys.stdin.isatty():
        advise("Write your message, then Ctrl-D.")
    return _decoded(sys.stdin.buffer.read(MOST_TEXT_BYTES + 1))


def _html(path: Path | None) -> str | None:
    return None if path is None else _decoded(path.read_bytes())


def _decoded(body: bytes) -> str:
    if len(body) > MOST_TEXT_BYTES:
        raise typer.BadParameter("the message is longer than 3 MB; attach it as a file", param_hint="--text")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter("the message is no UTF-8 text", param_hint="--text") from None
