"""The properties of messages that a caller may set."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from m365_emulator.ews import xml
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.fields.extended import read_property
from m365_emulator.ews.fields.values import FLAG_STATUS, reverse
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.writing.attachments import read_attachments
from m365_emulator.ews.writing.reader import (
    PropertyReader,
    Reader,
    Values,
    body,
    flag_of,
    ignored,
    people_of,
    single_person_of,
    strings,
    text_of,
    word_of,
)
from m365_emulator.world.mailbox import Flag, Message
from m365_emulator.world.mailbox.mime import from_mime

SENSITIVITY = {word.capitalize(): word for word in ("normal", "personal", "private", "confidential")}
IMPORTANCE = {word.capitalize(): word for word in ("low", "normal", "high")}


def _body(reader: Reader, node: Node) -> Values:
    return {"body": body(node)}


def _attachments(reader: Reader, node: Node) -> Values:
    return {"attachments": read_attachments(reader, node) or None}


def _categories(reader: Reader, node: Node) -> Values:
    return {"categories": strings(node)}


def _extended(reader: Reader, node: Node) -> Values:
    key, value = read_property(node)
    return {"properties": {key: value}}


def _flag(reader: Reader, node: Node) -> Values:
    status = (node.findtext(f"{xml.T}FlagStatus") or "").strip()
    words = reverse(FLAG_STATUS)
    if status not in words:
        raise ResponseError("ErrorInvalidArgument", f"'{status[:50]}' is not a flag status.")

    def moment(name: str):
        text = node.findtext(f"{xml.T}{name}")
        return reader.call.moment(text) if text else None

    flag = Flag(words[status], moment("StartDate"), moment("DueDate"), moment("CompleteDate"))
    if flag.status == "complete" and flag.completed_at is None:
        flag.completed_at = reader.mailbox.now()
    return {"flag": flag}


def _headers(reader: Reader, node: Node) -> Values:
    headers = tuple(
        (child.get("HeaderName") or "", child.text or "")
        for child in elements(node)
        if local_name(child) == "InternetMessageHeader"
    )
    return {"headers": headers}


def read_mime(reader: Reader, node: Node) -> Message:
    """Return the message in a ``t:MimeContent``.

    Raises:
        ResponseError: It is no base64, or no message.
    """
    try:
        raw = base64.b64decode("".join((node.text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResponseError(
            "ErrorMimeContentInvalidBase64String", "The MIME content is not valid base64."
        ) from error
    return from_mime(raw, reader.mailbox.rng, reader.mailbox.now())


COMMON: Mapping[str, PropertyReader] = {
    "ItemClass": text_of("item_class"),
    "Subject": text_of("subject"),
    "Sensitivity": word_of("sensitivity", SENSITIVITY),
    "Body": _body,
    "Attachments": _attachments,
    "Categories": _categories,
    "Importance": word_of("importance", IMPORTANCE),
    "ExtendedProperty": _extended,
    "Culture": ignored,
    "IsAssociated": ignored,
    "PolicyTag": ignored,
    "ArchiveTag": ignored,
    "RetentionDate": ignored,
    "ReminderDueBy": ignored,
}
"""What every kind of item can have set."""

MESSAGE: Mapping[str, PropertyReader] = {
    **COMMON,
    "InReplyTo": text_of("in_reply_to"),
    "InternetMessageHeaders": _headers,
    "ReminderIsSet": ignored,
    "ReminderMinutesBeforeStart": ignored,
    "Flag": _flag,
    "Sender": single_person_of("sender"),
    "ToRecipients": people_of("to"),
    "CcRecipients": people_of("cc"),
    "BccRecipients": people_of("bcc"),
    "IsReadReceiptRequested": flag_of("read_receipt_requested"),
    "IsDeliveryReceiptRequested": flag_of("delivery_receipt_requested"),
    "ConversationIndex": ignored,
    "ConversationTopic": ignored,
    "From": single_person_of("from_"),
    "InternetMessageId": text_of("internet_message_id"),
    "IsRead": flag_of("is_read"),
    "IsResponseRequested": ignored,
    "References": text_of("references"),
    "ReplyTo": people_of("reply_to"),
    "ReceivedBy": ignored,
    "ReceivedRepresenting": ignored,
}

FIXED_ONCE_SENT = frozenset(
    {"to", "cc", "bcc", "from_", "sender", "reply_to", "read_receipt_requested", "delivery_receipt_requested"}
)
"""Attributes that cannot be changed any more when the message is no draft."""

CLEARED: Values = {
    "subject": "",
    "in_reply_to": "",
    "references": "",
    "categories": (),
    "to": (),
    "cc": (),
    "bcc": (),
    "reply_to": (),
    "attachments": None,
    "flag": None,
    "headers": (),
    "importance": "normal",
    "sensitivity": "normal",
    "read_receipt_requested": False,
    "delivery_receipt_requested": False,
}
"""What DeleteItemField leaves behind."""
