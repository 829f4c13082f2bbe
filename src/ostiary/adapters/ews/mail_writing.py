"""Writing, filing and sending mail over EWS."""

from __future__ import annotations

from dataclasses import replace

from ostiary.adapters.ews.codec import mail as codec
from ostiary.adapters.ews.codec import mail_writing as writing
from ostiary.adapters.ews.codec import restriction
from ostiary.adapters.ews.codec.xml_shape import change_key, flag, required_id
from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.mail_folders import EWSFolders
from ostiary.adapters.ews.operations import file_message, find_item, get_item, write_message
from ostiary.adapters.ews.response_code import only_message, response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element, attribute
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import Conflict, NotFound, OstiaryError, VersionChanged
from ostiary.core.mail.drafts import Answering, MessageChanges, MessageContent, Posting, StampedMessage
from ostiary.core.mail.errors import NotADraft
from ostiary.core.mail.model import Message, MessageSummary


class EWSMailWriter:
    """``MailWriter`` over EWS."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session
        self._folders = EWSFolders(session)

    async def create_draft(
        self,
        mailbox: MailboxAccess,
        content: MessageContent,
        *,
        answering: Answering | None = None,
        posting: Posting | None = None,
    ) -> Message:
        """Two calls for a new message, up to four for an answer.

        Source: EWS CreateItem operation.
        """
        if answering is None:
            draft_id = await self._create(mailbox, writing.message_xml(content, posting))
        else:
            draft_id = await self._create_answer(mailbox, answering, content, posting)
        return await self._whole(mailbox, draft_id)

    async def update_message(
        self,
        mailbox: MailboxAccess,
        message_id: str,
        changes: MessageChanges,
        *,
        if_version: str | None = None,
    ) -> MessageSummary:
        """Two calls for marks, three for content.

        Source: EWS UpdateItem operation.
        """
        if not changes.content.is_empty:
            await self._require_draft(mailbox, message_id)
        updates = writing.updates_xml(changes)
        if updates:
            try:
                await self._update(mailbox, message_id, updates, if_version=if_version)
            except Conflict as error:
                if if_version is None or isinstance(error, NotADraft):
                    raise
                raise VersionChanged(
                    "It was changed since you read it. Read it again, then decide.", provider=error.provider
                ) from error
        return await self._summary(mailbox, message_id)

    async def stamp_draft(self, mailbox: MailboxAccess, message_id: str, posting: Posting) -> MessageSummary:
        message = await self._require_draft(mailbox, message_id)
        updates = writing.updates_xml(MessageChanges(), posting)
        version = await self._update(mailbox, message_id, updates, if_version=message.version)
        return replace(message, version=version)

    async def send_draft(
        self, mailbox: MailboxAccess, message_id: str, *, version: str | None = None
    ) -> None:
        """Source: EWS SendItem operation; it wants the current change key (ews.md §4)."""
        if version is not None:
            try:
                await self._send(mailbox, message_id, version)
            except VersionChanged:
                pass  # Exchange touches drafts by itself, too. What is sent is what stands there now.
            else:
                return
        await self._send(mailbox, message_id, change_key(await self._item(mailbox, message_id), "ItemId"))

    async def find_stamped(self, mailbox: MailboxAccess, stamp: str) -> StampedMessage | None:
        """Source: EWS FindItem operation, restriction on an extended property."""
        folders = self._folders.where_sent_mail_may_be()
        request = find_item.messages_request(
            folders,
            fields=("item:IsDraft",),
            offset=0,
            limit=10,
            restriction=restriction.stamp_restriction(stamp),
        )
        response = await self._session.call(mailbox, find_item.OPERATION, request)
        found: list[StampedMessage] = []
        for outcome in response_messages(response, expected_count=len(folders)):
            if isinstance(outcome, NotFound):
                continue
            if isinstance(outcome, OstiaryError):
                raise outcome
            found += [
                StampedMessage(required_id(node, "ItemId"), flag(node, "IsDraft"))
                for node in find_item.found_items(outcome).items
            ]
        return min(found, key=lambda each: each.is_draft, default=None)

    async def move(self, mailbox: MailboxAccess, message_id: str, folder_id: str) -> MessageSummary:
        """Source: EWS MoveItem operation; the id changes."""
        return await self._transfer(mailbox, file_message.MOVE, message_id, folder_id)

    async def copy(self, mailbox: MailboxAccess, message_id: str, folder_id: str) -> MessageSummary:
        """Source: EWS CopyItem operation."""
        return await self._transfer(mailbox, file_message.COPY, message_id, folder_id)

    async def delete(
        self,
        mailbox: MailboxAccess,
        message_id: str,
        *,
        for_good: bool = False,
        if_version: str | None = None,
    ) -> None:
        """DeleteItem knows no condition, so the version is compared just before.

        Source: EWS DeleteItem operation.
        """
        if if_version is not None:
            current = change_key(await self._item(mailbox, message_id), "ItemId")
            if current != if_version:
                raise VersionChanged("It was changed since you read it. Read it again, then decide.")
        request = file_message.delete_request(message_id, for_good=for_good)
        only_message(await self._session.call(mailbox, file_message.DELETE, request))

    async def _send(self, mailbox: MailboxAccess, message_id: str, version: str) -> None:
        request = file_message.send_request(message_id, version)
        only_message(await self._session.call(mailbox, file_message.SEND, request))

    async def _create(self, mailbox: MailboxAccess, item: str) -> str:
        request = write_message.create_request(item)
        response = await self._session.call(mailbox, write_message.CREATE, request)
        return required_id(write_message.written_item(only_message(response)), "ItemId")

    async def _create_answer(
        self, mailbox: MailboxAccess, answering: Answering, content: MessageContent, posting: Posting | None
    ) -> str:
        original = await self._item(mailbox, answering.message_id)
        reference = (
            f"Id={attribute(ews_id(answering.message_id))} "
            f"ChangeKey={attribute(change_key(original, 'ItemId'))}"
        )
        draft_id = await self._create(mailbox, writing.answer_xml(answering.kind, reference, content))
        # A response object carries neither extended properties nor some of the content.
        changes = MessageChanges(writing.beside_the_answer(content))
        if updates := writing.updates_xml(changes, posting):
            await self._update(mailbox, draft_id, updates, if_version=None)
        return draft_id

    async def _update(
        self, mailbox: MailboxAccess, message_id: str, updates: str, *, if_version: str | None
    ) -> str:
        request = write_message.update_request(message_id, updates, change_key=if_version)
        response = await self._session.call(mailbox, write_message.UPDATE, request)
        return change_key(write_message.written_item(only_message(response)), "ItemId")

    async def _transfer(
        self, mailbox: MailboxAccess, operation: str, message_id: str, folder_id: str
    ) -> MessageSummary:
        target = await self._folders.named(mailbox, folder_id)
        request = file_message.transfer_request(operation, message_id, target)
        response = await self._session.call(mailbox, operation, request)
        new_id = required_id(write_message.written_item(only_message(response)), "ItemId")
        return await self._summary(mailbox, new_id)

    async def _require_draft(self, mailbox: MailboxAccess, message_id: str) -> MessageSummary:
        message = await self._summary(mailbox, message_id)
        if not message.is_draft:
            raise NotADraft("This message is no draft any more.")
        return message

    async def _summary(self, mailbox: MailboxAccess, message_id: str) -> MessageSummary:
        fields = (*codec.FOUND_FIELDS, *codec.GOT_FIELDS)
        return codec.message_summary(await self._item(mailbox, message_id, fields))

    async def _whole(self, mailbox: MailboxAccess, message_id: str) -> Message:
        return codec.message(await self._item(mailbox, message_id, codec.MESSAGE_FIELDS, body_type="Best"))

    async def _item(
        self,
        mailbox: MailboxAccess,
        item_id: str,
        fields: tuple[str, ...] = (),
        *,
        body_type: str | None = None,
    ) -> Element:
        request = get_item.request([item_id], fields=fields, body_type=body_type)
        response = await self._session.call(mailbox, get_item.OPERATION, request)
        return get_item.item_of(only_message(response))
