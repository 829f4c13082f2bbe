"""Hands mails to the configured mail server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from ostiary.adapters.http_session import trusted
from ostiary.adapters.smtp.mime import build
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import Misconfigured, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.notices.model import Correspondent, OutgoingMail
from ostiary.core.notices.ports import MailRefused

SECONDS: Final = 20.0
"""For each command and answer; a mail takes a handful of them."""

_PORTS: Final = {"smtp": 587, "smtps": 465}
_FOR_THIS_MAIL: Final = frozenset({550, 551, 552, 553, 554, 501})
"""Answers about the recipient or the mail, where another try is no use (RFC 5321, 4.2.3)."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over."""

    host: str
    port: int
    implicit_tls: bool
    username: str | None = None
    password: Secret | None = None

    @classmethod
    def parse(cls, url: Secret) -> MailServer:
        """Read ``smtp://user:password@host:587`` or ``smtps://…:465``.

        Raises:
            Misconfigured: It is not such an address. The message does not repeat it.
        """
        try:
            parts = urlsplit(url.reveal())
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError as error:
            raise Misconfigured("OSTIARY_SMTP_URL is not an address.") from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise Misconfigured(
                "OSTIARY_SMTP_URL must read smtp://user:password@host:587 or smtps://user:password@host:465."
            )
        return cls(
            host=parts.hostname,
            port=port,
            implicit_tls=parts.scheme == "smtps",
            username=unquote(parts.username) if parts.username else None,
            password=Secret(unquote(parts.password)) if parts.password else None,
        )

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine: the one case where mail may travel unencrypted."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class SMTPMailer:
    """One connection for each mail: mails are few, and a connection kept open would need its own care."""

    def __init__(self, server: MailServer, *, sender: Correspondent, clock: Clock) -> None:
        self._server = server
        self._sender = sender
        self._clock = clock

    async def send(self, mail: OutgoingMail) -> None:
        """Hand over one mail; see :class:`ostiary.core.notices.ports.Mailer`."""
        built = build(mail, sender=self._sender, now=self._clock.now())
        try:
            async with self._open() as client:
                await client.send_message(built, sender=self._sender.address, recipients=[mail.to.address])
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _failure(error.recipients[0]) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _failure(error) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise TemporarilyUnavailable(
                f"The mail server did not take it: {type(error).__name__}."
            ) from error

    async def check(self) -> None:
        """Connect, sign in, leave."""
        try:
            async with self._open() as client:
                await client.noop()
        except aiosmtplib.SMTPResponseException as error:
            raise TemporarilyUnavailable(f"The mail server answered {error.code}.") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TemporarilyUnavailable(
                f"The mail server cannot be reached: {type(error).__name__}."
            ) from error

    def _open(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.implicit_tls,
            # None: encrypt where the server offers it. Off this machine it must, or nothing is said to it.
            start_tls=False if server.implicit_tls else (None if server.is_local else True),
            username=server.username,
            password=None if server.password is None else server.password.reveal(),
            timeout=SECONDS,
            tls_context=trusted(None),
        )


def _failure(error: aiosmtplib.SMTPResponseException) -> MailRefused | TemporarilyUnavailable:
    # The server's own words can repeat addresses and our sign-in name; the number says enough.
    if error.code in _FOR_THIS_MAIL and not isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return MailRefused(f"The mail server refused it ({error.code}).")
    return TemporarilyUnavailable(f"The mail server answered {error.code}.")
