"""What narrows a list of messages, meant the same over every method."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ostiary.core.mail.model import MessageSummary


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Conditions that all have to hold; None and False ask for nothing."""

    unread_only: bool = False
    sender: str | None = None
    """Address of the sender, in any letter case."""
    recipient: str | None = None
    """Address of somebody in the To line, in any letter case."""
    subject: str | None = None
    """Part of the subject, in any letter case."""
    has_attachments: bool | None = None
    since: datetime | None = None
    """Received at this time or later."""
    until: datetime | None = None
    """Received before this time."""
    words: str | None = None
    """Words to be found anywhere in the message: full-text search by Microsoft's index."""

    @property
    def needs_index(self) -> bool:
        """Whether only Microsoft's search index can answer: plain filters know no recipients and no full text."""
        return self.words is not None or self.recipient is not None

    def admits(self, message: MessageSummary) -> bool:
        """Whether a message meets every condition but ``words``, which only Microsoft can judge.

        The index is coarse (whole days, beginnings of words) and lags behind, so what it finds is looked at again.
        """
        return (
            not (self.unread_only and message.is_read)
            and self._admits_people(message)
            and (self.subject is None or self.subject.casefold() in message.subject.casefold())
            and (self.has_attachments is None or self.has_attachments == message.has_attachments)
            and self._admits_time(message.received_at)
        )

    def _admits_people(self, message: MessageSummary) -> bool:
        if self.sender is not None and (
            message.sender is None or message.sender.address.casefold() != self.sender.casefold()
        ):
            return False
        return self.recipient is None or any(
            who.address.casefold() == self.recipient.casefold() for who in message.to
        )

    def _admits_time(self, received_at: datetime | None) -> bool:
        if self.since is None and self.until is None:
            return True
        return (
            received_at is not None
            and (self.since is None or received_at >= self.since)
            and (self.until is None or received_at < self.until)
        )


EVERYTHING = MessageFilter()
