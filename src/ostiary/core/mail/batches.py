"""Many whole messages in one answer: how much it takes, and what stands in the place of one that is missing."""

from __future__ import annotations

from typing import Final, TypeAlias

from ostiary.core.kernel.errors import (
    InvalidRequest,
    NotFound,
    OstiaryError,
    PermissionDenied,
    ProviderContractBroken,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.mail.errors import BatchFull
from ostiary.core.mail.model import Message

MOST_MESSAGES: Final = 50
"""For one call of ours. EWS gives so many in one answer of its own."""
MOST_CHARACTERS: Final = 16_000_000
"""Of all bodies and headers together; the first message is given however long it is."""

MessageOutcome: TypeAlias = Message | OstiaryError

_OF_ONE: Final = (NotFound, PermissionDenied, ProviderContractBroken, InvalidRequest)
"""Say something about one message; the others may still be read."""
_PASSING: Final = (Throttled, TemporarilyUnavailable)
"""Say that Microsoft should not be asked any more for now; what was read is kept."""


class MessageBatch:
    """Collects what became of each message of a batch, in the order they were asked for."""

    def __init__(self, count: int, *, most_characters: int = MOST_CHARACTERS) -> None:
        """``count`` is how many messages were asked for."""
        self._outcomes: list[MessageOutcome | None] = [None] * count
        self._left = most_characters
        self._has_messages = False
        self._stopped: OstiaryError | None = None
        self._is_fatal = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more should be read: there is no room left, or Microsoft should be left alone."""
        return self._stopped is not None or (self._has_messages and self._left <= 0)

    def note(self, position: int, outcome: MessageOutcome) -> None:
        """Say what became of the message at ``position``; nothing is raised before :meth:`outcomes`."""
        if isinstance(outcome, Message):
            size = characters_of(outcome)
            if self._has_messages and size > self._left:
                outcome = batch_full()
            else:
                self._has_messages = True
                self._left -= size
            self._outcomes[position] = outcome
        elif isinstance(outcome, _OF_ONE):
            self._outcomes[position] = outcome
        elif self._stopped is None or not (self._is_fatal or isinstance(outcome, _PASSING)):
            self._stopped = outcome
            self._is_fatal = not isinstance(outcome, _PASSING)

    def outcomes(self) -> tuple[MessageOutcome, ...]:
        """Return a message or an error for each.

        Raises:
            OstiaryError: The mailbox cannot be read at all, or Microsoft is away and not one message was read.
        """
        if self._stopped is not None and (self._is_fatal or not self._has_messages):
            raise self._stopped
        rest = self._stopped or batch_full()
        return tuple(rest if outcome is None else outcome for outcome in self._outcomes)


def batch_full() -> BatchFull:
    """Return what stands in the place of a message for which there was no room."""
    return BatchFull("There was no room for this message in one answer. Ask for it again, with fewer others.")


def characters_of(message: Message) -> int:
    """Return how much room a message takes, its smallest fields left out."""
    headers = sum(len(name) + len(value) for name, values in message.headers.items() for value in values)
    return len(message.text or "") + len(message.html or "") + headers
