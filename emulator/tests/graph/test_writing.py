"""Drafts, sending, answers, folders, attachments, concurrency."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from graph_client import DANA, TOM, GraphClient

MARKER = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Marker"


def person(address: str) -> dict[str, Any]:
    return {"emailAddress": {"address": address}}


def draft(client: GraphClient, **values: Any) -> Any:
    body = {
        "subject": "Quote",
        "body": {"contentType": "Text", "content": "Dear Tom"},
        "toRecipients": [person(TOM)],
    }
    return client.post("/me/messages", body | values)


def inbox(client: GraphClient, address: str, **query: str) -> list[Any]:
    token = client.token(address, ["Mail.ReadWrite", "Calendars.ReadWrite"])
    return client.get("/me/mailFolders/inbox/messages?$top=100", token=token)["value"]


def test_draft_is_in_drafts_and_can_be_changed(client: GraphClient) -> None:
    created = draft(client, importance="HIGH", categories=["Red category"])
    assert created["isDraft"]
    assert created["importance"] == "high"
    assert created["parentFolderId"] == client.get("/me/mailFolders/drafts")["id"]
    changed = client.patch(
        f"/me/messages/{created['id']}", {"Subject": "Offer", "ccRecipients": [person(DANA)]}
    )
    assert changed["subject"] == "Offer"
    assert changed["ccRecipients"][0]["emailAddress"]["address"] == DANA
    assert changed["changeKey"] != created["changeKey"]


def test_stale_etag_is_412_and_a_current_one_passes(client: GraphClient) -> None:
    created = draft(client)
    path = f"/me/messages/{created['id']}"
    changed = client.patch(path, {"isRead": False}, headers={"If-Match": created["@odata.etag"]})
    stale = client.refused("PATCH", path, json={"isRead": True}, headers={"If-Match": created["@odata.etag"]})
    assert stale == (412, "ErrorIrresolvableConflict")
    assert client.refused("DELETE", path, headers={"If-Match": created["@odata.etag"]})[0] == 412
    client.delete(path, headers={"If-Match": changed["@odata.etag"]})


def test_received_mail_keeps_its_content_without_the_advanced_permission(client: GraphClient) -> None:
    received = client.get("/me/mailFolders/inbox/messages?$top=1")["value"][0]
    path = f"/me/messages/{received['id']}"
    assert client.refused("PATCH", path, json={"subject": "changed"}) == (403, "ErrorAccessDenied")
    assert client.patch(path, {"isRead": not received["isRead"], "flag": {"flagStatus": "flagged"}})[
        "flag"
    ] == {"flagStatus": "flagged"}
    advanced = client.token(scopes=["Mail.ReadWrite", "Mail-Advanced.ReadWrite"])
    assert client.patch(path, {"subject": "changed"}, token=advanced)["subject"] == "changed"


def test_sent_draft_arrives_and_keeps_its_immutable_id(client: GraphClient) -> None:
    prefer = {"Prefer": 'IdType="ImmutableId"'}
    created = client.post(
        "/me/messages", {"subject": "Sent so", "toRecipients": [person(TOM)]}, headers=prefer
    )
    assert client.post(f"/me/messages/{created['id']}/send", status=202) is None
    sent = client.get(f"/me/messages/{created['id']}", headers=prefer)
    assert not sent["isDraft"]
    assert sent["parentFolderId"] == client.get("/me/mailFolders/sentitems")["id"]
    arrived = inbox(client, TOM)[0]
    assert (arrived["subject"], arrived["isRead"], arrived["internetMessageId"]) == (
        "Sent so",
        False,
        sent["internetMessageId"],
    )
    assert arrived["from"]["emailAddress"]["address"] == DANA


def test_send_mail_takes_either_spelling_and_can_leave_no_copy(client: GraphClient) -> None:
    message = {
        "subject": "No copy",
        "toRecipients": [person(TOM)],
        "internetMessageHeaders": [{"name": "x-marker", "value": "7"}],
    }
    client.post("/me/sendMail", {"Message": message, "SaveToSentItems": False}, status=202)
    assert inbox(client, TOM)[0]["subject"] == "No copy"
    assert not client.get("/me/mailFolders/sentitems/messages?$filter=subject eq 'No copy'")["value"]
    token = client.token(TOM, ["Mail.Read"])
    headers = client.get(
        f"/me/messages/{inbox(client, TOM)[0]['id']}?$select=internetMessageHeaders", token=token
    )
    assert {"name": "x-marker", "value": "7"} in headers["internetMessageHeaders"]


def test_mime_is_sent_and_drafted(client: GraphClient) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["X-Tag"] = DANA, TOM, "By MIME", "t"
    mail.set_content("plain")
    mail.add_attachment(b"1,2", maintype="text", subtype="csv", filename="n.csv")
    content = base64.b64encode(mail.as_bytes())
    kind = {"Content-Type": "text/plain"}
    client.post("/me/sendMail", content=content, headers=kind, status=202)
    arrived = inbox(client, TOM)[0]
    assert (arrived["subject"], arrived["hasAttachments"]) == ("By MIME", True)
    saved = client.post("/me/messages", content=content, headers=kind)
    raw = client.send("GET", f"/me/messages/{saved['id']}/$value").content
    assert message_from_bytes(raw, policy=policy.default)["X-Tag"] == "t"
    assert client.refused("POST", "/me/messages", content=b"!!", headers=kind) == (
        400,
        "ErrorMimeContentInvalidBase64String",
    )


def test_unknown_recipient_of_an_emulated_domain_bounces(client: GraphClient) -> None:
    client.post(
        "/me/sendMail",
        {"message": {"subject": "Lost", "toRecipients": [person("nobody@harbourvale.example")]}},
        status=202,
    )
    report = client.get(
        "/me/mailFolders/inbox/messages?$top=1&$expand=singleValueExtendedProperties($filter=id eq 'String 0x001A')"
    )["value"][0]
    assert report["subject"] == "Undeliverable: Lost"
    assert report["singleValueExtendedProperties"][0]["value"] == "REPORT.IPM.Note.NDR"


def test_mail_to_a_mailbox_on_premises_neither_arrives_here_nor_bounces(client: GraphClient) -> None:
    before = client.get("/me/mailFolders/inbox")["totalItemCount"]
    message = {"subject": "Out", "toRecipients": [person("warehouse.one@harbourvale.example")]}
    client.post("/me/sendMail", {"message": message}, status=202)
    assert client.get("/me/mailFolders/inbox")["totalItemCount"] == before


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ({"subject": "x"}, 400, "ErrorInvalidRecipients"),
        ({"toRecipients": [person("no address")]}, 400, "ErrorInvalidRecipients"),
        ({"toRecipients": "x"}, 400, "UnableToDeserializePostBody"),
        ({"toRecipients": [person(TOM)], "from": person(TOM)}, 403, "ErrorSendAsDenied"),
        ({"toRecipients": [person(TOM)], "nothing": 1}, 400, "RequestBodyRead"),
        ({"toRecipients": [person(TOM)], "importance": "very"}, 400, "RequestBroker--ParseUri"),
        (
            {"toRecipients": [person(TOM)], "internetMessageHeaders": [{"name": "Subject", "value": "x"}]},
            400,
            "InvalidInternetMessageHeader",
        ),
        (
            {
                "toRecipients": [person(TOM)],
                "singleValueExtendedProperties": [{"id": "Nothing 1", "value": "x"}],
            },
            400,
            "ErrorPropertyValidationFailure",
        ),
    ],
)
def test_message_that_cannot_be_sent_is_refused_and_nothing_is_kept(
    client: GraphClient, message: dict[str, Any], status: int, code: str
) -> None:
    before = client.get("/me/mailFolders/sentitems")["totalItemCount"]
    assert client.refused("POST", "/me/sendMail", json={"message": message}) == (status, code)
    assert client.get("/me/mailFolders/sentitems")["totalItemCount"] == before


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'"x"', b"{" * 5000])
def test_broken_json_is_400(client: GraphClient, content: bytes) -> None:
    refused = client.refused(
        "POST", "/me/messages", content=content, headers={"Content-Type": "application/json"}
    )
    assert refused[0] == 400


def test_body_over_four_megabytes_is_413(client: GraphClient) -> None:
    body = {"subject": "x", "body": {"contentType": "text", "content": "x" * (4 * 1024 * 1024)}}
    assert client.refused("POST", "/me/messages", json=body) == (413, "RequestEntityTooLarge")
    assert client.refused("POST", "/me/messages", content=b"x" * (6 * 1024 * 1024)) == (
        413,
        "RequestEntityTooLarge",
    )


def test_send_as_works_with_the_right(client: GraphClient) -> None:
    client.mailbox(TOM).permissions.send_as.add(client.user(DANA).oid)
    client.post(
        "/me/sendMail",
        {"message": {"subject": "As Tom", "from": person(TOM), "toRecipients": [person(DANA)]}},
        status=202,
    )
    assert inbox(client, DANA)[0]["from"]["emailAddress"]["address"] == TOM


def test_reply_goes_to_the_sender_in_the_same_conversation(client: GraphClient) -> None:
    client.post(
        "/me/sendMail",
        {
            "message": {
                "subject": "Ask",
                "toRecipients": [person(TOM)],
                "ccRecipients": [person("priya.nair@harbourvale.example")],
            }
        },
        status=202,
    )
    asked = inbox(client, TOM)[0]
    token = client.token(TOM, ["Mail.ReadWrite", "Mail.Send"])
    client.post(f"/me/messages/{asked['id']}/reply", {"Comment": "Yes"}, status=202, token=token)
    answer = inbox(client, DANA)[0]
    assert answer["subject"] == "RE: Ask"
    assert "Yes" in answer["body"]["content"]
    original = client.get("/me/mailFolders/sentitems/messages?$top=1")["value"][0]
    assert answer["conversationId"] == original["conversationId"]
    headers = client.get(f"/me/messages/{answer['id']}?$select=internetMessageHeaders")[
        "internetMessageHeaders"
    ]
    assert {"name": "In-Reply-To", "value": original["internetMessageId"]} in headers
    all_draft = client.post(
        f"/me/messages/{asked['id']}/createReplyAll", {"message": {"subject": "Mine"}}, token=token
    )
    assert all_draft["subject"] == "Mine"
    assert [one["emailAddress"]["address"] for one in all_draft["toRecipients"]] == [DANA]
    assert [one["emailAddress"]["address"] for one in all_draft["ccRecipients"]] == [
        "priya.nair@harbourvale.example"
    ]
    both = {"comment": "a", "message": {"body": {"contentType": "text", "content": "b"}}}
    assert client.refused("POST", f"/me/messages/{asked['id']}/reply", json=both, token=token) == (
        400,
        "ErrorInvalidRequest",
    )


def test_forward_takes_the_attachments_along(client: GraphClient) -> None:
    source = client.get("/me/messages?$top=1&$filter=hasAttachments eq true")["value"][0]
    client.post(
        f"/me/messages/{source['id']}/forward", {"toRecipients": [person(TOM)], "comment": "See"}, status=202
    )
    arrived = inbox(client, TOM)[0]
    assert arrived["subject"].startswith("FW: ")
    assert arrived["hasAttachments"]


def test_delete_goes_to_deleted_items_then_out_of_sight(client: GraphClient) -> None:
    message = client.get("/me/mailFolders/inbox/messages?$top=1")["value"][0]
    prefer = {"Prefer": 'IdType="ImmutableId"'}
    immutable = client.get(f"/me/messages/{message['id']}", headers=prefer)["id"]
    client.delete(f"/me/messages/{message['id']}")
    deleted = client.get("/me/mailFolders/deleteditems")["id"]
    assert client.get(f"/me/messages/{immutable}")["parentFolderId"] == deleted
    client.delete(f"/me/messages/{immutable}")
    recoverable = client.get("/me/mailFolders/recoverableitemsdeletions")["id"]
    assert client.get(f"/me/messages/{immutable}")["parentFolderId"] == recoverable
    everything, _ = client.pages("/me/messages?$top=100", headers=prefer)
    assert immutable not in {one["id"] for one in everything}


def test_permanent_delete_goes_to_purges(client: GraphClient) -> None:
    message = client.get("/me/mailFolders/inbox/messages?$top=1", headers={"Prefer": 'IdType="ImmutableId"'})[
        "value"
    ][0]
    client.post(f"/me/messages/{message['id']}/permanentDelete", status=204)
    purges = client.get("/me/mailFolders/recoverableitemspurges")["id"]
    assert client.get(f"/me/messages/{message['id']}")["parentFolderId"] == purges


def test_copy_is_a_message_of_its_own(client: GraphClient) -> None:
    message = client.get("/me/mailFolders/inbox/messages?$top=1")["value"][0]
    twin = client.post(f"/me/messages/{message['id']}/copy", {"DestinationId": "Archive"})
    assert twin["subject"] == message["subject"]
    assert twin["id"] != message["id"]
    client.delete(f"/me/messages/{twin['id']}")
    assert client.get(f"/me/messages/{message['id']}")["id"] == message["id"]


def test_move_without_or_to_an_unknown_folder_is_refused(client: GraphClient) -> None:
    message = client.get("/me/messages?$top=1")["value"][0]
    path = f"/me/messages/{message['id']}/move"
    assert client.refused("POST", path, json={}) == (400, "ErrorInvalidRequest")
    gone = client.post("/me/mailFolders", {"displayName": "Short-lived"})
    client.post(f"/me/mailFolders/{gone['id']}/permanentDelete", status=204)
    assert client.refused("POST", path, json={"destinationId": gone["id"]}) == (404, "ErrorFolderNotFound")


def test_folders_are_made_renamed_moved_copied_and_deleted(client: GraphClient) -> None:
    made = client.post("/me/mailFolders", {"displayName": "Plans"})
    assert client.refused("POST", "/me/mailFolders", json={"displayName": "PLANS"}) == (
        409,
        "ErrorFolderExists",
    )
    child = client.post(f"/me/mailFolders/{made['id']}/childFolders", {"displayName": "2027"})
    assert client.get(f"/me/mailFolders/{made['id']}")["childFolderCount"] == 1
    assert client.patch(f"/me/mailFolders/{child['id']}", {"displayName": "2028"})["displayName"] == "2028"
    moved = client.post(f"/me/mailFolders/{child['id']}/move", {"destinationId": "inbox"})
    assert moved["id"] == child["id"]
    copied = client.post(f"/me/mailFolders/{child['id']}/copy", {"destinationId": made["id"]})
    assert copied["id"] != child["id"]
    nested = client.get(f"/me/mailFolders/inbox/childFolders/{child['id']}/messages")
    assert nested["value"] == []
    client.delete(f"/me/mailFolders/{made['id']}")
    assert (
        client.get(f"/me/mailFolders/{made['id']}")["parentFolderId"]
        == client.get("/me/mailFolders/deleteditems")["id"]
    )
    assert client.refused("DELETE", "/me/mailFolders/inbox")[0] == 403
    assert client.refused("PATCH", "/me/mailFolders/inbox", json={"displayName": "In"})[0] == 403
    assert client.refused("POST", "/me/mailFolders", json={}) == (400, "ErrorRequiredPropertyMissing")


def test_hidden_folders_are_listed_only_on_request(client: GraphClient) -> None:
    client.post("/me/mailFolders", {"displayName": "Secret", "isHidden": True})
    shown, _ = client.pages("/me/mailFolders?$top=100")
    hidden, _ = client.pages("/me/mailFolders?includeHiddenFolders=true&$top=100")
    assert "Secret" not in {one["displayName"] for one in shown}
    assert "Secret" in {one["displayName"] for one in hidden}


def test_attachment_is_added_read_and_removed(client: GraphClient) -> None:
    created = draft(client)
    path = f"/me/messages/{created['id']}/attachments"
    content = base64.b64encode(b"hello").decode()
    added = client.post(
        path,
        {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": "a.txt",
            "contentBytes": content,
            "contentType": "text/plain",
        },
    )
    assert added["contentBytes"] == content
    inline = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "p.png",
        "contentBytes": content,
        "isInline": True,
        "contentId": "p1",
    }
    client.post(path, inline)
    assert {one["name"] for one in client.get(f"{path}?$select=name,size")["value"]} == {"a.txt", "p.png"}
    assert client.send("GET", f"{path}/{added['id']}/$value").content == b"hello"
    assert client.get(f"{path}/{added['id']}")["name"] == "a.txt"
    client.delete(f"{path}/{added['id']}")
    assert not client.get(f"/me/messages/{created['id']}")["hasAttachments"]
    assert client.refused("GET", f"{path}/{added['id']}") == (404, "ErrorItemNotFound")


def test_attached_message_is_expanded_on_request(client: GraphClient) -> None:
    created = draft(client)
    path = f"/me/messages/{created['id']}/attachments"
    item = {
        "@odata.type": "microsoft.graph.message",
        "subject": "Inner",
        "body": {"contentType": "text", "content": "in"},
    }
    added = client.post(
        path, {"@odata.type": "#microsoft.graph.itemAttachment", "name": "Inner", "item": item}
    )
    assert "item" not in client.get(f"{path}/{added['id']}")
    expanded = client.get(f"{path}/{added['id']}?$expand=microsoft.graph.itemattachment/item")
    assert expanded["item"]["subject"] == "Inner"
    assert b"Subject: Inner" in client.send("GET", f"{path}/{added['id']}/$value").content


@pytest.mark.parametrize(
    ("attachment", "code"),
    [
        ({"name": "x", "contentBytes": "aGk="}, "ErrorInvalidRequest"),
        (
            {"@odata.type": "#microsoft.graph.fileAttachment", "contentBytes": "aGk="},
            "ErrorRequiredPropertyMissing",
        ),
        ({"@odata.type": "#microsoft.graph.fileAttachment", "name": "x"}, "ErrorRequiredPropertyMissing"),
        (
            {"@odata.type": "#microsoft.graph.fileAttachment", "name": "x", "contentBytes": "?"},
            "UnableToDeserializePostBody",
        ),
        ({"@odata.type": "#microsoft.graph.group", "name": "x"}, "ErrorInvalidRequest"),
    ],
)
def test_wrong_attachment_is_400(client: GraphClient, attachment: dict[str, Any], code: str) -> None:
    created = draft(client)
    assert client.refused("POST", f"/me/messages/{created['id']}/attachments", json=attachment) == (400, code)


def test_large_attachment_is_uploaded_in_pieces_without_a_token(client: GraphClient) -> None:
    created = draft(client)
    size, piece = 5 * 1024 * 1024, 2 * 1024 * 1024
    content = bytes(range(256)) * (size // 256)
    wish = {"AttachmentItem": {"attachmentType": "file", "name": "big.bin", "size": size}}
    session = client.post(f"/me/messages/{created['id']}/attachments/createUploadSession", wish)
    assert session["nextExpectedRanges"] == ["0-"]
    for start in range(0, size, piece):
        part = content[start : start + piece]
        headers = {
            "Content-Range": f"bytes {start}-{start + len(part) - 1}/{size}",
            "Content-Type": "application/octet-stream",
        }
        answer = client.http.put(session["uploadUrl"], content=part, headers=headers)
        assert answer.status_code == (201 if start + len(part) == size else 200), answer.text
    assert answer.content == b""
    identity = answer.headers["location"].rpartition("('")[2].removesuffix("')")
    path = f"/me/messages/{created['id']}/attachments/{identity}"
    assert client.get(path + "?$select=name,size")["name"] == "big.bin"
    assert client.send("GET", f"{path}/$value").content == content


def test_upload_that_does_not_fit_is_refused(client: GraphClient) -> None:
    created = draft(client)
    path = f"/me/messages/{created['id']}/attachments/createUploadSession"
    small = {"AttachmentItem": {"attachmentType": "file", "name": "s", "size": 10}}
    assert client.refused("POST", path, json=small) == (
        400,
        "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
    )
    huge = {"AttachmentItem": {"attachmentType": "file", "name": "s", "size": 151 * 1024 * 1024}}
    assert client.refused("POST", path, json=huge) == (400, "ErrorAttachmentSizeLimitExceeded")
    session = client.post(
        path, {"AttachmentItem": {"attachmentType": "file", "name": "s", "size": 4_000_000}}
    )
    url = session["uploadUrl"]
    assert client.http.put(url, content=b"x").status_code == 400
    assert (
        client.http.put(url, content=b"x", headers={"Content-Range": "bytes 5-5/4000000"}).status_code == 416
    )
    assert (
        client.http.put(url, content=b"xy", headers={"Content-Range": "bytes 0-0/4000000"}).status_code == 400
    )
    assert client.http.request("DELETE", url).status_code == 204
    assert (
        client.http.put(url, content=b"x", headers={"Content-Range": "bytes 0-0/4000000"}).status_code == 404
    )


def test_open_extension_lives_beside_the_message(client: GraphClient) -> None:
    created = draft(client)
    path = f"/me/messages/{created['id']}/extensions"
    extension = {
        "@odata.type": "microsoft.graph.openTypeExtension",
        "extensionName": "com.larkspur.crm",
        "deal": 7,
    }
    added = client.post(path, extension)
    assert added["id"] == "Microsoft.OutlookServices.OpenTypeExtension.com.larkspur.crm"
    assert client.refused("POST", path, json=extension)[0] == 409
    assert client.get(f"{path}/com.larkspur.crm")["deal"] == 7
    expanded = client.get(
        f"/me/messages/{created['id']}?$expand=extensions($filter=id eq 'com.larkspur.crm')"
    )
    assert expanded["extensions"][0]["deal"] == 7
    client.patch(f"{path}/com.larkspur.crm", {"deal": 8})
    assert client.get(path)["value"][0]["deal"] == 8
    client.delete(f"{path}/com.larkspur.crm")
    assert client.get(path)["value"] == []
