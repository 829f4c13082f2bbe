"""What somebody writes: content of a draft, marks on a message, and how a send is told apart from all others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.model import FlagStatus, Importance

MOST_RECIPIENTS: Final = 1000
"""Recipients of one message in a new Exchange Online tenant; a tenant may allow fewer.

Source: Exchange Online limits, recipients per message (graph.md §7).
"""


@dataclass(frozen=True, slots=True)
class MessageContent:
    """The written part of a message. None leaves what is there: nothing in a new draft, the proposal in an answer."""

    subject: str | None = None
    to: tuple[MailAddress, ...] | None = None
    cc: tuple[MailAddress, ...] | None = None
    bcc: tuple[MailAddress, ...] | None = None
    reply_to: tuple[MailAddress, ...] | None = None
    text: str | None = None
    html: str | None = None
    importance: Importance | None = None

    def __post_init__(self) -> None:
        if self.text is not None and self.html is not None:
            raise InvalidRequest("Give the body as text or as HTML, not both.", field="html")
        people = [who for group in (self.to, self.cc, self.bcc) for who in group or ()]
        if len(people) > MOST_RECIPIENTS:
            raise InvalidRequest(f"A message has at most {MOST_RECIPIENTS} recipients.", field="to")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was given."""
        return self == MessageContent()


@dataclass(frozen=True, slots=True)
class MessageChanges:
    """What to change of a message. Content can change while it is a draft, marks always; None leaves it."""

    content: MessageContent = MessageContent()
    is_read: bool | None = None
    flag: FlagStatus | None = None
    categories: tuple[str, ...] | None = None


class AnswerKind(StrEnum):
    """How a message is answered."""

    REPLY = "reply"
    REPLY_ALL = "reply_all"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class Answering:
    """The message that a draft answers, so that Microsoft threads and quotes it."""

    message_id: str
    kind: AnswerKind


@dataclass(frozen=True, slots=True)
class Posting:
    """What is stamped on a draft before it is sent."""

    stamp: str
    """Unique to one act of sending; finds the message again wherever it went."""
    deliver_at: datetime | None = None
    """Microsoft holds the message until then; None sends at once."""


@dataclass(frozen=True, slots=True)
class StampedMessage:
    """A message found by its stamp."""

    id: str
    is_draft: bool
