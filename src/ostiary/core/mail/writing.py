"""Writing, marking and filing mail of a connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from ostiary.core.connections.mailboxes import Mailboxes, Part
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.mail.attachments import NewAttachment
from ostiary.core.mail.drafts import Answering, MessageChanges, MessageContent, Posting
from ostiary.core.mail.model import AttachmentInfo, Message, MessageSummary
from ostiary.core.mail.ports import MailGateway
from ostiary.core.mail.sends import stamp_of

CheckVersion = Callable[[str], None]
"""Raises VersionChanged for a version that the caller does not know."""


class MailWriting:
    """Use cases that change a mailbox but send nothing. Raises what :class:`Mailboxes` and ``MailGateway`` raise."""

    def __init__(self, *, mailboxes: Mailboxes, gateways: Mapping[AccessMethod, MailGateway]) -> None:
        self._mailboxes = mailboxes
        self._gateways = gateways

    async def create_draft(
        self,
        connection_id: str,
        content: MessageContent,
        *,
        organization_id: str | None,
        answering: Answering | None = None,
        act_key: tuple[str, ...] | None = None,
    ) -> Message:
        """Save a draft: a new message, or an answer to one.

        Args:
            act_key: Names this one act, such as the caller and its Idempotency-Key; a repetition whose first answer
                was lost finds the draft there is. An answer that Exchange had made but not stamped yet may be left
                behind, unsent.
        """
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            gateway = self._gateways[mailbox.method]
            posting = None
            if act_key is not None:
                posting = Posting(stamp_of("draft", connection_id, *act_key))
                found = await gateway.find_stamped(mailbox.access, posting.stamp)
                if found is not None:
                    return await gateway.get_message(mailbox.access, found.id)
            return await gateway.create_draft(mailbox.access, content, answering=answering, posting=posting)

    async def update_message(
        self,
        connection_id: str,
        message_id: str,
        changes: MessageChanges,
        *,
        organization_id: str | None,
        check_version: CheckVersion | None = None,
    ) -> MessageSummary:
        """Change a draft's content, or marks of any message.

        Args:
            check_version: Judges the current version; Microsoft then changes only that one.
        """
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            gateway = self._gateways[mailbox.method]
            version = await _checked(gateway, mailbox.access, message_id, check_version)
            return await gateway.update_message(mailbox.access, message_id, changes, if_version=version)

    async def move(
        self, connection_id: str, message_id: str, folder_id: str, *, organization_id: str | None
    ) -> MessageSummary:
        """Move a message to another folder; its id may change."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].move(mailbox.access, message_id, folder_id)

    async def copy(
        self, connection_id: str, message_id: str, folder_id: str, *, organization_id: str | None
    ) -> MessageSummary:
        """Copy a message to another folder."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].copy(mailbox.access, message_id, folder_id)

    async def delete(
        self,
        connection_id: str,
        message_id: str,
        *,
        organization_id: str | None,
        for_good: bool = False,
        check_version: CheckVersion | None = None,
    ) -> None:
        """Delete a message: to Deleted Items, or for good."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            gateway = self._gateways[mailbox.method]
            version = await _checked(gateway, mailbox.access, message_id, check_version)
            await gateway.delete(mailbox.access, message_id, for_good=for_good, if_version=version)

    async def add_attachment(
        self,
        connection_id: str,
        message_id: str,
        file: NewAttachment,
        chunks: AsyncIterator[bytes],
        *,
        organization_id: str | None,
    ) -> AttachmentInfo:
        """Attach a file to a draft; its bytes pass through and are not kept."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            return await self._gateways[mailbox.method].add_attachment(
                mailbox.access, message_id, file, chunks
            )

    async def remove_attachment(
        self, connection_id: str, message_id: str, attachment_id: str, *, organization_id: str | None
    ) -> None:
        """Take an attachment off a draft."""
        async with self._mailboxes.use(connection_id, Part.MAIL, organization_id=organization_id) as mailbox:
            await self._gateways[mailbox.method].remove_attachment(mailbox.access, message_id, attachment_id)


async def _checked(
    gateway: MailGateway, mailbox: MailboxAccess, message_id: str, check_version: CheckVersion | None
) -> str | None:
    """Return the current version if the caller named one, after the check."""
    if check_version is None:
        return None
    version = (await gateway.get_message(mailbox, message_id)).version
    check_version(version)
    return version
