"""Notices, what a mail is made of, and which mails there are. Pure rules, no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.secret import Secret

GIVE_UP_AFTER: Final = timedelta(days=1)
"""A mail that could not be handed over for this long is given up, and the audit trail says so."""

KEPT_FOR: Final = timedelta(days=90)
"""Sent and given-up notices are deleted after this; they hold addresses of people."""

FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)

_BREAKS: Final = re.compile(r"[\r\n\0]")


class NoticeKind(StrEnum):
    """Every mail there is (UX §8, §4.3)."""

    APPROVAL_REQUEST = "approval_request"
    APPROVAL_REMINDER = "approval_reminder"
    LINK_EXPIRES = "link_expires"
    CAN_CONNECT = "can_connect"
    DECLINED = "declined"
    APPROVED_SECURITY = "approved_security"
    APPROVAL_RECORD = "approval_record"
    SIGN_IN_AGAIN = "sign_in_again"
    BULK_READ = "bulk_read"
    IDLE = "idle"
    IDLE_ENDED = "idle_ended"
    TROUBLE = "trouble"
    RECOVERED = "recovered"
    NOT_CONFIRMED = "not_confirmed"
    REQUEST_EXPIRED = "request_expired"
    WEEKLY_DIGEST = "weekly_digest"


@dataclass(frozen=True, slots=True)
class Correspondent:
    """An address with the name it goes by."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """One mail to one person: what it is about, never its finished text.

    The text is written when it is sent, because a link in it is a secret, and secrets are not stored.
    """

    id: str
    kind: NoticeKind
    to: Correspondent
    created_at: datetime
    organization_id: str | None = None
    reply_to: Correspondent | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the text needs to know; no secrets."""
    link_id: str | None = None
    """The approval link this one copy carries."""
    object_id: str | None = None
    """What it is about, such as the approval request."""
    reference: str | None = None
    once_key: str | None = None
    """A second notice with the same key is not written."""
    attempts: int = 0
    sent_at: datetime | None = None
    given_up_at: datetime | None = None
    trouble: str | None = None
    """Why the last try failed, in the mail server's words, shortened."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be tried."""
        return self.sent_at is not None or self.given_up_at is not None


@dataclass(frozen=True, slots=True)
class Vendor:
    """What mails say about the vendor."""

    name: str
    help_email: str
    publisher: str
    publisher_verified: bool
    public_url: str
    app_ids: Mapping[AccessMethod, str]
    app_url: str | None = None
    console_url: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; line breaks in it are kept."""

    words: str


@dataclass(frozen=True, slots=True)
class Link:
    """A paragraph that is an address, shown in full, with a few words behind it."""

    url: Secret
    after: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What a mail says; the mail adapter gives it its two looks, plain and simple HTML."""

    subject: str
    paragraphs: tuple[Text | Link, ...]


Writer = Callable[[Notice, Vendor, Secret | None], Message]
"""Writes the message of a notice; the secret is the address of its approval link, where it carries one."""


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail ready to be handed over.

    Raises:
        InvalidRequest: A header would hold CR, LF or NUL (SR-92).
    """

    id: str
    """Stable over retries: the mail's Message-ID is made from it, so that doubles can be told."""
    to: Correspondent
    message: Message
    reply_to: Correspondent | None = None

    def __post_init__(self) -> None:
        people = (self.to, *(() if self.reply_to is None else (self.reply_to,)))
        headers = (
            self.id,
            self.message.subject,
            *(part for each in people for part in (each.address, each.name)),
        )
        for value in headers:
            refuse_breaks(value)


def refuse_breaks(value: str) -> None:
    """Refuse a header value that would end its line and begin another (SR-92).

    Raises:
        InvalidRequest: It holds CR, LF or NUL.
    """
    if _BREAKS.search(value) is not None:
        raise InvalidRequest("A mail header cannot hold a line break or NUL.")


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after ``attempts`` failed tries: from half a minute, doubling up to an hour."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts - 1, 20))
