"""Messages out of JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from m365_emulator.graph.errors import GraphError, bad_request
from m365_emulator.world.mailbox import Attachment, Body, Flag, Mailbox, Message, PropertyKey
from m365_emulator.world.mailbox.item import PropertyValue

from .values import (
    choice_of,
    list_of,
    member,
    object_of,
    recipient_of,
    recipients_of,
    text_of,
    truth_of,
    wrong_type,
    zoned_moment_of,
)

IMPORTANCE = ("low", "normal", "high")
MAX_INLINE_ATTACHMENT_BYTES = 3 * 1024 * 1024
"""Source: Graph, add attachment: up to 3 MB in one request."""
_READ_ONLY = frozenset(
    {
        "id", "createddatetime", "lastmodifieddatetime", "changekey", "bodypreview", "conversationid", "conversationindex",
        "hasattachments", "parentfolderid", "weblink", "isdraft", "uniquebody", "receiveddatetime", "sentdatetime",
        "meetingmessagetype",
    }
)  # fmt: skip
DRAFT_ONLY = frozenset(
    {"subject", "body", "from_", "sender", "to", "cc", "bcc", "reply_to", "internet_message_id"}
)
"""What cannot be changed on a message that is no draft. Source: Graph message resource, "updatable only if isDraft"."""


def body_of(value: Any, name: str = "body") -> Body:
    """Return a body."""
    found = object_of(value, name)
    kind = choice_of(member(found, "contentType") or "text", f"{name}/contentType", ("text", "html"))
    return Body(
        text_of(member(found, "content"), f"{name}/content", limit=40_000_000), is_html=kind == "html"
    )


def categories_of(value: Any, name: str = "categories") -> tuple[str, ...]:
    """Return categories, without repeats."""
    return tuple(dict.fromkeys(text_of(one, name, limit=255) for one in list_of(value, name)))


def _flag_of(value: Any) -> Flag | None:
    found = object_of(value, "flag")
    status = choice_of(
        member(found, "flagStatus") or "notFlagged", "flag/flagStatus", ("notFlagged", "complete", "flagged")
    )
    if status == "notFlagged":
        return None
    times = {
        name: zoned_moment_of(given, f"flag/{key}")[0]
        for key, name in (
            ("startDateTime", "start_at"),
            ("dueDateTime", "due_at"),
            ("completedDateTime", "completed_at"),
        )
        if (given := member(found, key)) is not None
    }
    if "start_at" in times and "due_at" not in times:
        raise GraphError(400, "ErrorInvalidRequest", "A flag with a start date needs a due date.")
    return Flag(status, **times)


def _headers_of(value: Any) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for one in list_of(value, "internetMessageHeaders"):
        header = object_of(one, "internetMessageHeaders")
        name = text_of(member(header, "name"), "internetMessageHeaders/name", limit=200)
        if (
            not name.lower().startswith("x-")
            or len(name) < 3
            or not all(33 <= ord(c) <= 126 and c != ":" for c in name)
        ):
            raise GraphError(
                400,
                "InvalidInternetMessageHeader",
                f"The internet message header name '{name}' should start with 'x-' or 'X-'.",
            )
        found.append((name, text_of(member(header, "value"), "internetMessageHeaders/value", limit=30_000)))
    if len(found) > 5:
        raise GraphError(
            400,
            "InvalidInternetMessageHeaderCollection",
            "Maximum number of headers in one message should be less than or equal to 5.",
        )
    return tuple(found)


def properties_of(value: Any, name: str) -> dict[PropertyKey, PropertyValue]:
    """Return extended properties; raises InvalidContent for ids that cannot be read."""
    found: dict[PropertyKey, PropertyValue] = {}
    for one in list_of(value, name):
        entry = object_of(one, name)
        key = PropertyKey.from_graph(text_of(member(entry, "id"), f"{name}/id", limit=500))
        given = member(entry, "value")
        if isinstance(given, list):
            found[key] = [text_of(part, f"{name}/value") for part in given]
        elif given is None or isinstance(given, str):
            found[key] = given or ""
        else:
            found[key] = str(given).lower() if isinstance(given, bool) else str(given)
    return found


_PEOPLE = {"torecipients": "to", "ccrecipients": "cc", "bccrecipients": "bcc", "replyto": "reply_to"}
_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "subject": ("subject", lambda value: text_of(value, "subject", limit=100_000)),
    "body": ("body", body_of),
    "importance": ("importance", lambda value: choice_of(value, "importance", IMPORTANCE)),
    "isread": ("is_read", lambda value: truth_of(value, "isRead")),
    "isreadreceiptrequested": (
        "read_receipt_requested",
        lambda value: truth_of(value, "isReadReceiptRequested"),
    ),
    "isdeliveryreceiptrequested": (
        "delivery_receipt_requested",
        lambda value: truth_of(value, "isDeliveryReceiptRequested"),
    ),
    "categories": ("categories", categories_of),
    "inferenceclassification": (
        "inference",
        lambda value: choice_of(value, "inferenceClassification", ("focused", "other")),
    ),
    "flag": ("flag", _flag_of),
    "from": ("from_", lambda value: recipient_of(value, "from") if value is not None else None),
    "sender": ("sender", lambda value: recipient_of(value, "sender") if value is not None else None),
    "internetmessageid": (
        "internet_message_id",
        lambda value: text_of(value, "internetMessageId", limit=1000),
    ),
    "internetmessageheaders": ("headers", _headers_of),
}


def read_message(body: dict[str, Any]) -> dict[str, Any]:
    """Return attribute names and values of a message in JSON; attachments and extended properties among them.

    Raises:
        GraphError: A property is unknown or its value is not acceptable.
    """
    values: dict[str, Any] = {}
    properties: dict[PropertyKey, PropertyValue] = {}
    for key, value in body.items():
        name = key.lower()
        if name.startswith("@") or "@odata." in name or name in _READ_ONLY:
            continue
        if name in _PEOPLE:
            values[_PEOPLE[name]] = recipients_of(value, key)
        elif name in _READERS:
            attribute, read = _READERS[name]
            values[attribute] = read(value)
        elif name in ("singlevalueextendedproperties", "multivalueextendedproperties"):
            properties |= properties_of(value, key)
        elif name == "attachments":
            values["attachments"] = list_of(value, key)
        elif name == "extensions":
            values["extensions"] = extensions_of(value)
        else:
            raise bad_request(
                f"The property '{key[:80]}' does not exist on type 'Microsoft.OutlookServices.Message'. Make sure to only "
                "use property names that are defined by the type.",
                "RequestBodyRead",
            )
    if properties:
        values["properties"] = properties
    return values


def extensions_of(value: Any) -> dict[str, dict[str, object]]:
    """Return open extensions by name."""
    found: dict[str, dict[str, object]] = {}
    for one in list_of(value, "extensions"):
        entry = object_of(one, "extensions")
        name = text_of(member(entry, "extensionName"), "extensions/extensionName", limit=255)
        if not name:
            raise bad_request("An open extension needs an extensionName.", "RequestBodyRead")
        found[name] = {
            key: part
            for key, part in entry.items()
            if not key.startswith("@") and key.lower() not in ("extensionname", "id")
        }
    return found


def build_message(mailbox: Mailbox, body: dict[str, Any]) -> Message:
    """Return an unsaved message made of JSON."""
    values = read_message(body)
    attachments = values.pop("attachments", None)
    message = Message(**values)
    if attachments:
        message.attachments = [build_attachment(mailbox, one) for one in attachments]
    return message


def build_attachment(mailbox: Mailbox, value: Any, *, limit: int | None = None) -> Attachment:
    """Return an unsaved attachment made of JSON.

    Raises:
        GraphError: No type, no name, broken base64, or larger than `limit` bytes.
    """
    found = object_of(value, "attachment")
    kind = text_of(member(found, "@odata.type"), "@odata.type", limit=100).removeprefix("#").lower()
    name = text_of(member(found, "name"), "name", limit=255)
    if not kind:
        raise bad_request(
            "The type of the attachment is missing: '@odata.type' is required.", "ErrorInvalidRequest"
        )
    if not name and kind != "microsoft.graph.itemattachment":
        raise GraphError(400, "ErrorRequiredPropertyMissing", "Required property is missing: name.")
    content_type = text_of(member(found, "contentType"), "contentType", limit=255)
    attachment = Attachment(mailbox.random_key(), name, content_type, b"", mailbox.now())
    inline = member(found, "isInline")
    attachment.is_inline = truth_of(inline, "isInline") if inline is not None else False
    match kind:
        case "microsoft.graph.fileattachment":
            attachment.content = _bytes_of(member(found, "contentBytes"))
            attachment.content_type = content_type or "application/octet-stream"
            attachment.content_id = text_of(member(found, "contentId"), "contentId", limit=255) or None
            attachment.content_location = (
                text_of(member(found, "contentLocation"), "contentLocation", limit=2000) or None
            )
            if limit is not None and len(attachment.content) > limit:
                raise GraphError(413, "RequestEntityTooLarge", "The attachment is too large for one request.")
        case "microsoft.graph.itemattachment":
            item = _item_of(mailbox, member(found, "item"))
            attachment.item = item
            attachment.name = name or item.subject
        case "microsoft.graph.referenceattachment":
            attachment.source_url = text_of(member(found, "sourceUrl"), "sourceUrl", limit=4000)
        case _:
            raise bad_request(f"'{kind[:80]}' is no type of attachment.", "ErrorInvalidRequest")
    return attachment


def _item_of(mailbox: Mailbox, value: Any) -> Any:
    from .events import build_event

    found = object_of(value, "item")
    kind = text_of(member(found, "@odata.type"), "item/@odata.type", limit=100).removeprefix("#").lower()
    if kind == "microsoft.graph.event":
        item: Any = build_event(mailbox, found)
    elif kind in ("microsoft.graph.message", ""):
        item = build_message(mailbox, found)
    else:
        raise bad_request(f"An item of type '{kind[:80]}' cannot be attached.", "ErrorInvalidRequest")
    item.created_at = item.modified_at = mailbox.now()
    return item


def _bytes_of(value: Any) -> bytes:
    if value is None:
        raise GraphError(400, "ErrorRequiredPropertyMissing", "Required property is missing: contentBytes.")
    if not isinstance(value, str):
        raise wrong_type("contentBytes")
    try:
        return base64.b64decode(value.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise GraphError(
            400,
            "UnableToDeserializePostBody",
            "Cannot convert the literal to the expected type 'Edm.Binary'.",
        ) from error


_URL_SAFE = str.maketrans("-_", "+/", "\r\n")
