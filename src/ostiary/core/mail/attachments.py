"""Attachments as streams: never a whole file in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from ostiary.core.kernel.errors import InvalidRequest

MOST_ATTACHMENT_BYTES: Final = 150 * 1024 * 1024
"""Largest file that Exchange Online takes over any way.

Source: Graph, attach large files to Outlook messages (graph.md §1).
"""


@dataclass(frozen=True, slots=True)
class NewAttachment:
    """A file to attach; its bytes come as a stream of exactly ``size_bytes``."""

    name: str
    content_type: str
    size_bytes: int
    is_inline: bool = False
    content_id: str | None = None
    """What ``cid:`` links in the HTML body name."""

    def __post_init__(self) -> None:
        # Such names and types end up in headers of the sent mail (SR-92).
        for field, value in (("name", self.name), ("content_type", self.content_type)):
            if not value or not value.isprintable() or len(value) > 255:
                raise InvalidRequest("This is no name or type of a file.", field=field)
        if self.content_id is not None and (not self.content_id.isprintable() or len(self.content_id) > 255):
            raise InvalidRequest("This is no content id.", field="content_id")
        if not 0 <= self.size_bytes <= MOST_ATTACHMENT_BYTES:
            raise InvalidRequest("An attachment has at most 150 MB.", field="size")


@dataclass(frozen=True, slots=True)
class ByteStream:
    """Bytes on their way from Microsoft. Read once, inside the context that gave it."""

    chunks: AsyncIterator[bytes]
    size_bytes: int | None = None
    """None where Microsoft does not say before the end."""


async def exactly(chunks: AsyncIterator[bytes], size_bytes: int) -> AsyncIterator[bytes]:
    """Yield the chunks of an upload, and notice one that is not as long as was said.

    Raises:
        InvalidRequest: More or fewer bytes came; nothing may be attached.
    """
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received > size_bytes:
            raise InvalidRequest("More bytes came than Content-Length says.")
        if chunk:
            yield chunk
    if received != size_bytes:
        raise InvalidRequest("Fewer bytes came than Content-Length says.")
