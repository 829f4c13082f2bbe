"""Sending: out of one mailbox, into the mailboxes of the world."""

from __future__ import annotations

import re
from collections.abc import Iterable

from . import inbox_rules, meeting_messages
from .copies import copy_attachment
from .errors import InvalidRecipients, NotAllowed
from .folder import Folder
from .held import hold
from .item import Body, PropertyKey, PropertyValue, Recipient
from .message import NON_DELIVERY_CLASS, Message
from .store import DeleteMode, Mailbox
from .threads import continue_thread, new_message_id, start_thread

_ADDRESS = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+\Z")
MAX_RECIPIENTS = 1000
"""Source: Exchange Online limits, recipients per message (default of new tenants)."""


class SendAsDenied(NotAllowed):
    """The mailbox may not send with that From address; choose another."""


def send(mailbox: Mailbox, message: Message, *, save_copy: bool = True, folder: Folder | None = None) -> None:
    """Send a message, be it a draft of this mailbox or one made for the purpose.

    A draft moves to Sent Items and keeps its identity, so its immutable id names the sent copy. One with a
    PidTagDeferredSendTime to come waits among the drafts, see :mod:`.held`.

    Args:
        save_copy: Keep it in Sent Items, or in `folder` if that is given.

    Raises:
        InvalidRecipients: Nobody to send to, too many, or an address that is none; correct the message.
        SendAsDenied: The From address belongs to someone who has not allowed that.
        SubmittedAlready: It waits for its time.
    """
    check_recipients(message)
    _set_sender(mailbox, message)
    if hold(mailbox, message, save_copy=save_copy, folder=folder):
        return
    now = mailbox.now()
    message.sent_at = message.received_at = now
    if not message.internet_message_id:
        message.internet_message_id = new_message_id(mailbox.rng, mailbox.address)
    if not message.conversation:
        start_thread(message, mailbox.rng, now)
    target = folder or mailbox.well_known("sentitems")
    if message.identity:
        mailbox.update(
            message, {"is_draft": False, "is_read": True, "internet_message_id": message.internet_message_id}
        )
        if save_copy:
            mailbox.move(message, target)
        else:
            mailbox.delete(message, DeleteMode.HARD)
    else:
        message.is_draft, message.is_read = False, True
        if save_copy:
            mailbox.add(message, target)
    distribute(mailbox, message, message.recipients)


def check_recipients(message: Message) -> None:
    """Raise InvalidRecipients unless everyone it is addressed to can be written to."""
    everyone = message.recipients
    if not everyone:
        raise InvalidRecipients
    if len(everyone) > MAX_RECIPIENTS:
        raise InvalidRecipients(f"A message can have at most {MAX_RECIPIENTS} recipients.")
    for person in everyone:
        if not _ADDRESS.match(person.address):
            raise InvalidRecipients(
                f"At least one recipient isn't valid., Recipient '{person.address[:100]}' could not be resolved."
            )


def distribute(mailbox: Mailbox, message: Message, recipients: Iterable[Recipient]) -> None:
    """Put copies of a sent message into the mailboxes of its recipients, and report those who do not exist."""
    missing: list[Recipient] = []
    seen: set[int] = set()
    for person in recipients:
        target = mailbox.world.find_mailbox(person.address)
        if target is not None:
            if id(target) not in seen:
                seen.add(id(target))
                receive(target, message)
        elif _is_unknown(mailbox, person.address):
            missing.append(person)
    if missing:
        _report_non_delivery(mailbox, message, missing)


def _is_unknown(mailbox: Mailbox, address: str) -> bool:
    """Return whether an address of an emulated domain belongs to nobody who can get mail.

    Mailboxes on premises get theirs outside the emulator, as do addresses of other domains.
    """
    if mailbox.world.find_tenant(address.rpartition("@")[2]) is None:
        return False
    user = mailbox.world.find_user(address)
    return user is None or user.mailbox_location != "on_premises"


def receive(mailbox: Mailbox, message: Message) -> Message:
    """Deliver a copy of a message into a mailbox: meetings reach the calendar, rules and automatic replies run."""
    arrived = _copy_for(mailbox, message)
    if arrived.meeting is not None:
        meeting_messages.apply(mailbox, arrived)
    mailbox.add(arrived, mailbox.well_known("inbox"), is_new_mail=True)
    if arrived.item_class != NON_DELIVERY_CLASS:
        inbox_rules.run(mailbox, arrived)
        _reply_automatically(mailbox, arrived)
    return arrived


def _copy_for(mailbox: Mailbox, message: Message) -> Message:
    now = mailbox.now()
    attachments = [copy_attachment(mailbox, part) for part in message.attachments or ()]
    meeting = message.meeting.copy() if message.meeting is not None else None
    return Message(
        subject=message.subject,
        body=message.body,
        created_at=now,
        modified_at=now,
        importance=message.importance,
        sensitivity=message.sensitivity,
        attachments=attachments or None,
        properties=_traveling_properties(message),
        item_class=message.item_class,
        sender=message.sender,
        from_=message.from_,
        to=message.to,
        cc=message.cc,
        reply_to=message.reply_to,
        received_at=now,
        sent_at=message.sent_at,
        read_receipt_requested=message.read_receipt_requested,
        delivery_receipt_requested=message.delivery_receipt_requested,
        internet_message_id=message.internet_message_id,
        in_reply_to=message.in_reply_to,
        references=message.references,
        conversation=message.conversation,
        conversation_index=message.conversation_index,
        headers=message.headers,
        meeting=meeting,
    )


def _traveling_properties(message: Message) -> dict[PropertyKey, PropertyValue] | None:
    """Return the named properties, which travel inside a tenant; tagged ones are the sender's own."""
    kept = {key: value for key, value in (message.properties or {}).items() if key.tag is None}
    return kept or None


def _set_sender(mailbox: Mailbox, message: Message) -> None:
    me = Recipient(mailbox.display_name, mailbox.address)
    wanted = message.from_
    if wanted is None or _is_mine(mailbox, wanted.address):
        message.sender = message.from_ = me
        return
    owner = mailbox.world.find_mailbox(wanted.address)
    if owner is None or mailbox.owner.oid not in owner.permissions.send_as | owner.permissions.send_on_behalf:
        raise SendAsDenied(
            "The user account which was used to submit this request does not have the right to send mail on behalf of "
            "the specified sending account."
        )
    message.from_ = Recipient(owner.display_name, owner.address)
    message.sender = message.from_ if mailbox.owner.oid in owner.permissions.send_as else me


def _is_mine(mailbox: Mailbox, address: str) -> bool:
    return mailbox.world.find_mailbox(address) is mailbox


def _report_non_delivery(mailbox: Mailbox, message: Message, missing: list[Recipient]) -> None:
    names = ", ".join(person.address for person in missing)
    domain = mailbox.address.rpartition("@")[2]
    postmaster = Recipient("Microsoft Outlook", f"postmaster@{domain}")
    report = Message(
        subject=f"Undeliverable: {message.subject}",
        body=Body(
            f"<html><body><p>Your message to {names} couldn't be delivered.</p>"
            "<p>550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup</p></body></html>",
            is_html=True,
        ),
        item_class=NON_DELIVERY_CLASS,
        sender=postmaster,
        from_=postmaster,
        to=(Recipient(mailbox.display_name, mailbox.address),),
        sent_at=mailbox.now(),
        internet_message_id=new_message_id(mailbox.rng, postmaster.address),
    )
    continue_thread(report, message, mailbox.rng)
    receive(mailbox, report)


def _reply_automatically(mailbox: Mailbox, arrived: Message) -> None:
    replies, now = mailbox.settings.automatic_replies, mailbox.now()
    on = replies.status == "alwaysEnabled" or (
        replies.status == "scheduled" and replies.start <= now < replies.end
    )
    writer = arrived.from_
    if not on:
        mailbox.auto_replied.clear()
        return
    if (
        writer is None
        or writer.address.lower() in mailbox.auto_replied
        or arrived.subject.startswith("Automatic reply:")
    ):
        return
    other = mailbox.world.find_mailbox(writer.address)
    if other is None or other is mailbox:
        return
    mailbox.auto_replied.add(writer.address.lower())
    me = Recipient(mailbox.display_name, mailbox.address)
    same_company = writer.address.rpartition("@")[2].lower() == mailbox.address.rpartition("@")[2].lower()
    if not same_company and replies.audience == "none":
        return
    reply = Message(
        subject=f"Automatic reply: {arrived.subject}",
        body=Body(replies.internal_message if same_company else replies.external_message, is_html=True),
        item_class="IPM.Note.Rules.OofTemplate.Microsoft",
        sender=me,
        from_=me,
        to=(writer,),
        sent_at=now,
        internet_message_id=new_message_id(mailbox.rng, me.address),
    )
    continue_thread(reply, arrived, mailbox.rng)
    receive(other, reply)
