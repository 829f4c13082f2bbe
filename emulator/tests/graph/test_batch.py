"""Batches and id translation."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from graph_client import DANA, TOM, GraphClient

from m365_emulator.world.mailbox import IdFormat


def run(client: GraphClient, requests: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    answers = client.post("/$batch", {"requests": requests}, status=200, **options)["responses"]
    return {one["id"]: one for one in answers}


def test_parts_run_with_relative_and_absolute_urls_and_headers_of_their_own(client: GraphClient) -> None:
    answers = run(
        client,
        [
            {
                "id": "1",
                "method": "GET",
                "url": "/me/messages?$top=1&$select=subject",
                "headers": {"Prefer": 'IdType="ImmutableId"'},
            },
            {"id": "2", "method": "GET", "url": "http://testserver/v1.0/me/mailFolders/inbox"},
            {"id": "3", "method": "get", "url": "/users/me-token-to-replace/calendar"},
            {
                "id": "4",
                "method": "POST",
                "url": "me/messages",
                "body": {"subject": "x"},
                "headers": {"Content-Type": "application/json"},
            },
            {"id": "5", "method": "GET", "url": "/me/nothing"},
        ],
    )
    assert {name: one["status"] for name, one in answers.items()} == {
        "1": 200,
        "2": 200,
        "3": 200,
        "4": 201,
        "5": 400,
    }
    assert answers["1"]["body"]["value"][0]["id"].startswith("AAkA")
    assert answers["1"]["headers"]["Preference-Applied"] == 'IdType="ImmutableId"'
    assert answers["1"]["body"]["@odata.nextLink"].startswith("http://testserver/v1.0/me/messages?")
    assert answers["2"]["body"]["displayName"] == "Inbox"
    assert answers["5"]["body"]["error"]["code"] == "BadRequest"


def test_part_whose_dependency_failed_is_424(client: GraphClient) -> None:
    answers = run(
        client,
        [
            {"id": "a", "method": "GET", "url": "/me/messages/AAMk"},
            {"id": "b", "method": "GET", "url": "/me", "dependsOn": ["a"]},
            {"id": "c", "method": "GET", "url": "/me", "depends_on": ["b"]},
            {"id": "d", "method": "GET", "url": "/me"},
        ],
    )
    assert {name: one["status"] for name, one in answers.items()} == {"a": 400, "b": 424, "c": 424, "d": 200}


def test_binary_answer_comes_in_base64(client: GraphClient) -> None:
    identity = client.get("/me/messages?$top=1&$select=id")["value"][0]["id"]
    answers = run(client, [{"id": "1", "method": "GET", "url": f"/me/messages/{identity}/$value"}])
    assert b"Message-ID" in base64.b64decode(answers["1"]["body"])


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{"id": str(number), "method": "GET", "url": "/me"} for number in range(21)],
        [{"id": "1", "method": "GET", "url": "/me"}, {"id": "1", "method": "GET", "url": "/me"}],
        [{"method": "GET", "url": "/me"}],
        [{"id": "1", "url": "/me"}],
        [{"id": "1", "method": "GET", "url": "/me", "dependsOn": ["2"]}],
        [{"id": "1", "method": "POST", "url": "/$batch"}],
        ["x"],
    ],
)
def test_malformed_batch_is_400(client: GraphClient, requests: Any) -> None:
    assert client.refused("POST", "/$batch", json={"requests": requests})[0] == 400


def test_ids_translate_between_all_formats_both_ways(client: GraphClient) -> None:
    mailbox = client.mailbox()
    item = mailbox.all_mail()[0]
    forms = {form: mailbox.ids.write(mailbox.key_of(item), form) for form in IdFormat}
    for source, text in forms.items():
        for target, wanted in forms.items():
            body = {"InputIds": [text], "SourceIdType": source.value, "TargetIdType": target.value}
            assert client.post("/me/translateExchangeIds", body, status=200)["value"] == [
                {"sourceId": text, "targetId": wanted}
            ]


def test_each_id_has_its_own_result(client: GraphClient) -> None:
    mailbox = client.mailbox()
    good = mailbox.ids.write(mailbox.key_of(mailbox.all_mail()[0]), IdFormat.EWS)
    gone = mailbox.ids.ews_id(mailbox.well_known("inbox").number, 999_999)
    other = client.mailbox(TOM)
    foreign = other.ids.ews_id(1, 2)
    folder = mailbox.ids.folder_ews_id(mailbox.well_known("inbox").number)
    body = {
        "inputIds": [good, gone, foreign, "x", folder],
        "sourceIdType": "ewsId",
        "targetIdType": "restImmutableEntryId",
    }
    first, *bad, last = client.post(f"/users/{DANA}/translateExchangeIds", body, status=200)["value"]
    assert first["targetId"].startswith("AAkA")
    assert [one["errorDetails"]["code"] for one in bad] == [
        "ErrorItemNotFound",
        "ErrorInvalidIdMalformed",
        "ErrorInvalidIdMalformed",
    ]
    assert last["targetId"] == client.get("/me/mailFolders/inbox")["id"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputIds": ["x"] * 1001, "sourceIdType": "ewsId", "targetIdType": "restId"},
        {"inputIds": ["x"], "sourceIdType": "hexId", "targetIdType": "restId"},
        {"inputIds": [1], "sourceIdType": "ewsId", "targetIdType": "restId"},
    ],
)
def test_malformed_translation_is_400(client: GraphClient, body: dict[str, Any]) -> None:
    assert client.refused("POST", "/me/translateExchangeIds", json=body)[0] == 400
