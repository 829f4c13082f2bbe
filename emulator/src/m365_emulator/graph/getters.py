"""What lists of messages, events and folders can be filtered and ordered by."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.mailbox import Item
from m365_emulator.world.mailbox.properties import all_properties

from .call import Call
from .odata.filters import Getter
from .odata.listing import Listing
from .shapes.messages import MEETING_FIELDS


def _address(name: str) -> Getter:
    return lambda item: getattr(getattr(item, name), "address", None)


def _name(name: str) -> Getter:
    return lambda item: getattr(getattr(item, name), "name", None)


def _properties(item: Item) -> list[tuple[str, Any]]:
    return [(key.to_graph(), value) for key, value in all_properties(item).items()]


def message_listing(call: Call) -> Listing:
    """Return how messages are listed for a call (ids compare with those the caller sees)."""
    ids = call.mailbox.ids
    getters: dict[str, Getter] = {
        "id": call.id_of,
        "createddatetime": lambda m: m.created_at,
        "lastmodifieddatetime": lambda m: m.modified_at,
        "receiveddatetime": lambda m: m.received_at,
        "sentdatetime": lambda m: m.sent_at,
        "hasattachments": lambda m: m.has_attachments,
        "internetmessageid": lambda m: m.internet_message_id,
        "subject": lambda m: m.subject,
        "body/content": lambda m: m.body.content,
        "bodypreview": lambda m: m.body.content,
        "importance": lambda m: m.importance,
        "parentfolderid": lambda m: ids.folder_rest_id(m.folder.number),
        "conversationid": lambda m: ids.conversation_rest_id(m.conversation),
        "isdeliveryreceiptrequested": lambda m: m.delivery_receipt_requested,
        "isreadreceiptrequested": lambda m: m.read_receipt_requested,
        "isread": lambda m: m.is_read,
        "isdraft": lambda m: m.is_draft,
        "inferenceclassification": lambda m: m.inference,
        "from/emailaddress/address": _address("from_"),
        "from/emailaddress/name": _name("from_"),
        "sender/emailaddress/address": _address("sender"),
        "sender/emailaddress/name": _name("sender"),
        "flag/flagstatus": lambda m: m.flag.status if m.flag else "notFlagged",
        "categories": lambda m: m.categories,
        "singlevalueextendedproperties": _properties,
        "multivalueextendedproperties": _properties,
        "microsoft.graph.eventmessage/meetingmessagetype": lambda m: m.meeting.kind if m.meeting else "none",
    }
    hidden = (
        "torecipients",
        "ccrecipients",
        "bccrecipients",
        "replyto",
        "body",
        "from",
        "sender",
        "flag",
        "webLink",
    )
    for name in (
        *hidden,
        "changekey",
        "conversationindex",
        "uniquebody",
        "internetmessageheaders",
        *MEETING_FIELDS,
    ):
        getters.setdefault(f"!{name.lower()}", _nothing)
    return Listing("Microsoft.OutlookServices.Message", getters, sorted_by=("receivedDateTime", True))


def event_listing(call: Call) -> Listing:
    """Return how events are listed for a call."""
    getters: dict[str, Getter] = {
        "id": call.id_of,
        "createddatetime": lambda e: e.created_at,
        "lastmodifieddatetime": lambda e: e.modified_at,
        "start/datetime": lambda e: e.start,
        "end/datetime": lambda e: e.end,
        "start": lambda e: e.start,
        "end": lambda e: e.end,
        "subject": lambda e: e.subject,
        "body/content": lambda e: e.body.content,
        "bodypreview": lambda e: e.body.content,
        "importance": lambda e: e.importance,
        "sensitivity": lambda e: e.sensitivity,
        "isallday": lambda e: e.is_all_day,
        "iscancelled": lambda e: e.is_cancelled,
        "isorganizer": lambda e: e.is_organizer,
        "showas": lambda e: e.show_as,
        "type": lambda e: e.kind,
        "hasattachments": lambda e: e.has_attachments,
        "isreminderon": lambda e: e.is_reminder_on,
        "reminderminutesbeforestart": lambda e: e.reminder_minutes,
        "location/displayname": lambda e: e.location,
        "organizer/emailaddress/address": _address("organizer"),
        "organizer/emailaddress/name": _name("organizer"),
        "icaluid": lambda e: e.uid,
        "uid": lambda e: e.uid,
        "transactionid": lambda e: e.transaction_id,
        "responsestatus/response": lambda e: e.response,
        "isonlinemeeting": lambda e: e.online_meeting is not None,
        "categories": lambda e: e.categories,
        "seriesmasterid": lambda e: call.id_of(e) if e.original_start else None,
        "singlevalueextendedproperties": _properties,
        "multivalueextendedproperties": _properties,
    }
    for name in (
        "attendees",
        "body",
        "organizer",
        "recurrence",
        "locations",
        "location",
        "changekey",
        "weblink",
    ):
        getters.setdefault(f"!{name}", _nothing)
    return Listing("Microsoft.OutlookServices.Event", getters)


def folder_listing(call: Call) -> Listing:
    """Return how mail folders are listed for a call."""
    ids = call.mailbox.ids
    getters: dict[str, Getter] = {
        "id": lambda f: ids.folder_rest_id(f.number),
        "displayname": lambda f: f.display_name,
        "parentfolderid": lambda f: ids.folder_rest_id(f.parent.number if f.parent else f.number),
        "childfoldercount": lambda f: f.child_count,
        "unreaditemcount": lambda f: f.unread_count,
        "totalitemcount": lambda f: f.total_count,
        "ishidden": lambda f: f.is_hidden,
    }
    return Listing("Microsoft.OutlookServices.MailFolder", getters)


def calendar_listing(call: Call) -> Listing:
    """Return how calendars are listed for a call."""
    ids = call.mailbox.ids
    getters: dict[str, Getter] = {
        "id": lambda f: ids.folder_rest_id(f.number),
        "name": lambda f: f.display_name,
        "isdefaultcalendar": lambda f: f.well_known == "calendar",
        "canedit": lambda f: True,
    }
    for name in ("color", "owner", "canshare", "changekey"):
        getters[f"!{name}"] = _nothing
    return Listing("Microsoft.OutlookServices.Calendar", getters)


def _nothing(item: Any) -> None:
    return None
