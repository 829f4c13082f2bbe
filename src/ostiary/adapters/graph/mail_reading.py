"""Reading mail over Graph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import mail as codec
from ostiary.adapters.graph.codec.json_shape import required_text, values
from ostiary.adapters.graph.folder_path import folder_segment
from ostiary.adapters.graph.ids import path_segment
from ostiary.adapters.graph.mail_attachments import MOST_MIME_BYTES, stream_of
from ostiary.adapters.graph.message_queries import list_query, thread_query
from ostiary.adapters.graph.paging import read_page
from ostiary.adapters.graph.well_known import WellKnownFolders
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.page import Page
from ostiary.core.mail.attachments import ByteStream
from ostiary.core.mail.batches import MessageBatch, MessageOutcome
from ostiary.core.mail.filters import EVERYTHING, MessageFilter
from ostiary.core.mail.model import BodyForm, MailFolder, Message, MessageSummary

AT_ONCE: Final = 4
"""Microsoft's limit for one app and mailbox (graph.md §12)."""
_BODY_TYPES: Final = {BodyForm.TEXT: "text", BodyForm.HTML: "html"}


class GraphMailReader:
    """``MailReader`` over Graph. One call per page; bodies and attachments only when one message is asked for."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client
        self._well_known = WellKnownFolders(client)

    async def list_folders(
        self,
        mailbox: MailboxAccess,
        *,
        parent_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[MailFolder]:
        """One page of folders.

        Source: Graph, list mailFolders and childFolders.
        """
        path = "/me/mailFolders"
        if parent_id is not None:
            path = f"{path}/{folder_segment(parent_id)}/childFolders"
        query = {"$top": str(limit), "$select": codec.FOLDER_FIELDS}
        answer, next_cursor = await read_page(self._client, mailbox, path, query, cursor)
        entities = values(answer)
        known = await self._well_known.of(mailbox) if entities else {}
        folders = tuple(
            codec.folder(entity, top_level=parent_id is None, well_known=known) for entity in entities
        )
        return Page(folders, next_cursor)

    async def list_messages(
        self,
        mailbox: MailboxAccess,
        *,
        folder_id: str | None,
        cursor: str | None = None,
        limit: int = 50,
        where: MessageFilter = EVERYTHING,
    ) -> Page[MessageSummary]:
        """One page of messages.

        Source: Graph, list messages; use the $search query parameter.
        """
        path = "/me/messages"
        if folder_id is not None:
            path = f"/me/mailFolders/{folder_segment(folder_id)}/messages"
        answer, next_cursor = await read_page(
            self._client, mailbox, path, list_query(where, limit=limit), cursor
        )
        found = (codec.message_summary(entity) for entity in values(answer))
        return Page(tuple(message for message in found if where.admits(message)), next_cursor)

    async def list_thread(
        self, mailbox: MailboxAccess, message_id: str, *, limit: int = 100
    ) -> tuple[MessageSummary, ...]:
        """Two calls: which conversation, and its messages.

        Source: Graph, list messages filtered by conversationId.
        """
        path = f"/me/messages/{path_segment(message_id)}"
        known = await self._client.get(mailbox, path, {"$select": "id,conversationId"})
        query = thread_query(required_text(known, "conversationId"), limit=limit)
        answer = await self._client.get(mailbox, "/me/messages", query)
        newest_first = [codec.message_summary(entity) for entity in values(answer)]
        return tuple(reversed(newest_first[:limit]))

    async def get_message(
        self, mailbox: MailboxAccess, message_id: str, *, body: BodyForm = BodyForm.STORED
    ) -> Message:
        """One message with body, headers and the names of its attachments, in one call.

        Source: Graph, get message; the body type is a preference.
        """
        wanted = _BODY_TYPES.get(body)
        answer = await self._client.get(
            mailbox,
            f"/me/messages/{path_segment(message_id)}",
            {"$select": codec.MESSAGE_FIELDS, "$expand": codec.ATTACHMENT_EXPANSION},
            prefer=None if wanted is None else f'outlook.body-content-type="{wanted}"',
        )
        return codec.message(answer)

    async def get_messages(
        self, mailbox: MailboxAccess, message_ids: Sequence[str], *, body: BodyForm = BodyForm.STORED
    ) -> tuple[MessageOutcome, ...]:
        """One call for each message, as many at once as Microsoft allows for a mailbox.

        A ``$batch`` would save nothing but requests: Microsoft runs four of its parts at once, and counts and
        throttles each alone (graph.md §11); single calls are each given their turn by the governor.
        """
        batch = MessageBatch(len(message_ids))
        left = iter(enumerate(message_ids))

        async def read() -> None:
            for position, message_id in left:
                if batch.is_over:
                    return
                try:
                    batch.note(position, await self.get_message(mailbox, message_id, body=body))
                except OstiaryError as error:
                    batch.note(position, error)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(message_ids))):
                group.create_task(read())
        return batch.outcomes()

    @asynccontextmanager
    async def open_mime(self, mailbox: MailboxAccess, message_id: str) -> AsyncGenerator[ByteStream]:
        """Source: Graph, get MIME content of a message."""
        path = f"/me/messages/{path_segment(message_id)}/$value"
        async with self._client.stream(mailbox, path) as response:
            yield stream_of(response, MOST_MIME_BYTES)
