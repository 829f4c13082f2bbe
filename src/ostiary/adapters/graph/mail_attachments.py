"""Attachments over Graph."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote

import aiohttp

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import mail as codec
from ostiary.adapters.graph.ids import path_segment
from ostiary.adapters.graph.uploads import upload_file
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import ProviderContractBroken, TemporarilyUnavailable
from ostiary.core.mail.attachments import MOST_ATTACHMENT_BYTES, ByteStream, NewAttachment, exactly
from ostiary.core.mail.errors import TooLargeForMailbox
from ostiary.core.mail.model import AttachmentInfo

SMALL_BYTES: Final = 3 * 1024 * 1024
"""Below, one request takes the file; from here on Graph wants an upload session (graph.md §1)."""
MOST_MIME_BYTES: Final = 220 * 1024 * 1024
"""A message of 150 MB in base64, with room for its text."""


class GraphAttachments:
    """``AttachmentGateway`` over Graph."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    @asynccontextmanager
    async def open_attachment(
        self, mailbox: MailboxAccess, message_id: str, attachment_id: str
    ) -> AsyncGenerator[ByteStream]:
        """Source: Graph, get attachment, raw contents."""
        path = f"{_message(message_id)}/attachments/{path_segment(attachment_id)}/$value"
        async with self._client.stream(mailbox, path) as response:
            yield stream_of(response, MOST_ATTACHMENT_BYTES + 1024 * 1024)

    async def add_attachment(
        self, mailbox: MailboxAccess, message_id: str, file: NewAttachment, chunks: AsyncIterator[bytes]
    ) -> AttachmentInfo:
        """Source: Graph, add attachment; attach large files to Outlook messages."""
        path = _message(message_id)
        checked = exactly(chunks, file.size_bytes)
        if file.size_bytes >= SMALL_BYTES:
            return await self._upload(mailbox, path, file, checked)
        content = b"".join([chunk async for chunk in checked])
        try:
            return await self._post(mailbox, path, file, content)
        except TooLargeForMailbox as refusal:
            # Just below 3 MB the request around the file may be over Graph's 4 MB.
            try:
                return await self._upload(mailbox, path, file, _at_once(content))
            except ProviderContractBroken:
                raise refusal from None

    async def _upload(
        self, mailbox: MailboxAccess, path: str, file: NewAttachment, chunks: AsyncIterator[bytes]
    ) -> AttachmentInfo:
        attachment_id = await upload_file(self._client, mailbox, path, file, chunks)
        return AttachmentInfo(
            id=unquote(attachment_id),
            name=file.name,
            content_type=file.content_type,
            size_bytes=file.size_bytes,
            is_inline=file.is_inline,
            content_id=file.content_id,
        )

    async def _post(
        self, mailbox: MailboxAccess, path: str, file: NewAttachment, content: bytes
    ) -> AttachmentInfo:
        entity: dict[str, object] = {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": file.name,
            "contentType": file.content_type,
            "isInline": file.is_inline,
            "contentBytes": base64.b64encode(content).decode("ascii"),
        }
        if file.content_id is not None:
            entity["contentId"] = file.content_id
        return codec.attachment(await self._client.change(mailbox, "POST", f"{path}/attachments", entity))

    async def remove_attachment(self, mailbox: MailboxAccess, message_id: str, attachment_id: str) -> None:
        """Source: Graph, delete attachment."""
        path = f"{_message(message_id)}/attachments/{path_segment(attachment_id)}"
        await self._client.change(mailbox, "DELETE", path)


def stream_of(response: aiohttp.ClientResponse, most_bytes: int) -> ByteStream:
    """Return the body of an open answer as a stream that ends with an error when it is too long or cut short."""

    async def chunks() -> AsyncGenerator[bytes]:
        received = 0
        try:
            async for chunk in response.content.iter_chunked(64 * 1024):
                received += len(chunk)
                if received > most_bytes:
                    raise TooLargeForMailbox("This is larger than anything Exchange keeps.")
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TemporarilyUnavailable(
                "Microsoft isn’t answering properly.", reason="microsoft_down"
            ) from error

    # Of a compressed body the length says nothing about what comes out.
    is_plain = "Content-Encoding" not in response.headers
    return ByteStream(chunks(), response.content_length if is_plain else None)


async def _at_once(content: bytes) -> AsyncGenerator[bytes]:
    yield content


def _message(message_id: str) -> str:
    return f"/me/messages/{path_segment(message_id)}"
