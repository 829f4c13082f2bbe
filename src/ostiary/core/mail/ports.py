"""What mail needs from outside."""

from __future__ import annotations

from typing import Protocol

from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.page import Page
from ostiary.core.mail.model import MailFolder, Message, MessageSummary


class MailGateway(Protocol):
    """Reads one mailbox's mail over one access method.

    Every coroutine may raise NotFound, InvalidRequest, PermissionDenied, MailboxMissing, AccessBlocked,
    ReauthorizationRequired, Throttled, TemporarilyUnavailable or ProviderContractBroken. Cursors are opaque
    and only good for the mailbox and method that gave them.
    """

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
        folder_id: str,
        cursor: str | None = None,
        limit: int = 50,
        unread_only: bool = False,
    ) -> Page[MessageSummary]:
        """Messages of a folder, newest received first. ``folder_id`` is an id or a WellKnownFolder value."""
        ...

    async def get_message(self, mailbox: MailboxAccess, message_id: str) -> Message:
        """One whole message with its attachments' names."""
        ...
