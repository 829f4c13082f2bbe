"""What can go wrong in the mailbox store; each service translates these to its own codes.

MailboxError
├── MalformedId        the id cannot be read; the caller fixes the request
├── FolderNotFound     no such folder in this mailbox
├── ItemNotFound       no such item in this mailbox (also: the id is from before a move)
├── FolderExists       a sibling folder has that name
├── FolderProtected    well-known folders are not renamed, moved or deleted
├── ChangeConflict     the caller's change key is not the current one; read again
├── ChangesForgotten   the change log no longer reaches back that far; start a full round
├── InvalidContent     a value that the store refuses (`field` names it)
├── InvalidRecipients  nothing to send to
├── NotAllowed         the mailbox exists, but this caller may not do that
├── OccurrenceGone     the occurrence was cancelled or is outside the series
├── OccurrenceCrossing a moved occurrence would jump over or onto its neighbour
└── MeetingRefused     the action does not fit (organizer accepting his own meeting …)
"""

from __future__ import annotations


class MailboxError(Exception):
    """Base of all errors of the store; `str(error)` is safe to show."""


class MalformedId(MailboxError):
    """The text is no id of this kind, or belongs to another mailbox."""


class FolderNotFound(MailboxError):
    """No such folder in this mailbox."""

    def __init__(self, message: str = "The specified folder could not be found in the store.") -> None:
        super().__init__(message)


class ItemNotFound(MailboxError):
    """No such item in this mailbox."""

    def __init__(self, message: str = "The specified object was not found in the store.") -> None:
        super().__init__(message)


class FolderExists(MailboxError):
    """A sibling folder already has that name."""

    def __init__(self, message: str = "A folder with the specified name already exists.") -> None:
        super().__init__(message)


class FolderProtected(MailboxError):
    """Well-known folders cannot be renamed, moved or deleted."""

    def __init__(self, message: str = "Distinguished folders cannot be deleted.") -> None:
        super().__init__(message)


class ChangeConflict(MailboxError):
    """The change key given is not the current one."""

    def __init__(
        self,
        message: str = "The send or update operation could not be performed because the change key passed in the "
        "request does not match the current change key for the item.",
    ) -> None:
        super().__init__(message)


class ChangesForgotten(MailboxError):
    """The change log does not reach back to the number asked for."""

    def __init__(self, message: str = "The sync state is not found in the store.") -> None:
        super().__init__(message)


class InvalidContent(MailboxError):
    """A value that the store refuses; `field` is the name of the property."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class InvalidRecipients(MailboxError):
    """There is nobody to send to, or an address cannot be used."""

    def __init__(self, message: str = "At least one recipient isn't valid.") -> None:
        super().__init__(message)


class NotAllowed(MailboxError):
    """The caller may not do this in this mailbox."""


class OccurrenceGone(MailboxError):
    """The occurrence was cancelled or never belonged to the series."""

    def __init__(self, message: str = "Occurrence is deleted from recurrence.") -> None:
        super().__init__(message)


class OccurrenceCrossing(MailboxError):
    """A moved occurrence would cross or overlap its neighbour."""

    def __init__(
        self, message: str = "Modified occurrence is crossing or overlapping adjacent occurrence."
    ) -> None:
        super().__init__(message)


class MeetingRefused(MailboxError):
    """The meeting action does not fit this event."""
