"""What requests carry, as JSON schemas. Nothing here is required or closed: the emulator judges, not the description."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TRUTH: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
ANYTHING: Schema = {}
MOMENT: Schema = {"type": "string", "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": TEXT}


def choice(*values: str | None) -> Schema:
    """Return the schema of a value from a list."""
    return {"enum": list(values)}


def ref(name: str) -> Schema:
    """Return a reference to one of `COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def many(name: str) -> Schema:
    """Return the schema of a list of a component."""
    return {"type": "array", "items": ref(name)}


def thing(**members: Schema) -> Schema:
    """Return the schema of an object; names with a trailing underscore stand for the name without it."""
    return {"type": "object", "properties": {name.rstrip("_"): schema for name, schema in members.items()}}


DAYS = choice("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
COMPONENTS: dict[str, Schema] = {
    "itemBody": thing(contentType=choice("text", "html"), content=TEXT),
    "emailAddress": thing(name=TEXT, address=TEXT),
    "recipient": thing(emailAddress=ref("emailAddress")),
    "attendee": thing(emailAddress=ref("emailAddress"), type=choice("required", "optional", "resource")),
    "dateTimeTimeZone": thing(
        dateTime=choice("2026-11-24T09:00:00", "2027-03-28T02:30:00", "2026-11-31", ""),
        timeZone=choice("UTC", "Europe/London", "W. Europe Standard Time", "Nowhere"),
    ),
    "location": thing(displayName=TEXT, locationEmailAddress=TEXT, address=ANYTHING, coordinates=ANYTHING),
    "followupFlag": thing(
        flagStatus=choice("notFlagged", "complete", "flagged"),
        startDateTime=ref("dateTimeTimeZone"),
        dueDateTime=ref("dateTimeTimeZone"),
    ),
    "extendedProperty": thing(id=choice("String 0x1035", "Integer {…} Name x", ""), value=ANYTHING),
    "attachment": {
        "type": "object",
        "properties": {
            "@odata.type": choice("#microsoft.graph.fileAttachment", "#microsoft.graph.itemAttachment"),
            "name": TEXT,
            "contentType": TEXT,
            "contentBytes": choice("aGVsbG8=", "?", ""),
            "isInline": TRUTH,
            "contentId": TEXT,
            "item": ANYTHING,
        },
    },
    "recurrence": thing(
        pattern=thing(
            type=choice(
                "daily",
                "weekly",
                "absoluteMonthly",
                "relativeMonthly",
                "absoluteYearly",
                "relativeYearly",
            ),
            interval=WHOLE,
            daysOfWeek={"type": "array", "items": DAYS},
            dayOfMonth=WHOLE,
            month=WHOLE,
            index=choice("first", "second", "third", "fourth", "last"),
            firstDayOfWeek=DAYS,
        ),
        range=thing(
            type=choice("endDate", "noEnd", "numbered"),
            startDate={"type": "string", "format": "date"},
            endDate={"type": "string", "format": "date"},
            numberOfOccurrences=WHOLE,
            recurrenceTimeZone=TEXT,
        ),
    ),
    "message": thing(
        subject=TEXT,
        body=ref("itemBody"),
        from_=ref("recipient"),
        sender=ref("recipient"),
        toRecipients=many("recipient"),
        ccRecipients=many("recipient"),
        bccRecipients=many("recipient"),
        replyTo=many("recipient"),
        importance=choice("low", "normal", "high"),
        isRead=TRUTH,
        isReadReceiptRequested=TRUTH,
        inferenceClassification=choice("focused", "other"),
        categories=TEXTS,
        flag=ref("followupFlag"),
        internetMessageId=TEXT,
        internetMessageHeaders={"type": "array", "items": thing(name=TEXT, value=TEXT)},
        attachments=many("attachment"),
        singleValueExtendedProperties=many("extendedProperty"),
        multiValueExtendedProperties=many("extendedProperty"),
    ),
    "event": thing(
        subject=TEXT,
        body=ref("itemBody"),
        start=ref("dateTimeTimeZone"),
        end=ref("dateTimeTimeZone"),
        isAllDay=TRUTH,
        location=ref("location"),
        locations=many("location"),
        attendees=many("attendee"),
        recurrence=ref("recurrence"),
        importance=choice("low", "normal", "high"),
        sensitivity=choice("normal", "personal", "private", "confidential"),
        showAs=choice("free", "tentative", "busy", "oof", "workingElsewhere", "unknown"),
        isReminderOn=TRUTH,
        reminderMinutesBeforeStart=WHOLE,
        responseRequested=TRUTH,
        allowNewTimeProposals=TRUTH,
        hideAttendees=TRUTH,
        isOnlineMeeting=TRUTH,
        onlineMeetingProvider=choice("unknown", "teamsForBusiness"),
        categories=TEXTS,
        transactionId=TEXT,
        attachments=many("attachment"),
        singleValueExtendedProperties=many("extendedProperty"),
    ),
    "timeSlot": thing(start=ref("dateTimeTimeZone"), end=ref("dateTimeTimeZone")),
    "automaticReplies": thing(
        status=choice("disabled", "alwaysEnabled", "scheduled"),
        externalAudience=choice("none", "contactsOnly", "all"),
        internalReplyMessage=TEXT,
        externalReplyMessage=TEXT,
        scheduledStartDateTime=ref("dateTimeTimeZone"),
        scheduledEndDateTime=ref("dateTimeTimeZone"),
    ),
}
