"""Mail over Microsoft Graph."""

from __future__ import annotations

import re
from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import mail as codec
from ostiary.adapters.graph.codec.json_shape import values
from ostiary.adapters.graph.ids import path_segment
from ostiary.adapters.graph.paging import read_page
from ostiary.adapters.graph.well_known import WellKnownFolders
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.page import Page
from ostiary.core.mail.model import MailFolder, Message, MessageSummary, WellKnownFolder

_UNREAD: Final = "receivedDateTime ge 1900-01-01T00:00:00Z and isRead eq false"
"""The property we sort by must come first in the filter, or Graph refuses the query (graph.md §3)."""


class GraphMailGateway:
    """``MailGateway`` over Graph. One call per page; bodies and attachments only when one message is asked for."""

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
            path = f"{path}/{_folder_segment(parent_id)}/childFolders"
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
        folder_id: str,
        cursor: str | None = None,
        limit: int = 50,
        unread_only: bool = False,
    ) -> Page[MessageSummary]:
        """One page of messages.

        Source: Graph, list messages.
        """
        path = f"/me/mailFolders/{_folder_segment(folder_id)}/messages"
        query = {
            "$top": str(limit),
            "$select": codec.SUMMARY_FIELDS,
            "$orderby": "receivedDateTime desc",
        }
        if unread_only:
            query["$filter"] = _UNREAD
        answer, next_cursor = await read_page(self._client, mailbox, path, query, cursor)
        return Page(tuple(codec.message_summary(entity) for entity in values(answer)), next_cursor)

    async def get_message(self, mailbox: MailboxAccess, message_id: str) -> Message:
        """One message with body, headers and the names of its attachments, in one call.

        Source: Graph, get message.
        """
        answer = await self._client.get(
            mailbox,
            f"/me/messages/{path_segment(message_id)}",
            {"$select": codec.MESSAGE_FIELDS, "$expand": codec.ATTACHMENT_EXPANSION},
        )
        return codec.message(answer)


def _folder_segment(folder_id: str) -> str:
    # Graph would take any of its own folder names here; ours are the ones that mean the same over EWS.
    if re.fullmatch(r"[a-z]{1,12}", folder_id):
        try:
            return codec.WELL_KNOWN_NAMES[WellKnownFolder(folder_id)]
        except ValueError:
            pass
    return path_segment(folder_id)
