"""Mail kept in a dictionary: the twin of the Graph and EWS gateways for unit tests."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ostiary.adapters.memory.mail_drafts import answer_of, draft_of, with_content
from ostiary.adapters.memory.paging import page_of
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import InvalidRequest, MailboxMissing, NotFound, OstiaryError, VersionChanged
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.kernel.page import Page
from ostiary.core.mail.attachments import MOST_ATTACHMENT_BYTES, ByteStream, NewAttachment, exactly
from ostiary.core.mail.batches import MessageBatch, MessageOutcome
from ostiary.core.mail.capabilities import MailCapabilities, SearchOrder
from ostiary.core.mail.drafts import (
    Answering,
    MessageChanges,
    MessageContent,
    Posting,
    StampedMessage,
)
from ostiary.core.mail.errors import NotADraft
from ostiary.core.mail.filters import EVERYTHING, MessageFilter
from ostiary.core.mail.model import (
    AttachmentInfo,
    BodyForm,
    MailFolder,
    Message,
    MessageSummary,
    WellKnownFolder,
)

__all__ = ["MemoryMailGateway", "page_of"]

_CAPABILITIES: Final = MailCapabilities(
    stable_message_ids=True,
    html_is_sanitized_by_provider=False,
    search_all_folders=True,
    search_order=SearchOrder.NEWEST_FIRST,
    most_search_results=None,
    largest_attachment_bytes=MOST_ATTACHMENT_BYTES,
    attachment_limit_is_certain=True,
    scheduled_send=True,
    sent_message_id=True,
    mark_read_without_receipt=True,
    if_match_on_delete=True,
    many_messages_in_one_call=True,
)
_NO_OBJECT: Final = "There is no such object in this mailbox."


class MemoryMailGateway:
    """``MailGateway`` on lists. Put folders and messages in with :meth:`add_mailbox`.

    What is sent lands in Sent Items, and in the inboxes of those mailboxes here that have the address.
    """

    def __init__(self) -> None:
        self._folders: dict[str, list[MailFolder]] = {}
        self._messages: dict[str, list[Message]] = {}
        self._stamps: dict[str, Posting] = {}
        self._contents: dict[str, bytes] = {}
        self._addresses: dict[str, str] = {}
        self._made_count = 0

    @property
    def capabilities(self) -> MailCapabilities:
        return _CAPABILITIES

    def add_mailbox(
        self,
        object_id: str,
        folders: Sequence[MailFolder],
        messages: Sequence[Message],
        *,
        address: str = "",
    ) -> None:
        """Make or replace the mailbox of one person."""
        self._messages[object_id] = list(messages)
        self._folders[object_id] = list(folders)
        self._addresses[object_id] = address

    def add_content(self, attachment_id: str, content: bytes) -> None:
        """Give an attachment its bytes."""
        self._contents[attachment_id] = content

    # -- reading -------------------------------------------------------------------------------------------------

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
        children = [self._counted(mailbox, each) for each in self._folders_of(mailbox)]
        children = [folder for folder in children if folder.parent_id == parent_id]
        return page_of(children, f"{mailbox.connection_id} folders {parent_id}", cursor, limit)

    async def list_messages(
        self,
        mailbox: MailboxAccess,
        *,
        folder_id: str | None,
        cursor: str | None = None,
        limit: int = 50,
        where: MessageFilter = EVERYTHING,
    ) -> Page[MessageSummary]:
        wanted = None if folder_id is None else self._folder(mailbox, folder_id).id
        self._folders_of(mailbox)
        if where.words is not None and not any(word.isalnum() for word in where.words):
            raise InvalidRequest("There is no word in this to search for.", field="q")
        found = [
            message
            for message in self._messages[mailbox.object_id]
            if wanted in (None, message.folder_id) and where.admits(message) and _has_words(message, where)
        ]
        found.sort(key=_received, reverse=True)
        shown = [_summary(message) for message in found]
        return page_of(shown, f"{mailbox.connection_id} {wanted} {where}", cursor, limit)

    async def list_thread(
        self, mailbox: MailboxAccess, message_id: str, *, limit: int = 100
    ) -> tuple[MessageSummary, ...]:
        known = self._message(mailbox, message_id)
        thread = [
            each
            for each in self._messages[mailbox.object_id]
            if each.conversation_id == known.conversation_id
        ]
        return tuple(_summary(each) for each in sorted(thread, key=_received)[-limit:])

    async def get_message(
        self, mailbox: MailboxAccess, message_id: str, *, body: BodyForm = BodyForm.STORED
    ) -> Message:
        message = self._message(mailbox, message_id)
        if body is BodyForm.TEXT and message.html is not None:
            return replace(message, text=message.html, html=None)
        if body is BodyForm.HTML and message.text is not None:
            return replace(message, html=message.text, text=None)
        return message

    async def get_messages(
        self, mailbox: MailboxAccess, message_ids: Sequence[str], *, body: BodyForm = BodyForm.STORED
    ) -> tuple[MessageOutcome, ...]:
        batch = MessageBatch(len(message_ids))
        for position, message_id in enumerate(message_ids):
            try:
                batch.note(position, await self.get_message(mailbox, message_id, body=body))
            except OstiaryError as error:
                batch.note(position, error)
        return batch.outcomes()

    @asynccontextmanager
    async def open_mime(self, mailbox: MailboxAccess, message_id: str) -> AsyncGenerator[ByteStream]:
        message = self._message(mailbox, message_id)
        lines = f"Subject: {message.subject}\r\nMessage-ID: {message.internet_message_id}\r\n\r\n"
        yield _stream(f"{lines}{message.text or message.html or ''}".encode())

    # -- writing -------------------------------------------------------------------------------------------------

    async def create_draft(
        self,
        mailbox: MailboxAccess,
        content: MessageContent,
        *,
        answering: Answering | None = None,
        posting: Posting | None = None,
    ) -> Message:
        me = MailAddress(mailbox.address, "")
        self._made_count += 1
        draft = draft_of(self._made_count, self._well_known(mailbox, WellKnownFolder.DRAFTS), me)
        if answering is not None:
            draft = answer_of(self._message(mailbox, answering.message_id), answering.kind, draft)
        draft = with_content(draft, content, quotes=answering is not None)
        self._messages[mailbox.object_id].append(draft)
        if posting is not None:
            self._stamps[draft.id] = posting
        return draft

    async def update_message(
        self,
        mailbox: MailboxAccess,
        message_id: str,
        changes: MessageChanges,
        *,
        if_version: str | None = None,
    ) -> MessageSummary:
        message = self._message(mailbox, message_id)
        if if_version not in (None, message.version):
            raise VersionChanged("It was changed since you read it. Read it again, then decide.")
        if not changes.content.is_empty:
            message = with_content(self._draft(mailbox, message_id), changes.content)
        message = replace(
            message,
            is_read=message.is_read if changes.is_read is None else changes.is_read,
            flag=message.flag if changes.flag is None else changes.flag,
            categories=message.categories if changes.categories is None else changes.categories,
        )
        return _summary(self._put(mailbox, message))

    async def stamp_draft(self, mailbox: MailboxAccess, message_id: str, posting: Posting) -> MessageSummary:
        draft = self._draft(mailbox, message_id)
        self._stamps[draft.id] = posting
        return _summary(self._put(mailbox, draft))

    async def send_draft(
        self, mailbox: MailboxAccess, message_id: str, *, version: str | None = None
    ) -> None:
        draft = self._draft(mailbox, message_id)
        everyone = (*draft.to, *draft.cc, *draft.bcc)
        if not everyone or not all("@" in who.address for who in everyone):
            raise InvalidRequest("A recipient is missing, or is no mail address.")
        sent = replace(
            draft, is_draft=False, folder_id=self._well_known(mailbox, WellKnownFolder.SENT), is_read=True
        )
        self._put(mailbox, sent)
        self._deliver(sent)

    async def find_stamped(self, mailbox: MailboxAccess, stamp: str) -> StampedMessage | None:
        found = [
            StampedMessage(each.id, each.is_draft)
            for each in self._messages[mailbox.object_id]
            if each.id in self._stamps and self._stamps[each.id].stamp == stamp
        ]
        return min(found, key=lambda each: each.is_draft, default=None)

    async def move(self, mailbox: MailboxAccess, message_id: str, folder_id: str) -> MessageSummary:
        target = self._folder(mailbox, folder_id).id
        return _summary(self._put(mailbox, replace(self._message(mailbox, message_id), folder_id=target)))

    async def copy(self, mailbox: MailboxAccess, message_id: str, folder_id: str) -> MessageSummary:
        self._made_count += 1
        target = self._folder(mailbox, folder_id).id
        twin = replace(
            self._message(mailbox, message_id), id=f"copy-{self._made_count}", folder_id=target, version="1"
        )
        self._messages[mailbox.object_id].append(twin)
        return _summary(twin)

    async def delete(
        self,
        mailbox: MailboxAccess,
        message_id: str,
        *,
        for_good: bool = False,
        if_version: str | None = None,
    ) -> None:
        message = self._message(mailbox, message_id)
        if if_version not in (None, message.version):
            raise VersionChanged("It was changed since you read it. Read it again, then decide.")
        if for_good:
            self._messages[mailbox.object_id].remove(message)
            return
        target = self._well_known(mailbox, WellKnownFolder.DELETED)
        self._put(mailbox, replace(message, folder_id=target))

    # -- attachments ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open_attachment(
        self, mailbox: MailboxAccess, message_id: str, attachment_id: str
    ) -> AsyncGenerator[ByteStream]:
        known = {each.id for each in self._message(mailbox, message_id).attachments}
        if attachment_id not in known:
            raise NotFound(_NO_OBJECT)
        yield _stream(self._contents.get(attachment_id, b""))

    async def add_attachment(
        self, mailbox: MailboxAccess, message_id: str, file: NewAttachment, chunks: AsyncIterator[bytes]
    ) -> AttachmentInfo:
        message = self._message(mailbox, message_id)
        content = b"".join([chunk async for chunk in exactly(chunks, file.size_bytes)])
        self._made_count += 1
        info = AttachmentInfo(
            f"file-{self._made_count}",
            file.name,
            file.content_type,
            file.size_bytes,
            file.is_inline,
            file.content_id,
        )
        self._contents[info.id] = content
        self._put(
            mailbox,
            replace(
                message,
                attachments=(*message.attachments, info),
                has_attachments=message.has_attachments or not file.is_inline,
            ),
        )
        return info

    async def remove_attachment(self, mailbox: MailboxAccess, message_id: str, attachment_id: str) -> None:
        message = self._message(mailbox, message_id)
        kept = tuple(each for each in message.attachments if each.id != attachment_id)
        if len(kept) == len(message.attachments):
            raise NotFound(_NO_OBJECT)
        has_files = any(not each.is_inline for each in kept)
        self._put(mailbox, replace(message, attachments=kept, has_attachments=has_files))

    # -- the dictionary ------------------------------------------------------------------------------------------

    def _folders_of(self, mailbox: MailboxAccess) -> list[MailFolder]:
        try:
            return self._folders[mailbox.object_id]
        except KeyError:
            raise MailboxMissing("There is no such mailbox.", reason="mailbox_missing") from None

    def _folder(self, mailbox: MailboxAccess, folder_id: str) -> MailFolder:
        for folder in self._folders_of(mailbox):
            if folder_id in (folder.id, folder.well_known):
                return folder
        raise NotFound(_NO_OBJECT)

    def _well_known(self, mailbox: MailboxAccess, folder: WellKnownFolder) -> str:
        return self._folder(mailbox, folder.value).id

    def _counted(self, mailbox: MailboxAccess, folder: MailFolder) -> MailFolder:
        inside = [each for each in self._messages[mailbox.object_id] if each.folder_id == folder.id]
        return replace(
            folder,
            total_count=len(inside),
            unread_count=sum(not each.is_read for each in inside),
            child_count=sum(each.parent_id == folder.id for each in self._folders_of(mailbox)),
        )

    def _message(self, mailbox: MailboxAccess, message_id: str) -> Message:
        self._folders_of(mailbox)
        for message in self._messages[mailbox.object_id]:
            if message.id == message_id:
                return message
        raise NotFound(_NO_OBJECT)

    def _draft(self, mailbox: MailboxAccess, message_id: str) -> Message:
        message = self._message(mailbox, message_id)
        if not message.is_draft:
            raise NotADraft("This message is no draft any more.")
        return message

    def _put(self, mailbox: MailboxAccess, message: Message) -> Message:
        changed = replace(message, version=f"{int(message.version) + 1}")
        messages = self._messages[mailbox.object_id]
        messages[:] = [changed if each.id == changed.id else each for each in messages]
        return changed

    def _deliver(self, sent: Message) -> None:
        everyone = {who.address.casefold() for who in (*sent.to, *sent.cc, *sent.bcc)}
        for object_id, address in self._addresses.items():
            inbox = [each for each in self._folders[object_id] if each.well_known is WellKnownFolder.INBOX]
            if address and address.casefold() in everyone and inbox:
                self._made_count += 1
                arrived = replace(
                    sent, id=f"in-{self._made_count}", folder_id=inbox[0].id, is_read=False, bcc=()
                )
                self._messages[object_id].append(arrived)


def _received(message: MessageSummary) -> datetime:
    return message.received_at or datetime.min.replace(tzinfo=UTC)


def _has_words(message: Message, where: MessageFilter) -> bool:
    names = " ".join(each.name for each in message.attachments)
    inside = f"{message.subject} {message.text or ''} {message.html or ''} {names}".casefold()
    # Beginnings of words, as Exchange's index finds them.
    wanted = re.findall(r"[\w@.]+", (where.words or "").casefold())
    return all(re.search(rf"(?<!\w){re.escape(word)}", inside) for word in wanted)


def _summary(message: Message) -> MessageSummary:
    names = MessageSummary.__dataclass_fields__
    return MessageSummary(**{name: getattr(message, name) for name in names})


def _stream(content: bytes) -> ByteStream:
    async def chunks() -> AsyncGenerator[bytes]:
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    return ByteStream(chunks(), len(content))
