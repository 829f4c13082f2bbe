"""Messages as Graph writes them."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from m365_emulator.graph.call import Call
from m365_emulator.world.mailbox import Body, Message
from m365_emulator.world.mailbox.bodies import preview, to_html, to_text, without_scripts
from m365_emulator.world.mailbox.mime import headers_of

from .fields import Field, Shape
from .recurrence import recurrence_json
from .values import moment, moment_in_zone, recipient, recipients

MEETING_TYPES = {
    "request": "meetingRequest",
    "cancellation": "meetingCancelled",
    "accepted": "meetingAccepted",
    "tentative": "meetingTenativelyAccepted",  # spelled so in Microsoft's metadata
    "declined": "meetingDeclined",
}
RESPONSE_TYPES = {"accepted": "accepted", "tentative": "tentativelyAccepted", "declined": "declined"}


def body_json(call: Call, body: Body) -> dict[str, str]:
    """Return a body in the kind the caller prefers: HTML unless it asks for text, or the body is text."""
    wanted = call.preferences.body_type
    if wanted == "text":
        return {"contentType": "text", "content": to_text(body)}
    if body.is_html or wanted == "html":
        content = to_html(body)
        if not call.preferences.allow_unsafe_html:
            content = without_scripts(content)
        return {"contentType": "html", "content": content}
    return {"contentType": "text", "content": body.content}


def _flag(call: Call, message: Message) -> dict[str, Any]:
    flag = message.flag
    if flag is None:
        return {"flagStatus": "notFlagged"}
    found: dict[str, Any] = {"flagStatus": flag.status}
    for name, at in (
        ("startDateTime", flag.start_at),
        ("dueDateTime", flag.due_at),
        ("completedDateTime", flag.completed_at),
    ):
        if at is not None:
            found[name] = moment_in_zone(at, call.preferences.time_zone or "UTC")
    return found


def _web_link(call: Call, message: Message) -> str:
    item_id = quote(call.mailbox.ids.rest_id(message.folder.number, message.entry), safe="")
    return f"https://outlook.office365.com/owa/?ItemID={item_id}&exvsurl=1&viewmodel=ReadMessageItem"


FIELDS: dict[str, Field] = {
    "id": lambda call, m: call.id_of(m),
    "createdDateTime": lambda call, m: moment(m.created_at),
    "lastModifiedDateTime": lambda call, m: moment(m.modified_at),
    "changeKey": lambda call, m: call.mailbox.change_key_of(m),
    "categories": lambda call, m: list(m.categories),
    "receivedDateTime": lambda call, m: moment(m.received_at),
    "sentDateTime": lambda call, m: moment(m.sent_at),
    "hasAttachments": lambda call, m: m.has_attachments,
    "internetMessageId": lambda call, m: m.internet_message_id or None,
    "internetMessageHeaders": lambda call, m: [
        {"name": name, "value": value} for name, value in headers_of(m)
    ],
    "subject": lambda call, m: m.subject,
    "bodyPreview": lambda call, m: preview(m.body),
    "importance": lambda call, m: m.importance,
    "parentFolderId": lambda call, m: call.mailbox.ids.folder_rest_id(m.folder.number),
    "conversationId": lambda call, m: call.mailbox.ids.conversation_rest_id(m.conversation),
    "conversationIndex": lambda call, m: base64.b64encode(m.conversation_index).decode(),
    "isDeliveryReceiptRequested": lambda call, m: m.delivery_receipt_requested,
    "isReadReceiptRequested": lambda call, m: m.read_receipt_requested,
    "isRead": lambda call, m: m.is_read,
    "isDraft": lambda call, m: m.is_draft,
    "webLink": _web_link,
    "inferenceClassification": lambda call, m: m.inference,
    "body": lambda call, m: body_json(call, m.body),
    "uniqueBody": lambda call, m: body_json(call, m.body),
    "sender": lambda call, m: recipient(m.sender),
    "from": lambda call, m: recipient(m.from_),
    "toRecipients": lambda call, m: recipients(m.to),
    "ccRecipients": lambda call, m: recipients(m.cc),
    "bccRecipients": lambda call, m: recipients(m.bcc),
    "replyTo": lambda call, m: recipients(m.reply_to),
    "flag": _flag,
}
"""In the order of real answers. Source: Graph message resource, v1.0 metadata."""

MEETING_FIELDS = (
    "meetingMessageType",
    "type",
    "isOutOfDate",
    "isAllDay",
    "isDelegated",
    "startDateTime",
    "endDateTime",
    "location",
    "recurrence",
    "responseRequested",
    "allowNewTimeProposals",
    "meetingRequestType",
    "previousLocation",
    "previousStartDateTime",
    "previousEndDateTime",
    "responseType",
    "proposedNewTime",
)

MESSAGE = Shape(
    "microsoft.graph.message",
    FIELDS,
    on_request=("internetMessageHeaders", "uniqueBody"),
    content=("body", "bodyPreview", "uniqueBody", "internetMessageHeaders"),
    navigation=(
        "attachments",
        "extensions",
        "event",
        "singleValueExtendedProperties",
        "multiValueExtendedProperties",
        *MEETING_FIELDS,
    ),
)


def message_json(call: Call, message: Message, chosen: tuple[tuple[str, Field], ...]) -> dict[str, Any]:
    """Return a message with the chosen properties (of `MESSAGE.selection`)."""
    found: dict[str, Any] = {}
    if message.meeting is not None:
        found["@odata.type"] = _type_of(message)
    found["@odata.etag"] = f'W/"{call.mailbox.change_key_of(message)}"'
    for name, get in chosen:
        found[name] = get(call, message)
    if message.meeting is not None:
        found |= _meeting_json(call, message)
    return found


def _type_of(message: Message) -> str:
    kind = message.meeting.kind if message.meeting else ""
    if kind == "request":
        return "#microsoft.graph.eventMessageRequest"
    if kind in RESPONSE_TYPES:
        return "#microsoft.graph.eventMessageResponse"
    return "#microsoft.graph.eventMessage"


def _meeting_json(call: Call, message: Message) -> dict[str, Any]:
    meeting = message.meeting
    if meeting is None:
        return {}
    select = call.options.select
    if select is not None and not {name.lower() for name in select} & {
        name.lower() for name in MEETING_FIELDS
    }:
        return {"meetingMessageType": MEETING_TYPES[meeting.kind]} if "meetingMessageType" in select else {}
    zone = call.preferences.time_zone or "UTC"
    kind = "singleInstance"
    if meeting.original_start is not None:
        kind = "exception" if meeting.is_update else "occurrence"
    elif meeting.recurrence is not None:
        kind = "seriesMaster"
    found: dict[str, Any] = {
        "meetingMessageType": MEETING_TYPES[meeting.kind],
        "type": kind,
        "isOutOfDate": meeting.is_out_of_date,
        "isAllDay": meeting.is_all_day,
        "isDelegated": False,
        "startDateTime": moment_in_zone(meeting.start, zone),
        "endDateTime": moment_in_zone(meeting.end, zone),
        "location": {"displayName": meeting.location, "locationType": "default", "uniqueIdType": "unknown"},
        "recurrence": recurrence_json(meeting.recurrence),
    }
    if meeting.kind == "request":
        found |= {
            "responseRequested": meeting.response_requested,
            "allowNewTimeProposals": meeting.allow_new_time_proposals,
            "meetingRequestType": "fullUpdate" if meeting.is_update else "newMeetingRequest",
            "previousLocation": {"displayName": meeting.previous_location}
            if meeting.previous_location
            else None,
            "previousStartDateTime": moment_in_zone(meeting.previous_start, zone)
            if meeting.previous_start
            else None,
            "previousEndDateTime": moment_in_zone(meeting.previous_end, zone)
            if meeting.previous_end
            else None,
        }
    elif meeting.kind in RESPONSE_TYPES:
        found["responseType"] = RESPONSE_TYPES[meeting.kind]
        if meeting.proposed_start and meeting.proposed_end:
            found["proposedNewTime"] = {
                "start": moment_in_zone(meeting.proposed_start, zone),
                "end": moment_in_zone(meeting.proposed_end, zone),
            }
    return found
