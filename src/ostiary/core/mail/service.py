"""Reading mail of a connection, whichever way Microsoft serves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from ostiary.core.connections.mailboxes import Mailboxes, Part
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict, InvalidRequest
from ostiary.core.kernel.page import Page
from ostiary.core.mail.attachments import ByteStream
from ostiary.core.mail.batches import MOST_MESSAGES, MessageOutcome
from ostiary.core.mail.capabilities import MailCapabilities
from ostiary.core.mail.filters import EVERYTHING, MessageFilter
from ostiary.core.mail.folder_tree import read_tree
from ostiary.core.mail.model import AttachmentInfo, BodyForm, FolderNode, MailFolder, Message, MessageSummary
from ostiary.core.mail.ports import MailGateway
from ostiary.core.mail.safe_html import SafeHTML, make_safe, safe_text

MOST_THREAD_MESSAGES: Final = 200


class MailService:
    """Use cases of unified mail. Raises what :class:`Mailboxes` and ``MailGateway`` raise."""

    def __init__(self, *, mailboxes: Mailboxes, gateways: Mapping[AccessMethod, MailGateway]) -> None:
        self._mailboxes = mailboxes
        self._gateways = gateways

    async def capabilities(
        self, connection_id: str, *, organization_id: str | None
    ) -> tuple[AccessMethod, MailCapabilities]:
        """Return the method of a connection, and what mail can do over it. Nothing is asked of Microsoft.

        A connection without mail answers, too: its calendar is looked at in the same place.
        """
        try:
            mailbox = await self._mailboxes.open(connection_id, Part.MAIL, organization_id=organization_id)
        except Conflict:
            mailbox = await self._mailboxes.open(
                connection_id, Part.CALENDAR, organization_id=organization_id
            )
        return mailbox.method, self._gateways[mailbox.method].capabilities

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

    async def folder_tree(self, connection_id: str, *, organization_id: str | None) -> tuple[FolderNode, ...]:
        """Return every mail folder, parents before their children; at most :data:`folder_tree.MOST_FOLDERS`."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await read_tree(self._gateways[mailbox.method], mailbox.access)

    async def list_messages(
        self,
        connection_id: str,
        *,
        organization_id: str | None,
        folder_id: str | None,
        cursor: str | None = None,
        limit: int = 50,
        where: MessageFilter = EVERYTHING,
    ) -> Page[MessageSummary]:
        """Return one page of a folder's messages, newest first; of all folders when ``folder_id`` is None."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].list_messages(
                mailbox.access, folder_id=folder_id, cursor=cursor, limit=limit, where=where
            )

    async def list_thread(
        self, connection_id: str, message_id: str, *, organization_id: str | None
    ) -> tuple[MessageSummary, ...]:
        """Return the conversation of a message, oldest first; its newest :data:`MOST_THREAD_MESSAGES`."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].list_thread(
                mailbox.access, message_id, limit=MOST_THREAD_MESSAGES
            )

    async def get_message(
        self,
        connection_id: str,
        message_id: str,
        *,
        organization_id: str | None,
        body: BodyForm = BodyForm.STORED,
    ) -> Message:
        """Return one whole message."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].get_message(mailbox.access, message_id, body=body)

    async def get_messages(
        self,
        connection_id: str,
        message_ids: Sequence[str],
        *,
        organization_id: str | None,
        body: BodyForm = BodyForm.STORED,
    ) -> tuple[MessageOutcome, ...]:
        """Return many whole messages in the order of their ids; the error of one stands in its place.

        Raises:
            InvalidRequest: More than :data:`batches.MOST_MESSAGES`.
        """
        if len(message_ids) > MOST_MESSAGES:
            raise InvalidRequest(f"At most {MOST_MESSAGES} messages at once.", field="ids")
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].get_messages(mailbox.access, message_ids, body=body)

    async def get_safe_html(
        self, connection_id: str, message_id: str, *, organization_id: str | None
    ) -> SafeHTML:
        """Return a message's body as HTML that runs nothing and loads nothing."""
        message = await self.get_message(connection_id, message_id, organization_id=organization_id)
        if message.html is None:
            return safe_text(message.text or "")
        inline = {each.content_id for each in message.attachments if each.content_id}
        # A long mail takes a while to clean, and other calls should not wait for it.
        return await asyncio.to_thread(make_safe, message.html, content_ids=inline)

    @asynccontextmanager
    async def open_mime(
        self, connection_id: str, message_id: str, *, organization_id: str | None
    ) -> AsyncGenerator[ByteStream]:
        """Open a message as RFC 822 text, to be read inside the context."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            gateway = self._gateways[mailbox.method]
            async with gateway.open_mime(mailbox.access, message_id) as stream:
                yield stream

    @asynccontextmanager
    async def open_attachment(
        self, connection_id: str, message_id: str, attachment_id: str, *, organization_id: str | None
    ) -> AsyncGenerator[ByteStream]:
        """Open an attachment, to be read inside the context."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            gateway = self._gateways[mailbox.method]
            async with gateway.open_attachment(mailbox.access, message_id, attachment_id) as stream:
                yield stream

    async def list_attachments(
        self, connection_id: str, message_id: str, *, organization_id: str | None
    ) -> tuple[AttachmentInfo, ...]:
        """Return what is attached to a message, pictures inside the text included."""
        message = await self.get_message(connection_id, message_id, organization_id=organization_id)
        return message.attachments
