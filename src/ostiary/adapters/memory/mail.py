"""Mail kept in a dictionary: the twin of the Graph and EWS gateways for unit tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.cursor import unwrap_cursor, wrap_cursor
from ostiary.core.kernel.errors import InvalidRequest, MailboxMissing, NotFound
from ostiary.core.kernel.page import Page
from ostiary.core.mail.model import MailFolder, Message, MessageSummary

T = TypeVar("T")


class MemoryMailGateway:
    """``MailGateway`` on lists. Put folders and messages in with :meth:`add_mailbox`."""

    def __init__(self) -> None:
        self._folders: dict[str, list[MailFolder]] = {}
        self._messages: dict[str, list[Message]] = {}

    def add_mailbox(self, object_id: str, folders: Sequence[MailFolder], messages: Sequence[Message]) -> None:
        """Make or replace the mailbox of one person. Counts of folders are worked out here."""
        self._messages[object_id] = list(messages)
        self._folders[object_id] = [
            replace(
                folder,
                total_count=sum(m.folder_id == folder.id for m in messages),
                unread_count=sum(m.folder_id == folder.id and not m.is_read for m in messages),
                child_count=sum(child.parent_id == folder.id for child in folders),
            )
            for folder in folders
        ]

    async def list_folders(
        self,
        mailbox: MailboxAccess,
        *,
        parent_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[MailFolder]:
        if parent_id is not None:
            parent_id = self._folder(mailbox, parent_id).id
        children = [folder for folder in self._folders_of(mailbox) if folder.parent_id == parent_id]
        return page_of(children, f"{mailbox.connection_id} folders {parent_id}", cursor, limit)

    async def list_messages(
        self,
        mailbox: MailboxAccess,
        *,
        folder_id: str,
        cursor: str | None = None,
        limit: int = 50,
        unread_only: bool = False,
    ) -> Page[MessageSummary]:
        folder = self._folder(mailbox, folder_id)
        found = [
            _summary(message)
            for message in self._messages[mailbox.object_id]
            if message.folder_id == folder.id and not (unread_only and message.is_read)
        ]
        found.sort(key=lambda message: message.received_at.timestamp() if message.received_at else 0.0)
        found.reverse()
        return page_of(found, f"{mailbox.connection_id} {folder.id} {unread_only}", cursor, limit)

    async def get_message(self, mailbox: MailboxAccess, message_id: str) -> Message:
        self._folders_of(mailbox)
        for message in self._messages[mailbox.object_id]:
            if message.id == message_id:
                return message
        raise NotFound("There is no such object in this mailbox.")

    def _folders_of(self, mailbox: MailboxAccess) -> list[MailFolder]:
        try:
            return self._folders[mailbox.object_id]
        except KeyError:
            raise MailboxMissing("There is no such mailbox.", reason="mailbox_missing") from None

    def _folder(self, mailbox: MailboxAccess, folder_id: str) -> MailFolder:
        for folder in self._folders_of(mailbox):
            if folder_id in (folder.id, folder.well_known):
                return folder
        raise NotFound("There is no such object in this mailbox.")


def page_of(items: Sequence[T], binding: str, cursor: str | None, limit: int) -> Page[T]:
    """Return one page of a list, with a cursor that holds how far it got."""
    start = 0
    if cursor is not None:
        position = unwrap_cursor(cursor, binding=f"memory {binding}").get("offset")
        if not isinstance(position, int) or position < 0:
            raise InvalidRequest("This cursor does not belong to this list.", field="cursor")
        start = position
    end = start + limit
    following = wrap_cursor({"offset": end}, binding=f"memory {binding}") if end < len(items) else None
    return Page(tuple(items[start:end]), following)


def _summary(message: Message) -> MessageSummary:
    names = MessageSummary.__dataclass_fields__
    return MessageSummary(**{name: getattr(message, name) for name in names})
