"""Reading mail of a connection, whichever way Microsoft serves it."""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.core.connections.mailboxes import Mailboxes, Part
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.page import Page
from ostiary.core.mail.model import MailFolder, Message, MessageSummary
from ostiary.core.mail.ports import MailGateway


class MailService:
    """Use cases of unified mail. Raises what :class:`Mailboxes` and ``MailGateway`` raise."""

    def __init__(self, *, mailboxes: Mailboxes, gateways: Mapping[AccessMethod, MailGateway]) -> None:
        self._mailboxes = mailboxes
        self._gateways = gateways

    async def list_folders(
        self,
        connection_id: str,
        *,
        organization_id: str | None,
        parent_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[MailFolder]:
        """Return one page of folders under ``parent_id`` (None: under the mailbox)."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].list_folders(
                mailbox.access, parent_id=parent_id, cursor=cursor, limit=limit
            )

    async def list_messages(
        self,
        connection_id: str,
        *,
        organization_id: str | None,
        folder_id: str,
        cursor: str | None = None,
        limit: int = 50,
        unread_only: bool = False,
    ) -> Page[MessageSummary]:
        """Return one page of a folder's messages, newest first."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].list_messages(
                mailbox.access, folder_id=folder_id, cursor=cursor, limit=limit, unread_only=unread_only
            )

    async def get_message(
        self, connection_id: str, message_id: str, *, organization_id: str | None
    ) -> Message:
        """Return one whole message."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].get_message(mailbox.access, message_id)
