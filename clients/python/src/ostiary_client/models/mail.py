"""Folders, messages and what is attached to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

WellKnownFolder = Literal["inbox", "drafts", "sent", "deleted", "junk", "archive", "outbox"]
Importance = Literal["low", "normal", "high"]
Flag = Literal["none", "flagged", "complete"]
BodyForm = Literal["stored", "text", "html"]
AnswerKind = Literal["reply", "reply_all", "forward"]


@dataclass(frozen=True, slots=True)
class Address:
    """A person or place that mail can be sent to."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A mail folder."""

    id: str
    name: str
    parent_id: str | None
    well_known: WellKnownFolder | None
    """Set for the folders that every mailbox has."""
    total_count: int
    unread_count: int
    child_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderNode(Folder):
    """A folder in its place in the whole tree."""

    path: tuple[str, ...]
    """Names from the top level down to this folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSummary:
    """A message as lists show it."""

    id: str
    folder_id: str
    conversation_id: str | None
    internet_message_id: str | None
    subject: str
    sender: Address | None
    to: tuple[Address, ...]
    received_at: datetime | None
    sent_at: datetime | None
    is_read: bool
    is_draft: bool
    has_attachments: bool
    importance: Importance
    categories: tuple[str, ...]
    preview: str
    """At most 255 characters of plain text."""
    version: str
    """Changes whenever the message does."""
    flag: Flag
    etag: str | None = None
    """For ``if_match``; known where the message was read or changed by itself, not from lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What is attached, without its bytes."""

    id: str
    name: str
    content_type: str
    size_bytes: int
    is_inline: bool
    content_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(MessageSummary):
    """A whole message."""

    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    text: str | None
    html: str | None
    """Written by a stranger: never show it as it is, use ``safe_html``."""
    attachments: tuple[Attachment, ...]
    headers: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRead:
    """Why one message of many could not be read."""

    code: str
    """``not_found``: it is gone; ``batch_full``: ask again with fewer; ``throttled``, ``temporarily_unavailable``:
    ask again later."""
    detail: str
    reason: str | None
    retry_after_seconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMessage:
    """One message of many: the message, or why it could not be read."""

    id: str
    """The id that was asked for."""
    message: Message | None
    error: NotRead | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeHTML:
    """A body that is safe to show in a sandboxed frame."""

    html: str
    blocked_images_count: int
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a message. Sent means taken by Microsoft."""

    delivery: Literal["sent", "scheduled"]
    message_id: str | None
    """Of the copy in Sent Items; None over EWS."""
    internet_message_id: str | None
    deliver_at: datetime | None
