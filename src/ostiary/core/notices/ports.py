"""What notices needs from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.kernel.secret import Secret
from ostiary.core.notices.model import Notice, NoticeKind, OutgoingMail


class MailRefused(OstiaryError):
    """The mail server will never take this mail: give it up and tell whoever can mend it."""

    code = "mail_refused"


class Mailer(Protocol):
    """Hands a mail to a mail server."""

    async def send(self, mail: OutgoingMail) -> None:
        """Return once the server has taken the mail.

        Raises:
            TemporarilyUnavailable: Repeat later; the mail may have been taken all the same.
            MailRefused: Repeating is no use: this recipient or mail is not accepted.
        """
        ...

    async def check(self) -> None:
        """Connect, sign in and leave again. Raises the same."""
        ...


class LinkAddresses(Protocol):
    """Knows the addresses of approval links, which are secrets and therefore stored nowhere."""

    async def address_of(self, link_id: str) -> Secret | None:
        """Return the address; None when the link does not work any more."""
        ...


class NoticeStore(Protocol):
    """Keeps the outbox."""

    async def add(self, notice: Notice) -> bool:
        """Write a notice; False when one with the same ``once_key`` was written before."""
        ...

    async def save(self, notice: Notice) -> None: ...
    async def find(self, notice_id: str, *, for_update: bool = False) -> Notice | None: ...
    async def latest_for(self, object_id: str, *, kinds: tuple[NoticeKind, ...]) -> Notice | None:
        """The newest notice of these kinds about one object."""
        ...

    async def count_for(self, object_id: str, *, kind: NoticeKind, since: datetime) -> int: ...
    async def stuck(self, *, created_before: datetime, limit: int) -> tuple[str, ...]:
        """Ids of notices that should have been sent or given up by now, oldest first."""
        ...

    async def forget(self, *, created_before: datetime) -> int:
        """Delete what is over and older than that; return how many."""
        ...


class Outbox(Protocol):
    """What a feature needs of the transaction to write a notice."""

    @property
    def notices(self) -> NoticeStore: ...
    @property
    def jobs(self) -> JobQueue: ...


class NoticeTransaction(Outbox, Protocol):
    """What one transaction of notices can reach."""

    @property
    def audit(self) -> AuditTrail: ...
