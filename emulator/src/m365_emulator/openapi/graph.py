"""Graph's operations, out of its table."""

from __future__ import annotations

import re
from typing import Any

from m365_emulator.graph import operation_table
from m365_emulator.graph.operations import MAILBOX
from m365_emulator.openapi.schemas import (
    ANYTHING,
    MOMENT,
    NUMBER,
    TEXT,
    TEXTS,
    TRUTH,
    WHOLE,
    Schema,
    choice,
    many,
    ref,
    thing,
)

_PLACE = re.compile(r"\{(\w+)\}")
_OPTIONS = ("$select", "$filter", "$orderby", "$top", "$skip", "$count", "$search", "$expand")
_WINDOW = ("startDateTime", "endDateTime")
_ANSWER = thing(comment=TEXT, sendResponse=TRUTH, proposedNewTime=ref("timeSlot"))
_REPLY = thing(comment=TEXT, message=ref("message"), toRecipients=many("recipient"))
_SETTINGS = thing(
    automaticRepliesSetting=ref("automaticReplies"),
    timeZone=TEXT,
    language=thing(locale=TEXT),
    workingHours=thing(daysOfWeek=TEXTS, startTime=TEXT, endTime=TEXT, timeZone=thing(name=TEXT)),
    dateFormat=TEXT,
    timeFormat=TEXT,
    delegateMeetingMessageDeliveryOptions=TEXT,
)
_NAMED = thing(displayName=TEXT, name=TEXT, color=TEXT, hexColor=TEXT, isHidden=TRUTH)
_RULE = thing(displayName=TEXT, sequence=WHOLE, isEnabled=TRUTH, conditions=ANYTHING, actions=ANYTHING)
_EXTENSION: Schema = {
    "type": "object",
    "properties": {"@odata.type": choice("microsoft.graph.openTypeExtension"), "extensionName": TEXT},
}
_BATCH = thing(
    requests={
        "type": "array",
        "items": thing(
            id=TEXT,
            method=choice("GET", "POST", "PATCH", "DELETE"),
            url=choice("/me/messages", "/me", "/nowhere", ""),
            headers=ANYTHING,
            body=ANYTHING,
            dependsOn=TEXTS,
        ),
    }
)
_BODIES: dict[str, Schema] = {
    "messages": ref("message"),
    "{message}": ref("message"),
    "events": ref("event"),
    "{event}": ref("event"),
    "mailFolders": _NAMED,
    "childFolders": _NAMED,
    "{folder}": _NAMED,
    "calendars": _NAMED,
    "{calendar}": _NAMED,
    "masterCategories": _NAMED,
    "{category}": _NAMED,
    "messageRules": _RULE,
    "{rule}": _RULE,
    "extensions": _EXTENSION,
    "{extension}": _EXTENSION,
    "attachments": ref("attachment"),
    "createUploadSession": thing(
        AttachmentItem=thing(
            attachmentType=choice("file", "item"),
            name=TEXT,
            size=WHOLE,
            contentType=TEXT,
            isInline=TRUTH,
            contentId=TEXT,
        )
    ),
    "move": thing(destinationId=TEXT),
    "copy": thing(destinationId=TEXT),
    "sendMail": thing(message=ref("message"), saveToSentItems=TRUTH),
    "accept": _ANSWER,
    "decline": _ANSWER,
    "tentativelyAccept": _ANSWER,
    "cancel": thing(comment=TEXT),
    "snoozeReminder": thing(newReminderTime=ref("dateTimeTimeZone")),
    "mailboxSettings": _SETTINGS,
    "translateExchangeIds": thing(
        inputIds=TEXTS,
        sourceIdType=choice("entryId", "ewsId", "immutableEntryId", "restId", "restImmutableEntryId"),
        targetIdType=choice("entryId", "ewsId", "immutableEntryId", "restId", "restImmutableEntryId"),
    ),
    "getSchedule": thing(
        schedules=TEXTS,
        startTime=ref("dateTimeTimeZone"),
        endTime=ref("dateTimeTimeZone"),
        availabilityViewInterval=WHOLE,
    ),
    "findMeetingTimes": thing(
        attendees=many("attendee"),
        timeConstraint=thing(
            activityDomain=choice("work", "personal", "unrestricted"), timeSlots=many("timeSlot")
        ),
        meetingDuration=choice("PT1H", "PT30M", "P400D", ""),
        maxCandidates=WHOLE,
        isOrganizerOptional=TRUTH,
        returnSuggestionReasons=TRUTH,
        minimumAttendeePercentage=NUMBER,
    ),
    "getMailTips": thing(EmailAddresses=TEXTS, MailTipsOptions=TEXT),
    "subscriptions": thing(
        changeType=choice("created", "updated", "deleted", "created,updated", "changed"),
        resource=choice("/me/messages", "me/mailFolders('inbox')/messages", "/me/events", "/me"),
        # Port 9 refuses, so that no description sends anybody's handshake anywhere.
        notificationUrl=choice("http://127.0.0.1:9/changes"),
        lifecycleNotificationUrl=choice("http://127.0.0.1:9/lifecycle"),
        expirationDateTime=MOMENT,
        clientState=TEXT,
        includeResourceData=TRUTH,
        encryptionCertificate=TEXT,
        encryptionCertificateId=TEXT,
        latestSupportedTlsVersion=TEXT,
    ),
    "{subscription}": thing(expirationDateTime=MOMENT),
    "servicePrincipals": thing(appId=TEXT),
    "{principal}": thing(accountEnabled=TRUTH, appRoleAssignmentRequired=TRUTH),
    "oauth2PermissionGrants": thing(
        clientId=TEXT,
        consentType=choice("AllPrincipals", "Principal"),
        principalId=TEXT,
        resourceId=TEXT,
        scope=TEXT,
    ),
    "{grant}": thing(scope=TEXT),
    "appRoleAssignments": thing(principalId=TEXT, resourceId=TEXT, appRoleId=TEXT),
    "$batch": _BATCH,
} | dict.fromkeys(("reply", "replyAll", "forward", "createReply", "createReplyAll", "createForward"), _REPLY)
"""The body of an operation by the last segment of its path."""


def paths() -> dict[str, Any]:
    """Return every operation below /v1.0; what is in a mailbox stands below /me and below /users/{user}."""
    found: dict[str, Any] = {}
    rows = [(row.method, row.template) for row in operation_table().all]
    for method, template in [*rows, ("POST", "/$batch")]:
        for path in _spellings(template):
            found.setdefault(f"/v1.0{path}", {})[method.lower()] = _operation(method, path)
    return found


def _spellings(template: str) -> list[str]:
    if not template.startswith(f"/{MAILBOX}"):
        return [template]
    rest = template.removeprefix(f"/{MAILBOX}")
    return [f"/me{rest}", f"/users/{{user}}{rest}"]


def _operation(method: str, path: str) -> dict[str, Any]:
    last = path.rpartition("/")[2]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PLACE.findall(path)
    ]
    if method == "GET":
        names = [*_OPTIONS, *(_WINDOW if last in ("calendarView", "instances", "delta") else ())]
        parameters += [{"name": name, "in": "query", "schema": TEXT} for name in names]
    else:
        parameters.append({"name": "If-Match", "in": "header", "schema": TEXT})
    parameters.append({"name": "Prefer", "in": "header", "schema": TEXT})
    found: dict[str, Any] = {
        "operationId": f"{method.lower()}{path}",
        "tags": ["graph"],
        "security": [{"bearer": []}],
        "parameters": parameters,
        "responses": {"default": {"description": "As Microsoft's metadata says, or an error of Graph."}},
    }
    body = _BODIES.get(last)
    if body is not None and method in ("POST", "PATCH", "PUT"):
        found["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return found
