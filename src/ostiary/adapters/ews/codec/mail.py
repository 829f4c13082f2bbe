"""EWS's folders and messages to ours."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.codec.xml_shape import (
    broken,
    change_key,
    child,
    children,
    count,
    flag,
    mailbox,
    mailboxes,
    moment,
    object_id,
    optional_text,
    required_id,
    text,
    texts,
)
from ostiary.adapters.ews.soap import Element, T
from ostiary.core.mail.model import (
    AttachmentInfo,
    FlagStatus,
    Importance,
    MailFolder,
    Message,
    MessageSummary,
    WellKnownFolder,
)

WELL_KNOWN_NAMES: Final[dict[WellKnownFolder, str]] = {
    WellKnownFolder.INBOX: "inbox",
    WellKnownFolder.DRAFTS: "drafts",
    WellKnownFolder.SENT: "sentitems",
    WellKnownFolder.DELETED: "deleteditems",
    WellKnownFolder.JUNK: "junkemail",
    WellKnownFolder.ARCHIVE: "archive",
    WellKnownFolder.OUTBOX: "outbox",
}
"""Source: EWS DistinguishedFolderId."""
_ARCHIVE_NAME: Final = "Archive"
"""The published schema (Exchange2016) has no distinguished id for the one-click archive folder, so where an answer
gives none, the name that Outlook made it under tells it. Mailboxes born in another language keep it nameless."""
_BY_NAME: Final = {name: folder for folder, name in WELL_KNOWN_NAMES.items()}

FOLDER_FIELDS: Final = (
    "folder:ParentFolderId",
    "folder:FolderClass",
    "folder:DisplayName",
    "folder:TotalCount",
    "folder:ChildFolderCount",
    "folder:DistinguishedFolderId",
    "folder:UnreadCount",
)
FOUND_FIELDS: Final = (
    "item:ParentFolderId",
    "item:Subject",
    "item:DateTimeReceived",
    "item:Categories",
    "item:Importance",
    "item:IsDraft",
    "item:DateTimeSent",
    "item:HasAttachments",
    "item:ConversationId",
    "item:Flag",
    "message:IsRead",
)
"""What FindItem gives of a message."""
GOT_FIELDS: Final = ("item:Preview", "message:ToRecipients", "message:From", "message:InternetMessageId")
"""What GetItem gives beyond it: FindItem has no full addresses, and refuses the whole call over one property it
cannot give (ews.md §6, §12)."""
MESSAGE_FIELDS: Final = (
    *FOUND_FIELDS,
    *GOT_FIELDS,
    "item:Body",
    "item:Attachments",
    "item:InternetMessageHeaders",
    "message:CcRecipients",
    "message:BccRecipients",
    "message:ReplyTo",
)

FLAG_WORDS: Final = {
    FlagStatus.NONE: "NotFlagged",
    FlagStatus.FLAGGED: "Flagged",
    FlagStatus.COMPLETE: "Complete",
}
_IMPORTANCE: Final = {each.value: each for each in Importance}
_FLAGS: Final = {word: flag_status for flag_status, word in FLAG_WORDS.items()}

MAIL_CLASS: Final = "IPF.Note"
PREVIEW_LIMIT: Final = 255


def is_mail_folder(node: Element) -> bool:
    """Whether a folder holds mail. One without a class is an ordinary mail folder."""
    folder_class = text(node, "FolderClass") or MAIL_CLASS
    return folder_class == MAIL_CLASS or folder_class.startswith(f"{MAIL_CLASS}.")


def folder(node: Element, *, top_level: bool) -> MailFolder:
    """Return a folder."""
    distinguished = text(node, "DistinguishedFolderId").strip().lower()
    well_known = _BY_NAME.get(distinguished)
    if well_known is None and top_level and text(node, "DisplayName") == _ARCHIVE_NAME:
        well_known = WellKnownFolder.ARCHIVE
    return MailFolder(
        id=required_id(node, "FolderId"),
        name=text(node, "DisplayName"),
        parent_id=None if top_level else object_id(node, "ParentFolderId"),
        well_known=well_known,
        total_count=count(node, "TotalCount"),
        unread_count=count(node, "UnreadCount"),
        child_count=count(node, "ChildFolderCount"),
    )


def message_summary(node: Element, *, got: Element | None = None) -> MessageSummary:
    """Return a message as lists show it.

    Args:
        node: The item as FindItem (or GetItem) gave it.
        got: The same item from GetItem, where ``node`` lacks :data:`GOT_FIELDS`.
    """
    found = children(node)
    rest = found if got is None else children(got)
    marked = child(found, "Flag")
    return MessageSummary(
        id=required_id(found, "ItemId"),
        folder_id=object_id(found, "ParentFolderId") or "",
        conversation_id=object_id(found, "ConversationId"),
        internet_message_id=optional_text(rest, "InternetMessageId"),
        subject=text(found, "Subject"),
        sender=mailbox(child(rest, "From")),
        to=mailboxes(rest, "ToRecipients"),
        received_at=moment(found, "DateTimeReceived"),
        sent_at=moment(found, "DateTimeSent"),
        is_read=flag(found, "IsRead"),
        is_draft=flag(found, "IsDraft"),
        has_attachments=flag(found, "HasAttachments"),
        importance=_IMPORTANCE.get(text(found, "Importance").strip().lower(), Importance.NORMAL),
        categories=texts(found, "Categories"),
        preview=text(rest, "Preview")[:PREVIEW_LIMIT],
        version=change_key(found, "ItemId"),
        flag=FlagStatus.NONE if marked is None else _FLAGS.get(text(marked, "FlagStatus"), FlagStatus.NONE),
    )


def message(node: Element) -> Message:
    """Return a whole message; its body as Exchange stored it, HTML or plain text."""
    summary = message_summary(node)
    body = node.find(f"{T}Body")
    content = "" if body is None else body.text or ""
    kind = "" if body is None else (body.get("BodyType") or "").lower()
    return Message(
        **{name: getattr(summary, name) for name in summary.__dataclass_fields__},
        cc=mailboxes(node, "CcRecipients"),
        bcc=mailboxes(node, "BccRecipients"),
        reply_to=mailboxes(node, "ReplyTo"),
        text=content if kind == "text" else None,
        html=content if kind == "html" else None,
        attachments=_attachments(node),
        headers=_headers(node),
    )


def _attachments(node: Element) -> tuple[AttachmentInfo, ...]:
    listed = node.find(f"{T}Attachments")
    return () if listed is None else tuple(_attachment(part) for part in listed)


def _attachment(node: Element) -> AttachmentInfo:
    attachment_id = object_id(node, "AttachmentId")
    if attachment_id is None:
        raise broken("AttachmentId")
    return AttachmentInfo(
        id=attachment_id,
        name=text(node, "Name"),
        content_type=text(node, "ContentType") or "application/octet-stream",
        size_bytes=count(node, "Size"),
        is_inline=flag(node, "IsInline"),
        content_id=optional_text(node, "ContentId"),
    )


def _headers(node: Element) -> dict[str, tuple[str, ...]]:
    headers: dict[str, tuple[str, ...]] = {}
    for header in node.iterfind(f"{T}InternetMessageHeaders/{T}InternetMessageHeader"):
        name = header.get("HeaderName") or ""
        headers[name] = (*headers.get(name, ()), header.text or "")
    return headers
