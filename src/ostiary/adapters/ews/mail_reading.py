"""Reading mail over EWS."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from ostiary.adapters.ews.codec import mail as codec
from ostiary.adapters.ews.codec import restriction
from ostiary.adapters.ews.codec.xml_shape import object_id, required_id, text
from ostiary.adapters.ews.mail_attachments import content_stream
from ostiary.adapters.ews.mail_folders import ROOT, EWSFolders
from ostiary.adapters.ews.mail_search import EWSSearch
from ostiary.adapters.ews.message_batch import BODY_TYPES, read_batch
from ostiary.adapters.ews.offsets import next_offset, start_offset
from ostiary.adapters.ews.operations import find_folder, find_item, get_item
from ostiary.adapters.ews.response_code import only_message, response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import NotFound, OstiaryError
from ostiary.core.kernel.page import Page
from ostiary.core.mail.attachments import ByteStream
from ostiary.core.mail.batches import MessageOutcome
from ostiary.core.mail.filters import EVERYTHING, MessageFilter
from ostiary.core.mail.model import BodyForm, MailFolder, Message, MessageSummary

BATCH_SIZE: Final = 100
"""Items in one GetItem. Without bodies an item is about 1 kB."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class EWSMailReader:
    """``MailReader`` over EWS. A page of messages costs two calls, a page of folders or one message costs one."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session
        self._folders = EWSFolders(session)
        self._search = EWSSearch(session, self._folders)

    async def list_folders(
        self,
        mailbox: MailboxAccess,
        *,
        parent_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[MailFolder]:
        """One page of folders; it may be short, because calendars and contacts stand in the same tree.

        Source: EWS FindFolder operation.
        """
        binding = f"ews\n{mailbox.connection_id}\nfolders\n{parent_id}"
        offset = start_offset(cursor, binding)
        parent = ROOT if parent_id is None else await self._folders.named(mailbox, parent_id)
        found = await self._folders.find(mailbox, parent, offset=offset, limit=limit)
        folders = tuple(
            codec.folder(node, top_level=parent_id is None)
            for node in found.folders
            if codec.is_mail_folder(node) and not find_folder.is_hidden(node)
        )
        return Page(folders, next_offset(offset, len(found.folders), found.is_last_page, binding))

    async def list_messages(
        self,
        mailbox: MailboxAccess,
        *,
        folder_id: str | None,
        cursor: str | None = None,
        limit: int = 50,
        where: MessageFilter = EVERYTHING,
    ) -> Page[MessageSummary]:
        """One page of messages. Mail that arrives between two pages moves the rest down, so one may repeat.

        Source: EWS FindItem and GetItem operations.
        """
        if folder_id is None:
            items, following = await self._search.page(mailbox, where, cursor=cursor, limit=limit)
            return Page(await self._summaries(mailbox, items, where), following)
        binding = f"ews\n{mailbox.connection_id}\nmessages\n{folder_id}\n{where}"
        offset = start_offset(cursor, binding)
        by_index = restriction.needs_index(where)
        body = find_item.messages_request(
            [await self._folders.named(mailbox, folder_id)],
            fields=codec.FOUND_FIELDS,
            offset=offset,
            limit=limit,
            restriction="" if by_index else restriction.restriction(where),
            query=restriction.query(where) if by_index else "",
        )
        response = await self._session.call(mailbox, find_item.OPERATION, body)
        found = find_item.found_items(only_message(response))
        messages = await self._summaries(mailbox, found.items, where)
        return Page(messages, next_offset(offset, len(found.items), found.is_last_page, binding))

    async def list_thread(
        self, mailbox: MailboxAccess, message_id: str, *, limit: int = 100
    ) -> tuple[MessageSummary, ...]:
        """Messages of the same topic in every folder, of which those of the same conversation are kept.

        Exchange finds by topic and not by conversation (ews.md §6: only what FindItem can compare).
        """
        item = await self._get(
            mailbox, message_id, fields=("item:ConversationId", "message:ConversationTopic")
        )
        conversation_id = object_id(item, "ConversationId")
        items = await self._search.items_of_topic(mailbox, text(item, "ConversationTopic"), limit=limit)
        same = [node for node in items if object_id(node, "ConversationId") == conversation_id]
        messages = await self._summaries(mailbox, same, EVERYTHING)
        oldest_first = sorted(messages, key=lambda each: each.received_at or _LONG_AGO)
        return tuple(oldest_first[-limit:])

    async def get_message(
        self, mailbox: MailboxAccess, message_id: str, *, body: BodyForm = BodyForm.STORED
    ) -> Message:
        """One message with body, headers and the names of its attachments, in one call.

        Source: EWS GetItem operation.
        """
        fields, body_type = codec.MESSAGE_FIELDS, BODY_TYPES[body]
        return codec.message(await self._get(mailbox, message_id, fields=fields, body_type=body_type))

    async def get_messages(
        self, mailbox: MailboxAccess, message_ids: Sequence[str], *, body: BodyForm = BodyForm.STORED
    ) -> tuple[MessageOutcome, ...]:
        """Up to 50 messages in one call, fewer where they are very long.

        Source: EWS GetItem operation.
        """
        return await read_batch(self._session, mailbox, message_ids, body_type=BODY_TYPES[body])

    @asynccontextmanager
    async def open_mime(self, mailbox: MailboxAccess, message_id: str) -> AsyncGenerator[ByteStream]:
        """Source: EWS GetItem operation, IncludeMimeContent."""
        request = get_item.request([message_id], fields=(), include_mime=True)
        async with self._session.stream(mailbox, request) as response:
            yield await content_stream(response)

    async def _get(
        self, mailbox: MailboxAccess, message_id: str, *, fields: Sequence[str], body_type: str | None = None
    ) -> Element:
        body = get_item.request([message_id], fields=fields, body_type=body_type)
        return get_item.item_of(only_message(await self._session.call(mailbox, get_item.OPERATION, body)))

    async def _summaries(
        self, mailbox: MailboxAccess, items: Sequence[Element], where: MessageFilter
    ) -> tuple[MessageSummary, ...]:
        rest = await self._get_rest(mailbox, [required_id(node, "ItemId") for node in items])
        found = (
            codec.message_summary(node, got=got)
            for node, got in zip(items, rest, strict=True)
            if got is not None
        )
        return tuple(message for message in found if where.admits(message))

    async def _get_rest(self, mailbox: MailboxAccess, item_ids: list[str]) -> list[Element | None]:
        """Return each item with what FindItem left out; None for one that went away since it was found."""
        rest: list[Element | None] = []
        for start in range(0, len(item_ids), BATCH_SIZE):
            batch = item_ids[start : start + BATCH_SIZE]
            body = get_item.request(batch, fields=codec.GOT_FIELDS)
            response = await self._session.call(mailbox, get_item.OPERATION, body)
            for outcome in response_messages(response, expected_count=len(batch)):
                if isinstance(outcome, NotFound):
                    rest.append(None)
                elif isinstance(outcome, OstiaryError):
                    raise outcome
                else:
                    rest.append(get_item.item_of(outcome))
        return rest
