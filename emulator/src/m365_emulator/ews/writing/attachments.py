"""Attachments in requests."""

from __future__ import annotations

import base64
import binascii

from m365_emulator.ews import xml
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.writing.reader import Reader
from m365_emulator.world.mailbox import Attachment

# Exchange Online's largest message; a single attachment cannot be larger.
_MAX_BYTES = 150 * 1024 * 1024
_DEFAULT_TYPE = "application/octet-stream"


def read_attachments(reader: Reader, node: Node) -> list[Attachment]:
    """Return the attachments of a list element.

    Raises:
        ResponseError: Content that is no base64, or an item of a kind that cannot be attached.
    """
    return [read_attachment(reader, child) for child in elements(node)]


def read_attachment(reader: Reader, node: Node) -> Attachment:
    """Return one attachment, under a fresh key."""
    from m365_emulator.ews.writing.items import read_detached_item

    kind = local_name(node)
    if kind not in {"FileAttachment", "ItemAttachment", "ReferenceAttachment"}:
        raise schema_violation(f"The element 'Attachments' has invalid child element '{kind}'.")
    part = Attachment(
        key=reader.mailbox.random_key(),
        name=(node.findtext(f"{xml.T}Name") or "").strip(),
        content_type=(node.findtext(f"{xml.T}ContentType") or "").strip() or _DEFAULT_TYPE,
        content=b"",
        modified_at=reader.mailbox.now(),
        is_inline=read_boolean(node.findtext(f"{xml.T}IsInline"), default=False),
        content_id=node.findtext(f"{xml.T}ContentId"),
        content_location=node.findtext(f"{xml.T}ContentLocation"),
    )
    if kind == "FileAttachment":
        part.content = _content(node.findtext(f"{xml.T}Content"))
    elif kind == "ReferenceAttachment":
        part.source_url = (node.findtext(f"{xml.T}AttachLongPathName") or "").strip()
    else:
        attached = next((child for child in elements(node) if local_name(child) in _ATTACHABLE), None)
        if attached is None:
            raise ResponseError(
                "ErrorMissingItemForCreateItemAttachment", "The item attachment holds no item."
            )
        part.item = read_detached_item(reader, attached)
        part.name = part.name or part.item.subject
        part.content_type = "message/rfc822"
    return part


_ATTACHABLE = frozenset({"Item", "Message", "CalendarItem", "Contact", "Task", "PostItem"})


def _content(text: str | None) -> bytes:
    try:
        content = base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise schema_violation("The 'Content' element is invalid - it is not base64.") from error
    if len(content) > _MAX_BYTES:
        raise ResponseError(
            "ErrorAttachmentSizeLimitExceeded", "The attachment is larger than a message may be."
        )
    return content
