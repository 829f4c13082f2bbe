"""A small SMTP listener: mail sent to it arrives in emulated mailboxes, and nowhere else."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from m365_emulator.world.mailbox.errors import MailboxError
from m365_emulator.world.mailbox.mime import from_mime

if TYPE_CHECKING:
    from m365_emulator.world.world import World

MAX_MESSAGE_BYTES = 36_700_160
"""35 MB, Exchange Online's default for received mail."""
MAX_RECIPIENTS = 500
LINE_SECONDS = 300
"""How long a client may think (RFC 5321, 4.5.3.2)."""
_PATH = re.compile(r"^(?:FROM|TO):\s*<(?P<address>[^<>]*)>", re.IGNORECASE)


@dataclass(slots=True)
class _Envelope:
    sender: str | None = None
    recipients: list[str] = field(default_factory=list[str])


class SMTPListener:
    """Takes mail without authentication or TLS, as a test relay does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port; 0 takes a free one."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=1_048_576)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end open sessions."""
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection callback always runs in one
        self._sessions.add(task)
        try:
            await _Session(self._world, reader, writer).run()
        except (OSError, TimeoutError, asyncio.CancelledError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self._sessions.discard(task)
            writer.close()


class _Session:
    def __init__(self, world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._world, self._reader, self._writer = world, reader, writer
        self._envelope = _Envelope()

    async def run(self) -> None:
        await self._say("220 localhost m365-emulator ready")
        while True:
            line = await self._line()
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if not line or verb.upper() == "QUIT":
                await self._say("221 2.0.0 Bye")
                return
            await self._obey(verb.upper(), rest.strip())

    async def _line(self) -> bytes:
        async with asyncio.timeout(LINE_SECONDS):
            return await self._reader.readline()

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()

    async def _obey(self, verb: str, rest: str) -> None:
        if verb == "EHLO":
            self._envelope = _Envelope()
            await self._say(
                "250-localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                f"250-ENHANCEDSTATUSCODES\r\n250 SIZE {MAX_MESSAGE_BYTES}"
            )
        elif verb == "HELO":
            self._envelope = _Envelope()
            await self._say("250 localhost")
        elif verb == "MAIL":
            await self._mail(rest)
        elif verb == "RCPT":
            await self._recipient(rest)
        elif verb == "DATA":
            await self._data()
        elif verb == "RSET":
            self._envelope = _Envelope()
            await self._say("250 2.0.0 Forgotten")
        elif verb in ("NOOP", "VRFY"):
            await self._say("250 2.0.0 OK" if verb == "NOOP" else "252 2.1.5 Try it")
        else:
            await self._say("502 5.5.1 Command not implemented")

    async def _mail(self, rest: str) -> None:
        found = _PATH.match(rest)
        if found is None:
            await self._say("501 5.5.4 Write MAIL FROM:<address>")
            return
        size = re.search(r"\bSIZE=(\d{1,12})\b", rest, re.IGNORECASE)
        if size and int(size[1]) > MAX_MESSAGE_BYTES:
            await self._say("552 5.3.4 Message too large")
            return
        self._envelope = _Envelope(sender=found["address"])
        await self._say("250 2.1.0 Sender OK")

    async def _recipient(self, rest: str) -> None:
        found = _PATH.match(rest)
        if self._envelope.sender is None:
            await self._say("503 5.5.1 MAIL first")
        elif found is None:
            await self._say("501 5.5.4 Write RCPT TO:<address>")
        elif len(self._envelope.recipients) >= MAX_RECIPIENTS:
            await self._say("452 4.5.3 Too many recipients")
        elif self._world.find_mailbox(found["address"]) is None:
            await self._say("550 5.1.10 RESOLVER.ADR.RecipientNotFound; no emulated mailbox has this address")
        else:
            self._envelope.recipients.append(found["address"])
            await self._say("250 2.1.5 Recipient OK")

    async def _data(self) -> None:
        if not self._envelope.recipients:
            await self._say("503 5.5.1 RCPT first")
            return
        await self._say("354 End with a dot on its own line")
        raw = await self._body()
        if raw is None:
            await self._say("552 5.3.4 Message too large")
        else:
            await self._deliver(raw)
        self._envelope = _Envelope()

    async def _body(self) -> bytes | None:
        content = bytearray()
        is_too_large = False
        while True:
            line = await self._line()
            if not line:
                raise asyncio.IncompleteReadError(bytes(content), None)
            if line in (b".\r\n", b".\n"):
                return None if is_too_large else bytes(content)
            is_too_large = is_too_large or len(content) + len(line) > MAX_MESSAGE_BYTES
            if not is_too_large:
                content += line[1:] if line.startswith(b".") else line

    async def _deliver(self, raw: bytes) -> None:
        rng = random.Random(self._world.rng.getrandbits(64))  # noqa: S311 - repeatable on purpose
        try:
            message = from_mime(raw, rng, self._world.clock.now().replace(microsecond=0))
        except (MailboxError, ValueError) as error:
            await self._say(f"554 5.6.0 The message cannot be read: {str(error)[:120] or 'invalid content'}")
            return
        self._world.deliver(message, self._envelope.recipients)
        await self._say("250 2.6.0 Delivered")
