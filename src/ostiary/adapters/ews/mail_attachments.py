"""Attachments over EWS: base64 inside XML, made and taken apart piece by piece."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from ostiary.adapters.ews.codec.base64_stream import Base64Content
from ostiary.adapters.ews.codec.xml_shape import required_id
from ostiary.adapters.ews.operations import attachments as operations
from ostiary.adapters.ews.response_code import only_message
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.soap import envelope
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import TemporarilyUnavailable
from ostiary.core.mail.attachments import ByteStream, NewAttachment, exactly
from ostiary.core.mail.errors import TooLargeForMailbox
from ostiary.core.mail.model import AttachmentInfo

MOST_CONTENT_BYTES: Final = 220 * 1024 * 1024
"""A message of 150 MB with its own base64 inside, and some room."""
_PIECE_BYTES: Final = 64 * 1024
_CONTENT_MARK: Final = "@content@"


class EWSAttachments:
    """``AttachmentGateway`` over EWS."""

    def __init__(self, session: EWSSession) -> None:
        self._session = session

    @asynccontextmanager
    async def open_attachment(
        self, mailbox: MailboxAccess, message_id: str, attachment_id: str
    ) -> AsyncGenerator[ByteStream]:
        """An attachment's id says which message it belongs to, so ``message_id`` is not sent.

        Source: EWS GetAttachment operation.
        """
        request = operations.get_request(attachment_id)
        async with self._session.stream(mailbox, request) as response:
            yield await content_stream(response)

    async def add_attachment(
        self, mailbox: MailboxAccess, message_id: str, file: NewAttachment, chunks: AsyncIterator[bytes]
    ) -> AttachmentInfo:
        """Source: EWS CreateAttachment operation; the organization's message size limit decides (ews.md §6)."""
        before, after = operations.create_request(message_id, file)
        head, _, tail = envelope(f"{before}{_CONTENT_MARK}{after}").partition(_CONTENT_MARK.encode())
        encoded_bytes = 4 * ((file.size_bytes + 2) // 3)
        response = await self._session.send_stream(
            mailbox,
            operations.CREATE,
            _enveloped(head, exactly(chunks, file.size_bytes), tail),
            len(head) + encoded_bytes + len(tail),
        )
        created = operations.created_attachment(only_message(response))
        return AttachmentInfo(
            id=required_id(created, "AttachmentId"),
            name=file.name,
            content_type=file.content_type,
            size_bytes=file.size_bytes,
            is_inline=file.is_inline,
            content_id=file.content_id,
        )

    async def remove_attachment(self, mailbox: MailboxAccess, message_id: str, attachment_id: str) -> None:
        """Source: EWS DeleteAttachment operation."""
        request = operations.delete_request(attachment_id)
        only_message(await self._session.call(mailbox, operations.DELETE, request))


async def content_stream(response: aiohttp.ClientResponse) -> ByteStream:
    """Return the content inside an open answer, once its beginning proves that Exchange gave it.

    Raises:
        NotFound and others: Exchange refused; nothing was given out yet.
    """
    content = Base64Content()
    pieces = response.content.iter_chunked(_PIECE_BYTES)
    first = b""
    is_over = False
    try:
        while not first:
            piece = await anext(pieces, None)
            if piece is None:
                first, is_over = content.finish(), True
                break
            first = content.feed(piece)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _cut_short() from error

    async def chunks() -> AsyncGenerator[bytes]:
        given = len(first)
        if first:
            yield first
        if is_over:
            return
        try:
            async for piece in pieces:
                if decoded := content.feed(piece):
                    given += len(decoded)
                    if given > MOST_CONTENT_BYTES:
                        raise TooLargeForMailbox("This is larger than anything Exchange keeps.")
                    yield decoded
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _cut_short() from error
        if rest := content.finish():
            yield rest

    return ByteStream(chunks())


async def _enveloped(head: bytes, chunks: AsyncIterator[bytes], tail: bytes) -> AsyncGenerator[bytes]:
    yield head
    waiting = b""
    async for chunk in chunks:
        waiting += chunk
        whole = len(waiting) - len(waiting) % 3
        yield base64.b64encode(waiting[:whole])
        waiting = waiting[whole:]
    yield base64.b64encode(waiting) + tail


def _cut_short() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")
