"""Drafts: new ones, and those that answer or pass on another message."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from .bodies import to_html
from .copies import copy_attachment
from .item import Body, Recipient
from .message import Message
from .threads import bare_subject, continue_thread, new_message_id, start_thread

if TYPE_CHECKING:
    from .folder import Folder
    from .store import Mailbox


def create_draft(mailbox: Mailbox, message: Message, folder: Folder | None = None) -> Message:
    """Save a message as a draft, in Drafts unless another folder is given."""
    now = mailbox.now()
    me = Recipient(mailbox.display_name, mailbox.address)
    message.is_draft = True
    message.is_read = True
    message.sent_at = message.received_at = now
    message.sender = message.sender or me
    message.from_ = message.from_ or me
    if not message.internet_message_id:
        message.internet_message_id = new_message_id(mailbox.rng, mailbox.address)
    if not message.conversation:
        start_thread(message, mailbox.rng, now)
    mailbox.add(message, folder or mailbox.well_known("drafts"))
    return message


def reply_to(
    mailbox: Mailbox, original: Message, *, to_all: bool = False, comment: str | Body = ""
) -> Message:
    """Return an unsaved answer to a message, addressed as a mail program would.

    Args:
        to_all: Answer everyone who got the original, without the owner.
        comment: Text (or a whole body) above the quoted original.
    """
    answer = _follow_up(mailbox, original, "RE", comment)
    writer = original.from_ or original.sender
    answer.to = original.reply_to or ((writer,) if writer else ())
    if _is_mine(mailbox, writer) and not original.reply_to:
        answer.to = original.to
    if to_all:
        seen = {mailbox.address.lower(), *(one.address.lower() for one in answer.to)}
        to = [one for one in original.to if one.address.lower() not in seen]
        answer.to = (*answer.to, *to)
        seen |= {one.address.lower() for one in to}
        answer.cc = tuple(one for one in original.cc if one.address.lower() not in seen)
    return answer


def forward(
    mailbox: Mailbox, original: Message, recipients: tuple[Recipient, ...] = (), *, comment: str | Body = ""
) -> Message:
    """Return an unsaved forward of a message, attachments included."""
    passed_on = _follow_up(mailbox, original, "FW", comment)
    passed_on.to = recipients
    passed_on.attachments = [copy_attachment(mailbox, part) for part in original.attachments or ()] or None
    return passed_on


def _follow_up(mailbox: Mailbox, original: Message, prefix: str, comment: str | Body) -> Message:
    me = Recipient(mailbox.display_name, mailbox.address)
    message = Message(
        subject=f"{prefix}: {bare_subject(original.subject)}",
        body=_quote(original, comment),
        importance=original.importance,
        sender=me,
        from_=me,
        is_draft=True,
        is_read=True,
        internet_message_id=new_message_id(mailbox.rng, mailbox.address),
    )
    continue_thread(message, original, mailbox.rng)
    return message


def _quote(original: Message, comment: str | Body) -> Body:
    above = comment if isinstance(comment, Body) else Body(comment)
    writer = original.from_ or Recipient("", "")
    to = "; ".join(one.name or one.address for one in original.to)
    head = (
        f"From: {writer.name} <{writer.address}>\r\nSent: {original.sent_at:%A, %B %d, %Y %H:%M}\r\n"
        f"To: {to}\r\nSubject: {original.subject}\r\n"
    )
    if original.body.is_html or above.is_html:
        lines = "<br>\r\n".join(html.escape(line) for line in head.splitlines())
        top = above.content if above.is_html else html.escape(above.content).replace("\n", "<br>\n")
        return Body(
            f'<html><body>{top}<hr><div id="divRplyFwdMsg">{lines}</div><br>{to_html(original.body)}</body></html>',
            is_html=True,
        )
    return Body(
        f"{above.content}\r\n\r\n________________________________\r\n{head}\r\n{original.body.content}"
    )


def _is_mine(mailbox: Mailbox, person: Recipient | None) -> bool:
    return person is not None and person.address.lower() == mailbox.address.lower()
