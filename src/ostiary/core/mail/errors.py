"""What can go wrong with mail beyond the kernel's errors."""

from __future__ import annotations

from ostiary.core.kernel.errors import Conflict, InvalidRequest, PermissionDenied, TemporarilyUnavailable


class TooLargeForMailbox(InvalidRequest):
    """Exchange takes no message or attachment of this size: send less."""

    code = "too_large_for_mailbox"


class MailboxFull(Conflict):
    """There is no room left in the mailbox: its owner has to make some."""

    code = "mailbox_full"


class SendingRefused(PermissionDenied):
    """Exchange lets this mailbox send no more for now, or not as this sender: its administrator knows why."""

    code = "sending_refused"


class BatchFull(InvalidRequest):
    """There was no room for this message in one answer: ask for it again, with fewer others."""

    code = "batch_full"


class NotADraft(Conflict):
    """The message was sent or received already, so its content can no longer change."""

    code = "not_a_draft"


class SendUnconfirmed(TemporarilyUnavailable):
    """Microsoft's answer to a send was lost and the message is not seen yet.

    Repeat the call with the same Idempotency-Key: it looks again and sends nothing twice.
    """

    code = "send_unconfirmed"
