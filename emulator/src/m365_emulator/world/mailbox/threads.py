"""Conversations: who belongs to which thread, and the Message-ID headers that say so to the outside."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from .message import Message

_FILETIME_EPOCH = datetime.fromisoformat("1601-01-01T00:00:00+00:00")
PREFIXES = ("re:", "fw:", "fwd:", "aw:", "wg:")


def start_thread(message: Message, rng: Random, at: datetime) -> None:
    """Make a message the first of its conversation.

    Source: MS-OXOMSG, PidTagConversationIndex: 1 byte, 5 bytes of time, 16 bytes GUID; 5 bytes more per reply.
    """
    message.conversation = rng.randbytes(16)
    ticks = int((at - _FILETIME_EPOCH).total_seconds() * 10_000_000)
    message.conversation_index = b"\x01" + ticks.to_bytes(8, "big")[:5] + message.conversation


def continue_thread(message: Message, parent: Message, rng: Random) -> None:
    """Make a message an answer to another: same conversation, headers that name the parent."""
    message.conversation = parent.conversation
    message.conversation_index = parent.conversation_index + rng.randbytes(5)
    if parent.internet_message_id:
        message.in_reply_to = parent.internet_message_id
        message.references = f"{parent.references} {parent.internet_message_id}".strip()


def new_message_id(rng: Random, address: str) -> str:
    """Return a Message-ID header for mail sent from an address."""
    domain = address.rpartition("@")[2] or "localhost"
    return f"<{rng.randbytes(16).hex().upper()}@mail.{domain}>"


def bare_subject(subject: str) -> str:
    """Return a subject without the RE: and FW: in front of it."""
    text = subject.strip()
    while True:
        prefix = next((prefix for prefix in PREFIXES if text.lower().startswith(prefix)), None)
        if prefix is None:
            return text
        text = text[len(prefix) :].strip()
