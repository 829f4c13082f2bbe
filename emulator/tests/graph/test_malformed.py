"""Every operation, given rubbish: a documented error, never a failure of the server."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from graph_client import DANA, TOM, GraphClient

from m365_emulator.graph import operation_table

OPERATIONS = sorted({(row.method, row.template) for row in operation_table().all})
RUBBISH: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59Z",
    "é\u0000",
    "'",
    [],
    {},
    [None],
    ["x"],
    {"x": 1},
    [{}],
    {"emailAddress": None},
    {"emailAddress": {"address": 7}},
    {"dateTime": "9999-12-31T23:59:59", "timeZone": "UTC"},
    {"dateTime": "0001-01-01T00:00:00", "timeZone": "Line Islands Standard Time"},
    {"@odata.type": 5},
    "A" * 5000,
)
NAMES = (
    "subject",
    "body",
    "toRecipients",
    "from",
    "message",
    "comment",
    "destinationId",
    "displayName",
    "name",
    "start",
    "end",
    "recurrence",
    "attendees",
    "location",
    "locations",
    "isAllDay",
    "importance",
    "flag",
    "categories",
    "singleValueExtendedProperties",
    "multiValueExtendedProperties",
    "internetMessageHeaders",
    "attachments",
    "AttachmentItem",
    "schedules",
    "startTime",
    "endTime",
    "availabilityViewInterval",
    "meetingDuration",
    "timeConstraint",
    "inputIds",
    "sourceIdType",
    "targetIdType",
    "requests",
    "resource",
    "changeType",
    "notificationUrl",
    "expirationDateTime",
    "clientState",
    "conditions",
    "actions",
    "sequence",
    "isEnabled",
    "automaticRepliesSetting",
    "workingHours",
    "timeZone",
    "language",
    "extensionName",
    "contentBytes",
    "@odata.type",
    "item",
    "EmailAddresses",
    "MailTipsOptions",
    "proposedNewTime",
    "sendResponse",
    "newReminderTime",
    "isOnlineMeeting",
    "transactionId",
    "color",
    "hexColor",
    "isRead",
    "saveToSentItems",
    "displayName",
    "id",
    "includeResourceData",
)
QUERIES = (
    "",
    "$select=*",
    "$select=,,,",
    "$filter=",
    "$filter='",
    "$filter=a/b/c/any(x:x eq 1)",
    "$orderby=,",
    "$top=99999999999999999999",
    "$skip=999999999",
    "$expand=a(b(c",
    "$expand=attachments($filter=)",
    '$search=""',
    '$search="(((("',
    "$skiptoken=x",
    "$deltatoken=x",
    "startDateTime=9999-12-31T23:59:59Z&endDateTime=9999-12-31T23:59:59Z",
    "startDateTime=0001-01-01&endDateTime=0001-01-02",
    "$filter=receivedDateTime gt 9999-99-99T00:00:00Z",
    "%00=%00",
    "$count=true&$count=true",
    "&&&===",
    "$filter=%E2%80%A8",
)


def fill_in(template: str, rng: Random, client: GraphClient) -> str:
    """Return a path of a template; its places hold real ids, ids of the wrong kind, or rubbish."""
    mailbox = client.mailbox()
    mail, events = mailbox.all_mail(), list(mailbox.calendar.items.values())
    choices = {
        "message": mailbox.ids.rest_id(mail[0].folder.number, mail[0].entry),
        "event": mailbox.ids.rest_id(events[0].folder.number, events[0].entry),
        "folder": rng.choice(("inbox", "deleteditems", "drafts")),
        "calendar": "calendar",
    }
    parts: list[str] = []
    for part in template.strip("/").split("/"):
        if part == "{mailbox}":
            parts.append(rng.choice(("me", "me", f"users/{TOM}", "users/nobody@x.example")))
        elif part.startswith("{"):
            real = choices.get(part[1:-1], choices["message"])
            parts.append(
                real
                if rng.random() < 0.7
                else rng.choice((*choices.values(), "x", "AAMk", "%00", "('", real[:-4], real.swapcase()))
            )
        else:
            parts.append(part)
    return "/" + "/".join(parts)


def rubbish(rng: Random, depth: int = 0) -> Any:
    """Return an object whose members have the right names and the wrong values."""
    found: dict[str, Any] = {}
    for name in rng.sample(NAMES, k=rng.randint(0, 6)):
        nested = depth < 3 and rng.random() < 0.4
        value = rubbish(rng, depth + 1) if nested else rng.choice(RUBBISH)
        found[name] = [value] if nested and rng.random() < 0.5 else value
    return found


@pytest.mark.parametrize(("method", "template"), OPERATIONS, ids=lambda value: str(value))
def test_rubbish_is_answered_with_an_error_of_graph(client: GraphClient, method: str, template: str) -> None:
    rng = Random(f"{method} {template}")
    roles = [
        "Mail.ReadWrite",
        "Mail.Send",
        "Calendars.ReadWrite",
        "MailboxSettings.ReadWrite",
        "User.Read.All",
    ]
    tokens = [client.token(), client.token(), client.token(None, roles=roles)]
    kinds = (
        "application/json",
        "application/json",
        "text/plain",
        "text/xml",
        "",
        "application/json; charset=utf-16",
    )
    for _ in range(8):
        path = fill_in(template, rng, client)
        content: bytes | None = None
        headers = {
            "Prefer": rng.choice(
                (
                    "",
                    "IdType",
                    'outlook.timezone="x"',
                    "odata.maxpagesize=x",
                    ",,;;==",
                    'IdType="ImmutableId"',
                )
            )
        }
        if method in ("POST", "PATCH", "PUT"):
            content = rng.choice(
                (b"", b"{", b"null", b"[1]", b"\xff", *[json.dumps(rubbish(rng)).encode()] * 6)
            )
            headers["Content-Type"] = rng.choice(kinds)
        if rng.random() < 0.3:
            headers["If-Match"] = rng.choice(("*", "x", 'W/"x"', "", "é".encode().decode("latin-1")))
        query = rng.choice(QUERIES)
        url = f"/v1.0{path}?{query}" if query else f"/v1.0{path}"
        sent = {"Authorization": f"Bearer {rng.choice(tokens)}"} | headers
        response = client.http.request(
            method, url, content=content, headers={k: v.encode("latin-1") for k, v in sent.items()}
        )
        client.check("/", response)


def test_mailbox_is_whole_after_rubbish(client: GraphClient) -> None:
    rng = Random(1)
    for method, template in OPERATIONS:
        if method == "POST" and "subscriptions" not in template:
            path = fill_in(template, rng, client)
            client.send("POST", path, json=rubbish(rng), token=client.token(DANA))
    messages, _ = client.pages("/me/messages?$top=50")
    assert messages
    assert client.get("/me/calendarView?startDateTime=2026-01-01&endDateTime=2028-01-01&$top=1000")["value"]
    for folder in client.pages("/me/mailFolders?$top=50")[0]:
        assert folder["totalItemCount"] >= folder["unreadItemCount"] >= 0
