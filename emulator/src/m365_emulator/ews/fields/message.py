"""The ``message:`` fields, of mail messages and meeting messages."""

from __future__ import annotations

import base64

from m365_emulator.ews.fields.registry import Field
from m365_emulator.ews.fields.values import (
    bool_element,
    mailbox,
    recipients,
    single_recipient,
    text_element,
)
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox.message import Message
from m365_emulator.world.mailbox.threads import bare_subject


def _conversation_index(view: View, item: Message) -> str:
    if not item.conversation_index:
        return ""
    encoded = base64.b64encode(item.conversation_index).decode("ascii")
    return f"<t:ConversationIndex>{encoded}</t:ConversationIndex>"


def _received_by(name: str) -> Field:
    def render(view: View, item: Message) -> str:
        if item.is_draft:
            return ""
        return f"<t:{name}>{mailbox(view.owner)}</t:{name}>"

    return Field(f"message:{name}", name, render, in_find=False)


FIELDS: tuple[Field, ...] = (
    Field(
        "message:Sender",
        "Sender",
        lambda view, item: single_recipient("Sender", item.sender),
        lambda view, item: item.sender.address if item.sender else None,
    ),
    Field(
        "message:ToRecipients",
        "ToRecipients",
        lambda view, item: recipients("ToRecipients", item.to),
        lambda view, item: tuple(f"{person.name} {person.address}" for person in item.to),
        in_find=False,
    ),
    Field(
        "message:CcRecipients",
        "CcRecipients",
        lambda view, item: recipients("CcRecipients", item.cc),
        lambda view, item: tuple(f"{person.name} {person.address}" for person in item.cc),
        in_find=False,
    ),
    Field(
        "message:BccRecipients",
        "BccRecipients",
        lambda view, item: recipients("BccRecipients", item.bcc),
        lambda view, item: tuple(f"{person.name} {person.address}" for person in item.bcc),
        in_find=False,
    ),
    Field(
        "message:IsReadReceiptRequested",
        "IsReadReceiptRequested",
        lambda view, item: bool_element("IsReadReceiptRequested", item.read_receipt_requested),
        lambda view, item: item.read_receipt_requested,
    ),
    Field(
        "message:IsDeliveryReceiptRequested",
        "IsDeliveryReceiptRequested",
        lambda view, item: bool_element("IsDeliveryReceiptRequested", item.delivery_receipt_requested),
        lambda view, item: item.delivery_receipt_requested,
    ),
    Field("message:ConversationIndex", "ConversationIndex", _conversation_index),
    Field(
        "message:ConversationTopic",
        "ConversationTopic",
        lambda view, item: text_element("ConversationTopic", bare_subject(item.subject)),
        lambda view, item: bare_subject(item.subject),
    ),
    Field(
        "message:From",
        "From",
        lambda view, item: single_recipient("From", item.from_),
        lambda view, item: (f"{item.from_.name} {item.from_.address}",) if item.from_ else None,
    ),
    Field(
        "message:InternetMessageId",
        "InternetMessageId",
        lambda view, item: text_element("InternetMessageId", item.internet_message_id),
        lambda view, item: item.internet_message_id,
    ),
    Field(
        "message:IsRead",
        "IsRead",
        lambda view, item: bool_element("IsRead", item.is_read),
        lambda view, item: item.is_read,
    ),
    Field(
        "message:IsResponseRequested",
        "IsResponseRequested",
        lambda view, item: bool_element(
            "IsResponseRequested", item.meeting is not None and item.meeting.response_requested
        ),
    ),
    Field(
        "message:References",
        "References",
        lambda view, item: text_element("References", item.references),
        lambda view, item: item.references,
    ),
    Field(
        "message:ReplyTo",
        "ReplyTo",
        lambda view, item: recipients("ReplyTo", item.reply_to),
        in_find=False,
    ),
    _received_by("ReceivedBy"),
    _received_by("ReceivedRepresenting"),
)
