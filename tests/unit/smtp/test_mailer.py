"""Handing over to a mail server: what is tried again, what is given up, what is never said unencrypted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ostiary.adapters.smtp.mailer import MailServer, SMTPMailer
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.notices.model import Correspondent, Message, OutgoingMail, Text
from ostiary.core.notices.ports import MailRefused

MAIL = OutgoingMail("ntc_1", Correspondent("priya.nair@harbourvale.example"), Message("Hello", (Text("."),)))


@asynccontextmanager
async def mail_server(answers: dict[str, str]) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that gives fixed answers by verb and remembers what it was told."""
    told: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.split()[0].upper()
            told.append(line)
            writer.write((answers.get(verb, "250 fine") + "\r\n").encode())
            if verb == "DATA" and "DATA" not in answers:
                writer.write(b"")
            if verb == "QUIT":
                break
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", told
    finally:
        server.close()


def mailer(address: str, clock: MovableClock) -> SMTPMailer:
    sender = Correspondent("connect@larkspur.example", "Larkspur")
    return SMTPMailer(MailServer.parse(Secret(address)), sender=sender, clock=clock)


@pytest.mark.parametrize(
    ("answers", "raised"),
    [
        ({"RCPT": "550 5.1.1 no such person"}, MailRefused),
        ({"RCPT": "451 4.7.1 grey listed, come back"}, TemporarilyUnavailable),
        ({"MAIL": "421 4.3.2 closing"}, TemporarilyUnavailable),
        ({"DATA": "554 5.6.0 not like this"}, MailRefused),
    ],
)
async def test_the_servers_number_decides_whether_to_try_again(
    answers: dict[str, str], raised: type[Exception], clock: MovableClock
) -> None:
    async with mail_server(answers) as (address, _):
        with pytest.raises(raised) as failure:
            await mailer(f"smtp://{address}", clock).send(MAIL)
    assert "harbourvale" not in str(failure.value)


async def test_a_server_that_is_not_there_is_asked_again_later(clock: MovableClock) -> None:
    act: Callable[[], Awaitable[None]]
    for act in (
        lambda: mailer("smtp://127.0.0.1:9", clock).send(MAIL),
        lambda: mailer("smtp://127.0.0.1:9", clock).check(),
    ):
        with pytest.raises(TemporarilyUnavailable):
            await act()


async def test_another_machine_without_encryption_hears_no_mail_and_no_password(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MailServer, "is_local", property(lambda _: False))
    async with mail_server({"EHLO": "250 no encryption here"}) as (address, told):
        with pytest.raises(TemporarilyUnavailable):
            await mailer(f"smtp://user:password@{address}", clock).send(MAIL)
    assert {line.split()[0] for line in told} <= {"EHLO", "STARTTLS", "QUIT"}
