"""Graph's mailFolder and message to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.adapters.graph.codec.json_shape import (
    JSONObject,
    as_object,
    count,
    flag,
    moment,
    objects,
    optional_text,
    recipient,
    recipients,
    required_text,
    text,
    texts,
)
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
"""Source: well-known folder names of the mailFolder resource."""

FOLDER_FIELDS: Final = "id,displayName,parentFolderId,childFolderCount,totalItemCount,unreadItemCount"
SUMMARY_FIELDS: Final = (
    "id,changeKey,parentFolderId,conversationId,internetMessageId,subject,from,sender,toRecipients,"
    "receivedDateTime,sentDateTime,isRead,isDraft,hasAttachments,importance,categories,bodyPreview,flag"
)
MESSAGE_FIELDS: Final = f"{SUMMARY_FIELDS},ccRecipients,bccRecipients,replyTo,body,internetMessageHeaders"
ATTACHMENT_EXPANSION: Final = (
    "attachments($select=id,name,contentType,size,isInline,microsoft.graph.fileAttachment/contentId)"
)
"""Names and sizes only: without this $select Graph would send every attachment's bytes along."""

PREVIEW_LIMIT: Final = 255
_IMPORTANCE: Final = {each.value: each for each in Importance}
FLAG_WORDS: Final = {
    FlagStatus.NONE: "notFlagged",
    FlagStatus.FLAGGED: "flagged",
    FlagStatus.COMPLETE: "complete",
}
_FLAGS: Final = {word.lower(): flag_status for flag_status, word in FLAG_WORDS.items()}


def folder(entity: JSONObject, *, top_level: bool, well_known: Mapping[str, WellKnownFolder]) -> MailFolder:
    """Return a folder. ``well_known`` maps folder ids of this mailbox to the names every mailbox has."""
    folder_id = required_text(entity, "id")
    return MailFolder(
        id=folder_id,
        name=text(entity, "displayName"),
        parent_id=None if top_level else optional_text(entity, "parentFolderId"),
        well_known=well_known.get(folder_id),
        total_count=count(entity, "totalItemCount"),
        unread_count=count(entity, "unreadItemCount"),
        child_count=count(entity, "childFolderCount"),
    )


def message_summary(entity: JSONObject) -> MessageSummary:
    """Return a message as lists show it."""
    return MessageSummary(
        id=required_text(entity, "id"),
        folder_id=text(entity, "parentFolderId"),
        conversation_id=optional_text(entity, "conversationId"),
        internet_message_id=optional_text(entity, "internetMessageId"),
        subject=text(entity, "subject"),
        sender=recipient(entity.get("from")) or recipient(entity.get("sender")),
        to=recipients(entity, "toRecipients"),
        received_at=moment(entity, "receivedDateTime"),
        sent_at=moment(entity, "sentDateTime"),
        is_read=flag(entity, "isRead"),
        is_draft=flag(entity, "isDraft"),
        has_attachments=flag(entity, "hasAttachments"),
        importance=_IMPORTANCE.get(text(entity, "importance").lower(), Importance.NORMAL),
        categories=texts(entity, "categories"),
        preview=text(entity, "bodyPreview")[:PREVIEW_LIMIT],
        version=text(entity, "changeKey"),
        flag=_flag(entity.get("flag")),
    )


def message(entity: JSONObject) -> Message:
    """Return a whole message; its body as Microsoft stored it, HTML or plain text."""
    summary = message_summary(entity)
    body = entity.get("body")
    content, kind = "", ""
    if body is not None:
        part = as_object(body, "body")
        content, kind = text(part, "content"), text(part, "contentType").lower()
    return Message(
        **{name: getattr(summary, name) for name in summary.__dataclass_fields__},
        cc=recipients(entity, "ccRecipients"),
        bcc=recipients(entity, "bccRecipients"),
        reply_to=recipients(entity, "replyTo"),
        text=content if kind == "text" else None,
        html=content if kind == "html" else None,
        attachments=tuple(attachment(part) for part in objects(entity, "attachments")),
        headers=_headers(objects(entity, "internetMessageHeaders")),
    )


def attachment(entity: JSONObject) -> AttachmentInfo:
    """Return what is attached, without its bytes."""
    return AttachmentInfo(
        id=required_text(entity, "id"),
        name=text(entity, "name"),
        content_type=text(entity, "contentType") or "application/octet-stream",
        size_bytes=count(entity, "size"),
        is_inline=flag(entity, "isInline"),
        content_id=optional_text(entity, "contentId"),
    )


def _flag(value: object) -> FlagStatus:
    if value is None:
        return FlagStatus.NONE
    return _FLAGS.get(text(as_object(value, "flag"), "flagStatus").lower(), FlagStatus.NONE)


def _headers(pairs: tuple[JSONObject, ...]) -> dict[str, tuple[str, ...]]:
    headers: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name = text(pair, "name")
        headers[name] = (*headers.get(name, ()), text(pair, "value"))
    return headers
