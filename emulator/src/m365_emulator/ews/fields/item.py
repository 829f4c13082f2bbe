"""The ``item:`` fields, which every item has."""

from __future__ import annotations

import base64

from m365_emulator.ews import xml
from m365_emulator.ews.fields.registry import Field
from m365_emulator.ews.fields.values import (
    FLAG_STATUS,
    bool_element,
    display_names,
    is_set,
    moment,
    text_element,
    time_element,
)
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox.bodies import preview
from m365_emulator.world.mailbox.event import CalendarEvent
from m365_emulator.world.mailbox.item import Attachment, Body, Item, Recipient
from m365_emulator.world.mailbox.message import Message
from m365_emulator.world.mailbox.mime import headers_of

OWNER_RIGHTS = "".join(
    bool_element(name, True)
    for name in ("CreateAssociated", "CreateContents", "CreateHierarchy", "Delete", "Modify", "Read")
) + bool_element("ViewPrivateItems", True)


def body_element(name: str, body: Body, wanted: str, convert_to: str | None = None) -> str:
    """Return a body element; ``wanted`` is Best, HTML or Text, ``convert_to`` overrides it."""
    kind = convert_to or wanted
    if kind == "Best":
        kind = "HTML" if body.is_html else "Text"
    content = View.body_text(body, as_html=kind == "HTML")
    return f'<t:{name} BodyType="{kind}" IsTruncated="false">{xml.text(content)}</t:{name}>'


def received_at(item: Item) -> str:
    """Return when the item arrived; things that never travelled arrived when they were made."""
    stamp = item.received_at if isinstance(item, Message) and is_set(item.received_at) else item.created_at
    return moment(stamp)


def sent_at(item: Item) -> str:
    """Return when the item was sent, or made if it was not."""
    stamp = item.sent_at if isinstance(item, Message) and is_set(item.sent_at) else item.created_at
    return moment(stamp)


def attachment_element(view: View, item: Item, part: Attachment, *, content: str = "") -> str:
    """Return one attachment's description; ``content`` is what GetAttachment adds at the end."""
    kind = "ItemAttachment" if part.item is not None else "FileAttachment"
    if part.source_url is not None:
        kind = "ReferenceAttachment"
    inner = xml.element("t:AttachmentId", "", {"Id": view.attachment_id(item, part)})
    inner += text_element("Name", part.name) + text_element("ContentType", part.content_type)
    inner += text_element("ContentId", part.content_id or "") + text_element(
        "ContentLocation", part.content_location or ""
    )
    inner += f"<t:Size>{part.size}</t:Size>{time_element('LastModifiedTime', part.modified_at)}"
    inner += bool_element("IsInline", part.is_inline)
    if kind == "FileAttachment":
        inner += bool_element("IsContactPhoto", False)
    if kind == "ReferenceAttachment":
        inner += text_element("AttachLongPathName", part.source_url or "")
    return f"<t:{kind}>{inner}{content}</t:{kind}>"


def _attachments(view: View, item: Item) -> str:
    inner = "".join(attachment_element(view, item, part) for part in item.attachments or ())
    return f"<t:Attachments>{inner}</t:Attachments>" if inner else ""


def _categories(view: View, item: Item) -> str:
    inner = "".join(f"<t:String>{xml.text(name)}</t:String>" for name in item.categories)
    return f"<t:Categories>{inner}</t:Categories>" if inner else ""


def _headers(view: View, item: Item) -> str:
    if not isinstance(item, Message) or item.is_draft:
        return ""
    inner = "".join(
        xml.leaf("t:InternetMessageHeader", value, {"HeaderName": name}) for name, value in headers_of(item)
    )
    return f"<t:InternetMessageHeaders>{inner}</t:InternetMessageHeaders>"


def _flag(view: View, item: Item) -> str:
    flag = item.flag if isinstance(item, Message) else None
    if flag is None:
        return "<t:Flag><t:FlagStatus>NotFlagged</t:FlagStatus></t:Flag>"
    return (
        f"<t:Flag><t:FlagStatus>{FLAG_STATUS.get(flag.status, 'NotFlagged')}</t:FlagStatus>"
        f"{time_element('StartDate', flag.start_at)}{time_element('DueDate', flag.due_at)}"
        f"{time_element('CompleteDate', flag.completed_at)}</t:Flag>"
    )


def _response_objects(view: View, item: Item) -> str:
    if isinstance(item, CalendarEvent):
        names = _calendar_responses(item)
    elif isinstance(item, Message) and item.meeting is not None and item.meeting.kind == "request":
        names = [
            "AcceptItem",
            "TentativelyAcceptItem",
            "DeclineItem",
            "ReplyToItem",
            "ReplyAllToItem",
            "ForwardItem",
        ]
    elif isinstance(item, Message) and item.is_draft:
        names = ["ForwardItem"]
    else:
        names = ["ReplyToItem", "ReplyAllToItem", "ForwardItem"]
    inner = "".join(f"<t:{name}/>" for name in names)
    return f"<t:ResponseObjects>{inner}</t:ResponseObjects>"


def _calendar_responses(item: CalendarEvent) -> list[str]:
    if not item.is_meeting and item.is_organizer:
        return ["ForwardItem"]
    if item.is_organizer:
        return ["CancelCalendarItem", "ForwardItem"]
    return [
        "AcceptItem",
        "TentativelyAcceptItem",
        "DeclineItem",
        "ReplyToItem",
        "ReplyAllToItem",
        "ForwardItem",
    ]


def _people(item: Item, which: str) -> tuple[Recipient, ...]:
    if isinstance(item, Message):
        return item.to if which == "to" else item.cc
    if isinstance(item, CalendarEvent):
        kind = "required" if which == "to" else "optional"
        return tuple(person.recipient for person in item.attendees if person.kind == kind)
    return ()


def _from_me(view: View, item: Item) -> bool:
    sender = (
        item.from_
        if isinstance(item, Message)
        else item.organizer
        if isinstance(item, CalendarEvent)
        else None
    )
    return sender is not None and view.is_owner(sender.address)


def _reminder_due(view: View, item: Item) -> str:
    if not isinstance(item, CalendarEvent) or not item.is_reminder_on:
        return ""
    return time_element("ReminderDueBy", item.start)


def _reminder_set(view: View, item: Item) -> bool:
    return isinstance(item, CalendarEvent) and item.is_reminder_on


def _reminder_minutes(view: View, item: Item) -> int:
    return item.reminder_minutes if isinstance(item, CalendarEvent) else 0


def _conversation(view: View, item: Item) -> str:
    conversation = item.conversation if isinstance(item, Message) else b""
    if not conversation:
        return ""
    return xml.element("t:ConversationId", "", {"Id": view.mailbox.ids.conversation_ews_id(conversation)})


def _preview(view: View, item: Item) -> str:
    return text_element("Preview", preview(item.body))


def _web_link(view: View, item: Item) -> str:
    return text_element("WebClientReadFormQueryString", view.web_link(item))


def _entry_id(view: View, item: Item) -> str:
    raw = view.mailbox.ids.item_entry(item.folder.number, item.entry)
    return f"<t:StoreEntryId>{base64.b64encode(raw).decode('ascii')}</t:StoreEntryId>"


def _instance_key(view: View, item: Item) -> str:
    raw = item.identity.to_bytes(8, "big")
    return f"<t:InstanceKey>{base64.b64encode(raw).decode('ascii')}</t:InstanceKey>"


def _mime(view: View, item: Item) -> str:
    raw = view.mime(item)
    if raw is None:
        return ""
    return f'<t:MimeContent CharacterSet="UTF-8">{base64.b64encode(raw).decode("ascii")}</t:MimeContent>'


def _icon(view: View, item: Item) -> str:
    if isinstance(item, CalendarEvent):
        name = (
            "AppointmentRecur"
            if item.recurrence
            else "AppointmentMeet"
            if item.is_meeting
            else "AppointmentItem"
        )
    elif isinstance(item, Message):
        name = "MailRead" if item.is_read else "MailUnread"
    else:
        name = "Default"
    return f"<t:IconIndex>{name}</t:IconIndex>"


FIELDS: tuple[Field, ...] = (
    Field("item:MimeContent", "MimeContent", _mime, in_find=False),
    Field("item:ItemId", "ItemId", lambda view, item: view.item_id(item)),
    Field("item:ParentFolderId", "ParentFolderId", lambda view, item: view.parent_folder_id(item.folder)),
    Field(
        "item:ItemClass",
        "ItemClass",
        lambda view, item: text_element("ItemClass", item.item_class),
        lambda view, item: item.item_class,
    ),
    Field(
        "item:Subject",
        "Subject",
        lambda view, item: text_element("Subject", item.subject),
        lambda view, item: item.subject,
    ),
    Field(
        "item:Sensitivity",
        "Sensitivity",
        lambda view, item: f"<t:Sensitivity>{item.sensitivity.capitalize()}</t:Sensitivity>",
        lambda view, item: item.sensitivity.capitalize(),
    ),
    Field(
        "item:Body",
        "Body",
        lambda view, item: body_element("Body", item.body, view.body_type),
        lambda view, item: View.body_text(item.body, as_html=False),
        in_find=False,
    ),
    Field("item:Attachments", "Attachments", _attachments, in_find=False),
    Field(
        "item:DateTimeReceived",
        "DateTimeReceived",
        lambda view, item: f"<t:DateTimeReceived>{received_at(item)}</t:DateTimeReceived>",
        lambda view, item: received_at(item),
    ),
    Field(
        "item:Size",
        "Size",
        lambda view, item: f"<t:Size>{min(item.size, 2**31 - 1)}</t:Size>",
        lambda view, item: item.size,
    ),
    Field("item:Categories", "Categories", _categories, lambda view, item: item.categories),
    Field(
        "item:Importance",
        "Importance",
        lambda view, item: f"<t:Importance>{item.importance.capitalize()}</t:Importance>",
        lambda view, item: item.importance.capitalize(),
    ),
    Field(
        "item:InReplyTo",
        "InReplyTo",
        lambda view, item: text_element("InReplyTo", item.in_reply_to) if isinstance(item, Message) else "",
        lambda view, item: item.in_reply_to if isinstance(item, Message) else None,
    ),
    Field(
        "item:IsSubmitted",
        "IsSubmitted",
        lambda view, item: bool_element("IsSubmitted", item.folder.well_known == "outbox"),
        lambda view, item: item.folder.well_known == "outbox",
    ),
    Field(
        "item:IsDraft",
        "IsDraft",
        lambda view, item: bool_element("IsDraft", isinstance(item, Message) and item.is_draft),
        lambda view, item: isinstance(item, Message) and item.is_draft,
    ),
    Field(
        "item:IsFromMe",
        "IsFromMe",
        lambda view, item: bool_element("IsFromMe", _from_me(view, item)),
        _from_me,
    ),
    Field("item:IsResend", "IsResend", lambda view, item: bool_element("IsResend", False)),
    Field(
        "item:IsUnmodified",
        "IsUnmodified",
        lambda view, item: bool_element("IsUnmodified", item.created_at == item.modified_at),
    ),
    Field("item:InternetMessageHeaders", "InternetMessageHeaders", _headers, in_find=False),
    Field(
        "item:DateTimeSent",
        "DateTimeSent",
        lambda view, item: f"<t:DateTimeSent>{sent_at(item)}</t:DateTimeSent>",
        lambda view, item: sent_at(item),
    ),
    Field(
        "item:DateTimeCreated",
        "DateTimeCreated",
        lambda view, item: time_element("DateTimeCreated", item.created_at),
        lambda view, item: moment(item.created_at),
    ),
    Field("item:ResponseObjects", "ResponseObjects", _response_objects, in_find=False),
    Field("item:ReminderDueBy", "ReminderDueBy", _reminder_due),
    Field(
        "item:ReminderIsSet",
        "ReminderIsSet",
        lambda view, item: bool_element("ReminderIsSet", _reminder_set(view, item)),
        _reminder_set,
    ),
    Field(
        "item:ReminderMinutesBeforeStart",
        "ReminderMinutesBeforeStart",
        lambda view, item: (
            f"<t:ReminderMinutesBeforeStart>{_reminder_minutes(view, item)}</t:ReminderMinutesBeforeStart>"
        ),
        _reminder_minutes,
    ),
    Field(
        "item:DisplayCc",
        "DisplayCc",
        lambda view, item: text_element("DisplayCc", display_names(_people(item, "cc"))),
        lambda view, item: display_names(_people(item, "cc")),
    ),
    Field(
        "item:DisplayTo",
        "DisplayTo",
        lambda view, item: text_element("DisplayTo", display_names(_people(item, "to"))),
        lambda view, item: display_names(_people(item, "to")),
    ),
    Field(
        "item:HasAttachments",
        "HasAttachments",
        lambda view, item: bool_element("HasAttachments", item.has_attachments),
        lambda view, item: item.has_attachments,
    ),
    Field("item:Culture", "Culture", lambda view, item: f"<t:Culture>{xml.text(view.culture)}</t:Culture>"),
    Field(
        "item:EffectiveRights",
        "EffectiveRights",
        lambda view, item: f"<t:EffectiveRights>{OWNER_RIGHTS}</t:EffectiveRights>",
    ),
    Field(
        "item:LastModifiedName",
        "LastModifiedName",
        lambda view, item: text_element("LastModifiedName", view.owner_name),
        lambda view, item: view.owner_name,
    ),
    Field(
        "item:LastModifiedTime",
        "LastModifiedTime",
        lambda view, item: time_element("LastModifiedTime", item.modified_at),
        lambda view, item: moment(item.modified_at),
    ),
    Field(
        "item:IsAssociated",
        "IsAssociated",
        lambda view, item: bool_element("IsAssociated", False),
        lambda view, item: False,
    ),
    Field("item:WebClientReadFormQueryString", "WebClientReadFormQueryString", _web_link),
    Field("item:ConversationId", "ConversationId", _conversation),
    Field(
        "item:UniqueBody",
        "UniqueBody",
        lambda view, item: body_element("UniqueBody", item.body, view.body_type),
        in_find=False,
    ),
    Field("item:Flag", "Flag", _flag),
    Field("item:StoreEntryId", "StoreEntryId", _entry_id),
    Field("item:InstanceKey", "InstanceKey", _instance_key),
    Field(
        "item:NormalizedBody",
        "NormalizedBody",
        lambda view, item: body_element("NormalizedBody", item.body, "HTML"),
        in_find=False,
    ),
    Field("item:Preview", "Preview", _preview),
    Field(
        "item:TextBody",
        "TextBody",
        lambda view, item: body_element("TextBody", item.body, "Text"),
        in_find=False,
    ),
    Field("item:IconIndex", "IconIndex", _icon),
)
