"""Mailbox settings, categories, rules, mail tips, time zones, users."""

from __future__ import annotations

import pytest
from graph_client import DANA, TOM, GraphClient

RULES = "/me/mailFolders/inbox/messageRules"


def send(client: GraphClient, subject: str) -> None:
    message = {"subject": subject, "toRecipients": [{"emailAddress": {"address": DANA}}]}
    client.post("/me/sendMail", {"message": message}, status=202, as_user=TOM)


def test_settings_are_read_and_changed_in_parts(client: GraphClient) -> None:
    assert client.get("/me/mailboxSettings")["userPurpose"] == "user"
    changed = client.patch(
        "/me/mailboxSettings",
        {
            "timeZone": "Europe/Paris",
            "language": {"locale": "fr-FR"},
            "workingHours": {"startTime": "09:30:00", "daysOfWeek": ["monday"]},
        },
    )
    assert changed["timeZone"] == "Romance Standard Time"
    assert changed["workingHours"]["startTime"] == "09:30:00.0000000"
    assert changed["workingHours"]["endTime"] == "17:00:00.0000000"
    assert client.get("/me/mailboxSettings/timeZone")["value"] == "Romance Standard Time"
    assert client.get("/me/mailboxSettings/language")["locale"] == "fr-FR"
    assert client.refused("PATCH", "/me/mailboxSettings", json={"timeZone": "Nowhere"}) == (
        400,
        "TimeZoneNotSupportedException",
    )
    assert client.refused("GET", "/me/mailboxSettings/nothing")[0] == 404


def test_automatic_reply_is_sent_once_to_each_writer(client: GraphClient) -> None:
    client.patch(
        "/me/mailboxSettings",
        {"automaticRepliesSetting": {"status": "alwaysEnabled", "internalReplyMessage": "Away"}},
    )
    send(client, "one")
    send(client, "two")
    found = client.get(
        "/me/mailFolders/inbox/messages?$filter=startswith(subject,'Automatic reply')",
        token=client.token(TOM, ["Mail.Read"]),
    )
    assert [one["subject"] for one in found["value"]] == ["Automatic reply: one"]
    tips = client.post(
        "/me/getMailTips",
        {
            "EmailAddresses": [DANA, "nobody@harbourvale.example"],
            "MailTipsOptions": "automaticReplies, mailboxFullStatus",
        },
        status=200,
    )["value"]
    assert tips[0]["automaticReplies"]["message"] == "Away"
    assert tips[1]["error"]["code"] == "ErrorMailRecipientNotFound"


@pytest.mark.parametrize(
    "body", [{}, {"EmailAddresses": [DANA]}, {"EmailAddresses": [DANA], "MailTipsOptions": "gossip"}]
)
def test_malformed_question_for_mail_tips_is_400(client: GraphClient, body: dict[str, object]) -> None:
    assert client.refused("POST", "/me/getMailTips", json=body)[0] == 400


@pytest.mark.parametrize(
    ("standard", "known"),
    [
        ("", "W. Europe Standard Time"),
        ("(TimeZoneStandard=microsoft.graph.timeZoneStandard'Iana')", "Europe/Berlin"),
        ("(TimeZoneStandard=microsoft.graph.timeZoneStandard'Windows')", "UTC"),
    ],
)
def test_time_zones_are_listed_by_either_name(client: GraphClient, standard: str, known: str) -> None:
    found = client.get(f"/me/outlook/supportedTimeZones{standard}")["value"]
    assert known in {one["alias"] for one in found}
    assert client.get("/me/outlook/supportedLanguages")["value"]


def test_categories_are_made_coloured_and_deleted(client: GraphClient) -> None:
    path = "/me/outlook/masterCategories"
    made = client.post(path, {"displayName": "Larkspur", "color": "preset9"})
    assert client.refused("POST", path, json={"displayName": "larkspur"})[0] == 409
    assert client.patch(f"{path}/{made['id']}", {"color": "preset2"})["color"] == "preset2"
    assert client.get(f"{path}/{made['id']}")["displayName"] == "Larkspur"
    assert made["id"] in {one["id"] for one in client.get(path)["value"]}
    client.delete(f"{path}/{made['id']}")
    assert client.refused("GET", f"{path}/{made['id']}")[0] == 404
    assert client.refused("POST", path, json={})[0] == 400


def test_rule_moves_and_marks_what_arrives(client: GraphClient) -> None:
    archive = client.get("/me/mailFolders/archive")["id"]
    body = {
        "displayName": "Orders",
        "sequence": 1,
        "conditions": {"subjectContains": ["order"], "fromAddresses": [{"emailAddress": {"address": TOM}}]},
        "exceptions": {"bodyContains": ["urgent"]},
        "actions": {
            "moveToFolder": archive,
            "markAsRead": True,
            "assignCategories": ["Blue category"],
            "stopProcessingRules": True,
        },
    }
    rule = client.post(RULES, body)
    send(client, "New Order")
    send(client, "Something else")
    moved = client.get("/me/mailFolders/archive/messages?$top=1")["value"][0]
    assert (moved["subject"], moved["isRead"], moved["categories"]) == ("New Order", True, ["Blue category"])
    assert client.get("/me/mailFolders/inbox/messages?$top=1")["value"][0]["subject"] == "Something else"
    client.patch(f"{RULES}/{rule['id']}", {"isEnabled": False})
    assert not client.get(f"{RULES}/{rule['id']}")["isEnabled"]
    send(client, "Second order")
    assert client.get("/me/mailFolders/inbox/messages?$top=1")["value"][0]["subject"] == "Second order"
    client.delete(f"{RULES}/{rule['id']}")
    assert client.get(RULES)["value"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"displayName": "x"},
        {"displayName": "x", "actions": {"dance": True}},
        {"displayName": "x", "actions": {"moveToFolder": "x"}},
    ],
)
def test_wrong_rule_is_400(client: GraphClient, body: dict[str, object]) -> None:
    assert client.refused("POST", RULES, json=body)[0] == 400


def test_user_shows_more_only_on_request(client: GraphClient) -> None:
    assert "userType" not in client.get("/me")
    found = client.get(f"/users/{TOM}?$select=id,userType,proxyAddresses,assignedPlans")
    assert found["userType"] == "Member"
    assert found["proxyAddresses"][0] == f"SMTP:{TOM}"
    assert found["assignedPlans"][0]["service"] == "exchange"
