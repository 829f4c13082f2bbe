"""Folders and messages as every caller sees them, whichever way Microsoft serves the mailbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ostiary.core.kernel.mail_address import MailAddress


class WellKnownFolder(StrEnum):
    """Folders that every mailbox has, by one name over both methods."""

    INBOX = "inbox"
    DRAFTS = "drafts"
    SENT = "sent"
    DELETED = "deleted"
    JUNK = "junk"
    ARCHIVE = "archive"
    OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class MailFolder:
    """One folder of the tree."""

    id: str
    name: str
    parent_id: str | None
    """None for a folder directly under the mailbox."""
    well_known: WellKnownFolder | None
    total_count: int
    unread_count: int
    child_count: int


@dataclass(frozen=True, slots=True)
class FolderNode:
    """A folder in its place in the whole tree."""

    folder: MailFolder
    path: tuple[str, ...]
    """Names from the top level down to the folder itself."""


class Importance(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class FlagStatus(StrEnum):
    """The flag that people put on a message to come back to it."""

    NONE = "none"
    FLAGGED = "flagged"
    COMPLETE = "complete"


class BodyForm(StrEnum):
    """In which form a body is wanted."""

    STORED = "stored"
    """As it was written."""
    TEXT = "text"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class AttachmentInfo:
    """What is attached, without its bytes."""

    id: str
    name: str
    content_type: str
    size_bytes: int
    is_inline: bool
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """A message as lists show it."""

    id: str
    """Opaque, case-sensitive; stable while the message stays in its mailbox over Graph, until it moves over EWS."""
    folder_id: str
    conversation_id: str | None
    internet_message_id: str | None
    subject: str
    sender: MailAddress | None
    to: tuple[MailAddress, ...]
    received_at: datetime | None
    sent_at: datetime | None
    is_read: bool
    is_draft: bool
    has_attachments: bool
    importance: Importance
    categories: tuple[str, ...]
    preview: str
    """At most 255 characters of plain text; may be empty over EWS."""
    version: str
    """Changes whenever the message does; the value of the API's ETag."""
    flag: FlagStatus = FlagStatus.NONE


@dataclass(frozen=True, slots=True)
class Message(MessageSummary):
    """A whole message."""

    cc: tuple[MailAddress, ...] = ()
    bcc: tuple[MailAddress, ...] = ()
    reply_to: tuple[MailAddress, ...] = ()
    text: str | None = None
    html: str | None = None
    """As Microsoft gives it: not sanitised for display."""
    attachments: tuple[AttachmentInfo, ...] = ()
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
