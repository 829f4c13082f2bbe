"""What mail needs from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from ostiary.core.connections.model import MailboxAccess
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.kernel.page import Page
from ostiary.core.mail.attachments import ByteStream, NewAttachment
from ostiary.core.mail.batches import MessageOutcome
from ostiary.core.mail.capabilities import MailCapabilities
from ostiary.core.mail.drafts import Answering, MessageChanges, MessageContent, Posting, StampedMessage
from ostiary.core.mail.filters import EVERYTHING, MessageFilter
from ostiary.core.mail.model import AttachmentInfo, BodyForm, MailFolder, Message, MessageSummary
from ostiary.core.mail.sends import SendRecord


class MailReader(Protocol):
    """Reads one mailbox's mail over one access method.

    Every coroutine of the three gateways may raise NotFound, InvalidRequest, PermissionDenied, MailboxMissing,
    AccessBlocked, ReauthorizationRequired, Throttled, TemporarilyUnavailable or ProviderContractBroken. Cursors
    are opaque and only good for the mailbox and method that gave them.
    """

    @property
    def capabilities(self) -> MailCapabilities:
        """Where this method differs from the other."""
        ...

    async def list_folders(
        self,
        mailbox: MailboxAccess,
        *,
        parent_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[MailFolder]:
        """Folders directly under ``parent_id`` (None: under the mailbox), mail folders only."""
        ...

    async def list_messages(
        self,
        mailbox: MailboxAccess,
        *,
        folder_id: str | None,
        cursor: str | None = None,
        limit: int = 50,
        where: MessageFilter = EVERYTHING,
    ) -> Page[MessageSummary]:
        """Messages of a folder, newest first. ``folder_id`` is an id or a WellKnownFolder value.

        None means all folders, in the order that ``capabilities.search_order`` says. A page may be short or empty
        and still not be the last.
        """
        ...

    async def list_thread(
        self, mailbox: MailboxAccess, message_id: str, *, limit: int = 100
    ) -> tuple[MessageSummary, ...]:
        """The conversation that a message belongs to, over all folders, oldest first; the newest ``limit`` of it."""
        ...

    async def get_message(
        self, mailbox: MailboxAccess, message_id: str, *, body: BodyForm = BodyForm.STORED
    ) -> Message:
        """One whole message with its attachments' names."""
        ...

    async def get_messages(
        self, mailbox: MailboxAccess, message_ids: Sequence[str], *, body: BodyForm = BodyForm.STORED
    ) -> tuple[MessageOutcome, ...]:
        """Many whole messages, in the order of their ids, each as :meth:`get_message` gives it.

        Where one cannot be read its error stands in its place: NotFound for one that is gone, BatchFull for one
        that would make the answer longer than ``batches.MOST_CHARACTERS``. When Microsoft slows us or goes away
        on the way, what was read is kept, and the rest gets that error.

        Raises:
            OstiaryError: The mailbox cannot be read at all, or not one message could.
        """
        ...

    def open_mime(self, mailbox: MailboxAccess, message_id: str) -> AbstractAsyncContextManager[ByteStream]:
        """The message as RFC 822 text, as a stream."""
        ...


class MailWriter(Protocol):
    """Writes, files and sends one mailbox's mail. Nothing is repeated after an answer was lost."""

    async def create_draft(
        self,
        mailbox: MailboxAccess,
        content: MessageContent,
        *,
        answering: Answering | None = None,
        posting: Posting | None = None,
    ) -> Message:
        """Save a draft in Drafts; one that answers is addressed, threaded and quoted by Microsoft."""
        ...

    async def update_message(
        self,
        mailbox: MailboxAccess,
        message_id: str,
        changes: MessageChanges,
        *,
        if_version: str | None = None,
    ) -> MessageSummary:
        """Change a message; raises NotADraft for content of a message that is none.

        Args:
            if_version: The version it must still have, else VersionChanged.
        """
        ...

    async def stamp_draft(self, mailbox: MailboxAccess, message_id: str, posting: Posting) -> MessageSummary:
        """Mark a draft for sending; raises NotADraft."""
        ...

    async def send_draft(
        self, mailbox: MailboxAccess, message_id: str, *, version: str | None = None
    ) -> None:
        """Send a draft. It moves to Sent Items, so that it can be sent only once.

        Args:
            version: Its version, where the caller knows it: saves a call over EWS.

        Raises:
            NotFound: No such draft: it may have been sent.
            TemporarilyUnavailable, ProviderContractBroken: No usable answer: it may have been sent.
        """
        ...

    async def find_stamped(self, mailbox: MailboxAccess, stamp: str) -> StampedMessage | None:
        """Find a message by its stamp, in the folders where one may be that was to be sent. A sent one wins."""
        ...

    async def move(self, mailbox: MailboxAccess, message_id: str, folder_id: str) -> MessageSummary:
        """Move to another folder; the id may change."""
        ...

    async def copy(self, mailbox: MailboxAccess, message_id: str, folder_id: str) -> MessageSummary:
        """Copy to another folder."""
        ...

    async def delete(
        self,
        mailbox: MailboxAccess,
        message_id: str,
        *,
        for_good: bool = False,
        if_version: str | None = None,
    ) -> None:
        """Delete to Deleted Items, or beyond its owner's reach."""
        ...


class AttachmentGateway(Protocol):
    """Moves attachments in and out as streams."""

    def open_attachment(
        self, mailbox: MailboxAccess, message_id: str, attachment_id: str
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of an attached file; of an attached message its RFC 822 text."""
        ...

    async def add_attachment(
        self, mailbox: MailboxAccess, message_id: str, file: NewAttachment, chunks: AsyncIterator[bytes]
    ) -> AttachmentInfo:
        """Attach a file to a draft.

        Raises:
            TooLargeForMailbox: Exchange takes no file of this size.
            InvalidRequest: ``chunks`` was longer or shorter than ``file.size_bytes``; nothing was attached.
        """
        ...

    async def remove_attachment(self, mailbox: MailboxAccess, message_id: str, attachment_id: str) -> None:
        """Take an attachment off a draft."""
        ...


class MailGateway(MailReader, MailWriter, AttachmentGateway, Protocol):
    """All of one mailbox's mail over one access method."""


class SendLedger(Protocol):
    """Remembers acts of sending, so that none happens twice; inside one transaction."""

    async def begin(self, record: SendRecord) -> SendRecord:
        """Store a new act, or return the one that has its stamp already."""
        ...

    async def start_sending(
        self, record_id: str, *, draft_id: str, internet_message_id: str | None, now: datetime
    ) -> SendRecord | None:
        """Say which draft is about to be sent. Return the act as it then stands: another process may have been first.

        None: the act was given up meanwhile.
        """
        ...

    async def mark_sent(self, record_id: str, *, now: datetime) -> None:
        """The message is on its way."""
        ...

    async def forget(self, record_id: str) -> None:
        """Microsoft refused: nothing was sent, and the act may be tried anew."""
        ...


class MailTransaction(ConnectionTransaction, Protocol):
    """What mail needs of a unit of work."""

    @property
    def sends(self) -> SendLedger: ...
