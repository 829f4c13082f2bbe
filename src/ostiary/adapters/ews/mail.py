"""Mail over EWS."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.codec import mail as codec
from ostiary.adapters.ews.codec.xml_shape import required_id
from ostiary.adapters.ews.offsets import next_offset, start_offset
from ostiary.adapters.ews.operations import find_folder, find_item, get_item
from ostiary.adapters.ews.operations.shape import FolderId
from ostiary.adapters.ews.response_code import only_message, response_messages
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import Element
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import NotFound, OstiaryError
from ostiary.core.kernel.page import Page
from ostiary.core.mail.model import MailFolder, Message, MessageSummary, WellKnownFolder

BATCH_SIZE: Final = 100
"""Items in one GetItem. Without bodies an item is about 1 kB."""
_ROOT: Final = FolderId.named("msgfolderroot")
_MOST_TOP_FOLDERS: Final = 1000


class EWSMailGateway:
    """``MailGateway`` over EWS. A page of messages costs two calls, a page of folders or one message costs one."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session

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
        parent = _ROOT if parent_id is None else await self._folder(mailbox, parent_id)
        found = await self._find_folders(mailbox, parent, offset, limit)
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
        folder_id: str,
        cursor: str | None = None,
        limit: int = 50,
        unread_only: bool = False,
    ) -> Page[MessageSummary]:
        """One page of messages. Mail that arrives between two pages moves the rest down, so one may repeat.

        Source: EWS FindItem and GetItem operations.
        """
        binding = f"ews\n{mailbox.connection_id}\nmessages\n{folder_id}\n{unread_only}"
        offset = start_offset(cursor, binding)
        body = find_item.messages_request(
            await self._folder(mailbox, folder_id),
            fields=codec.FOUND_FIELDS,
            offset=offset,
            limit=limit,
            unread_only=unread_only,
        )
        response = await self._session.call(mailbox, find_item.OPERATION, body)
        found = find_item.found_items(only_message(response))
        rest = await self._get_rest(mailbox, [required_id(node, "ItemId") for node in found.items])
        messages = tuple(
            codec.message_summary(node, got=got)
            for node, got in zip(found.items, rest, strict=True)
            if got is not None
        )
        return Page(messages, next_offset(offset, len(found.items), found.is_last_page, binding))

    async def get_message(self, mailbox: MailboxAccess, message_id: str) -> Message:
        """One message with body, headers and the names of its attachments, in one call.

        Source: EWS GetItem operation.
        """
        body = get_item.request([message_id], fields=codec.MESSAGE_FIELDS, body_type="Best")
        response = await self._session.call(mailbox, get_item.OPERATION, body)
        return codec.message(get_item.item_of(only_message(response)))

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

    async def _find_folders(
        self, mailbox: MailboxAccess, parent: FolderId, offset: int, limit: int
    ) -> find_folder.FoundFolders:
        body = find_folder.request([parent], fields=codec.FOLDER_FIELDS, offset=offset, limit=limit)
        response = await self._session.call(mailbox, find_folder.OPERATION, body)
        return find_folder.found_folders(only_message(response))

    async def _folder(self, mailbox: MailboxAccess, folder_id: str) -> FolderId:
        try:
            well_known = WellKnownFolder(folder_id)
        except ValueError:
            return FolderId.by_id(folder_id)
        if well_known is not WellKnownFolder.ARCHIVE:
            return FolderId.named(codec.WELL_KNOWN_NAMES[well_known])
        # The one that a request may not name; it always stands at the top.
        found = await self._find_folders(mailbox, _ROOT, 0, _MOST_TOP_FOLDERS)
        for node in found.folders:
            folder = codec.folder(node, top_level=True)
            if folder.well_known is WellKnownFolder.ARCHIVE:
                return FolderId.by_id(folder.id)
        raise NotFound("This mailbox has no archive folder.")
