"""Attachments of 3 to 150 MB: an upload session, one part after the other."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec.json_shape import broken, parse_object, required_text
from ostiary.adapters.graph.errors import translate
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import OstiaryError, TemporarilyUnavailable, Throttled
from ostiary.core.mail.attachments import NewAttachment

PART_BYTES: Final = 12 * 320 * 1024
"""3.75 MB: the largest multiple of 320 KiB below the 4 MB that one request may carry.

Source: Graph, attach large files to Outlook messages and events.
"""
TRIES: Final = 4
"""Attempts for one part; it is in memory, so a fault on the way costs nothing but time."""
_ID_AT_THE_END: Final = re.compile(r"/attachments\(?['/]?([A-Za-z0-9_=+%-]{1,1500})'?\)?/?$", re.IGNORECASE)
_FIRST_NUMBER: Final = re.compile(r"\d{1,12}")


async def upload_file(
    client: GraphClient,
    mailbox: MailboxAccess,
    message_path: str,
    file: NewAttachment,
    chunks: AsyncIterator[bytes],
) -> str:
    """Upload a file to a draft and return the new attachment's id. Holds one part in memory at a time.

    Whatever goes wrong, the session is given up, so that nothing half is attached.
    """
    item: dict[str, object] = {
        "attachmentType": "file",
        "name": file.name,
        "size": file.size_bytes,
        "contentType": file.content_type,
        "isInline": file.is_inline,
    }
    if file.content_id is not None:
        item["contentId"] = file.content_id
    path = f"{message_path}/attachments/createUploadSession"
    session = await client.change(mailbox, "POST", path, {"AttachmentItem": item})
    url = required_text(session, "uploadUrl")
    done = False
    try:
        attachment_id = await _upload_parts(client, mailbox, url, file.size_bytes, chunks)
        done = True
    finally:
        if not done:
            await _give_up(client, mailbox, url)
    return attachment_id


async def _upload_parts(
    client: GraphClient, mailbox: MailboxAccess, url: str, size_bytes: int, chunks: AsyncIterator[bytes]
) -> str:
    start = 0
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        while len(waiting) >= PART_BYTES and start + PART_BYTES < size_bytes:
            part = bytes(waiting[:PART_BYTES])
            del waiting[:PART_BYTES]
            await _put(client, mailbox, url, part, start, size_bytes)
            start += len(part)
    location = await _put(client, mailbox, url, bytes(waiting), start, size_bytes)
    match = _ID_AT_THE_END.search(location or "")
    if match is None:
        raise broken("Location")
    return match[1]


async def _put(
    client: GraphClient, mailbox: MailboxAccess, url: str, part: bytes, start: int, size_bytes: int
) -> str | None:
    """Put one part; return the attachment's address after the last one, else None."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Range": f"bytes {start}-{start + len(part) - 1}/{size_bytes}",
    }
    failure: OstiaryError = TemporarilyUnavailable(
        "Microsoft isn’t answering properly.", reason="microsoft_down"
    )
    for _ in range(TRIES):
        try:
            status, answered, _ = await client.upload(mailbox, "PUT", url, part, headers)
        except TemporarilyUnavailable as error:
            failure = error
        else:
            if status == 201:
                return answered.get("Location")
            if status in (200, 202):
                return None
            failure = translate(status, None, answered)
            if isinstance(failure, Throttled) or not isinstance(failure, TemporarilyUnavailable):
                raise failure
        if await _next_byte(client, mailbox, url) == start + len(part):
            return None  # It had arrived; only its answer was lost.
    raise failure


async def _next_byte(client: GraphClient, mailbox: MailboxAccess, url: str) -> int | None:
    """Ask the session which byte it waits for; None when it does not say."""
    try:
        status, _, content = await client.upload(mailbox, "GET", url, b"", {})
        ranges = parse_object(content).get("NextExpectedRanges") if status == 200 else None
    except OstiaryError:
        return None
    first = ranges[0] if isinstance(ranges, list) and ranges else ""
    match = _FIRST_NUMBER.match(str(first))
    return int(match[0]) if match else None


async def _give_up(client: GraphClient, mailbox: MailboxAccess, url: str) -> None:
    try:
        await client.upload(mailbox, "DELETE", url, b"", {})
    except OstiaryError:
        return  # It expires by itself.
