"""Drafts as Exchange would make them, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.drafts import AnswerKind, MessageContent
from ostiary.core.mail.model import Importance, Message

_WRITTEN_AT: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)


def draft_of(number: int, folder_id: str, sender: MailAddress) -> Message:
    """Return an empty draft."""
    return Message(
        id=f"draft-{number}",
        folder_id=folder_id,
        conversation_id=f"thread-{number}",
        internet_message_id=f"<draft-{number}@memory.example>",
        subject="",
        sender=sender,
        to=(),
        received_at=_WRITTEN_AT,
        sent_at=_WRITTEN_AT,
        is_read=True,
        is_draft=True,
        has_attachments=False,
        importance=Importance.NORMAL,
        categories=(),
        preview="",
        version="1",
    )


def answer_of(original: Message, kind: AnswerKind, draft: Message) -> Message:
    """Return ``draft`` addressed, threaded and quoted as an answer."""
    me = draft.sender.address.casefold() if draft.sender else ""
    prefix = "FW" if kind is AnswerKind.FORWARD else "RE"
    answered = replace(
        draft,
        subject=f"{prefix}: {original.subject.removeprefix('RE: ').removeprefix('FW: ')}",
        conversation_id=original.conversation_id,
        text=original.text,
        html=original.html,
    )
    if kind is AnswerKind.FORWARD:
        return replace(answered, attachments=original.attachments, has_attachments=original.has_attachments)
    to = original.reply_to or ((original.sender,) if original.sender else ())
    if kind is AnswerKind.REPLY:
        return replace(answered, to=to)
    known = {me, *(who.address.casefold() for who in to)}
    others = tuple(who for who in original.to if who.address.casefold() not in known)
    known |= {who.address.casefold() for who in others}
    cc = tuple(who for who in original.cc if who.address.casefold() not in known)
    return replace(answered, to=(*to, *others), cc=cc)


def with_content(draft: Message, content: MessageContent, *, quotes: bool = False) -> Message:
    """Return ``draft`` with what was given written into it, above what it quotes."""
    text, html = draft.text, draft.html
    if content.text is not None or content.html is not None:
        below = (text or html or "") if quotes else ""
        text = None if content.text is None else content.text + (f"\n\n{below}" if below else "")
        html = None if content.html is None else content.html + below
    return replace(
        draft,
        subject=draft.subject if content.subject is None else content.subject,
        to=draft.to if content.to is None else content.to,
        cc=draft.cc if content.cc is None else content.cc,
        bcc=draft.bcc if content.bcc is None else content.bcc,
        reply_to=draft.reply_to if content.reply_to is None else content.reply_to,
        text=text,
        html=html,
        importance=draft.importance if content.importance is None else content.importance,
    )
