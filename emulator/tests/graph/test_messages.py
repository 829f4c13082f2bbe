"""Reading messages: query options, preferences, ids, forms of paths."""

from __future__ import annotations

from email import message_from_bytes, policy
from urllib.parse import quote

import pytest
from graph_client import GraphClient

INBOX = "/me/mailFolders/inbox/messages"


def test_list_is_newest_first_ten_to_a_page(client: GraphClient) -> None:
    page = client.get("/me/messages")
    times = [one["receivedDateTime"] for one in page["value"]]
    assert len(times) == 10
    assert times == sorted(times, reverse=True)
    everything, _ = client.pages("/me/messages?$top=7")
    assert len({one["id"] for one in everything}) == len(everything) == len(client.mailbox().all_mail())


def test_next_link_keeps_all_options(client: GraphClient) -> None:
    page = client.get(
        f"{INBOX}?%24top=2&%24select=subject&%24filter=receivedDateTime+ge+2020-01-01T00:00:00Z"
    )
    following = client.get(page["@odata.nextLink"])
    assert set(following["value"][0]) == {"@odata.etag", "id", "subject"}
    assert {one["id"] for one in page["value"]}.isdisjoint(one["id"] for one in following["value"])


def test_select_always_brings_the_id(client: GraphClient) -> None:
    message = client.get("/me/messages?$select=subject,RECEIVEDDATETIME&$top=1")["value"][0]
    assert set(message) == {"@odata.etag", "id", "subject", "receivedDateTime"}


def test_unique_body_and_headers_come_only_on_request(client: GraphClient) -> None:
    message = client.get("/me/messages?$top=1")["value"][0]
    assert not {"uniqueBody", "internetMessageHeaders"} & message.keys()
    asked = client.get(f"/me/messages/{message['id']}?$select=uniqueBody,internetMessageHeaders")
    assert {"name": "Message-ID", "value": message["internetMessageId"]} in asked["internetMessageHeaders"]
    assert asked["uniqueBody"]["content"]


@pytest.mark.parametrize(
    "expression",
    [
        "isRead eq false",
        "isRead ne true and importance eq 'normal'",
        "not (isRead eq true)",
        "startswith(subject,'RE')",
        "contains(subject, 'invoice') or contains(subject,'ORDER')",
        "from/emailAddress/address eq 'accounts@supplier.example'",
        "receivedDateTime ge 2020-01-01T00:00:00Z and receivedDateTime lt 2100-01-01",
        "hasAttachments eq true",
        "receivedDateTime ge 2020-01-01T00:00:00+00:00",
        "categories/any(c:c eq 'Red category')",
        "flag/flagStatus eq 'flagged'",
        "singleValueExtendedProperties/any(ep: ep/id eq 'String 0x1a' and ep/value eq 'IPM.Note')",
    ],
)
def test_filter_lets_through_what_it_says(client: GraphClient, expression: str) -> None:
    everything, _ = client.pages("/me/messages?$top=100")
    found, _ = client.pages(f"/me/messages?$top=100&$filter={quote(expression)}")
    tests = {
        "isRead eq false": lambda m: not m["isRead"],
        "isRead ne true and importance eq 'normal'": lambda m: (
            not m["isRead"] and m["importance"] == "normal"
        ),
        "not (isRead eq true)": lambda m: not m["isRead"],
        "startswith(subject,'RE')": lambda m: m["subject"].lower().startswith("re"),
        "contains(subject, 'invoice') or contains(subject,'ORDER')": lambda m: (
            "invoice" in m["subject"].lower() or "order" in m["subject"].lower()
        ),
        "from/emailAddress/address eq 'accounts@supplier.example'": lambda m: (
            m["from"]["emailAddress"]["address"] == "accounts@supplier.example"
        ),
        "hasAttachments eq true": lambda m: m["hasAttachments"],
        "categories/any(c:c eq 'Red category')": lambda m: "Red category" in m["categories"],
        "flag/flagStatus eq 'flagged'": lambda m: m["flag"]["flagStatus"] == "flagged",
    }
    test = tests.get(expression, lambda m: True)
    assert {one["id"] for one in found} == {one["id"] for one in everything if test(one)}
    assert found


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("$filter=isRead eq false&$orderby=receivedDateTime desc", "InefficientFilter"),
        (
            "$filter=isRead eq false and receivedDateTime ge 2020-01-01T00:00:00Z&$orderby=receivedDateTime desc",
            "InefficientFilter",
        ),
        ("$filter=nothing eq 1", "RequestBroker--ParseUri"),
        ("$select=nothing", "RequestBroker--ParseUri"),
        ("$orderby=nothing", "RequestBroker--ParseUri"),
        ("$expand=nothing", "RequestBroker--ParseUri"),
        ("$filter=toRecipients/any(r:r/emailAddress/address eq 'x')", "ErrorInvalidUrlQueryFilter"),
        ("$filter=isRead eq", "BadRequest"),
        ("$filter=(((", "BadRequest"),
        ("$filter=isRead eq 'a' 'b'", "BadRequest"),
        ("$filter=receivedDateTime gt true", "BadRequest"),
        ("$filter=" + "(" * 200, "BadRequest"),
        ("$top=0", "BadRequest"),
        ("$top=1001", "BadRequest"),
        ("$top=x", "BadRequest"),
        ("$skip=-1", "BadRequest"),
        ("$count=maybe", "BadRequest"),
        ("$top=1&$top=2", "BadRequest"),
        ("$nothing=1", "BadRequest"),
        ("$orderby=receivedDateTime downwards", "BadRequest"),
        ('$search="a"&$filter=isRead eq true', "SearchWithFilter"),
        ('$search="a"&$orderby=receivedDateTime', "SearchWithOrderBy"),
        ("$search=unquoted", "BadRequest"),
        ('$search="received:never"', "ErrorPropertyValidationFailure"),
        ("$expand=singleValueExtendedProperties", "ErrorInvalidRequest"),
        ("$expand=attachments(", "BadRequest"),
    ],
)
def test_wrong_query_is_400_with_its_code(client: GraphClient, query: str, code: str) -> None:
    assert client.refused("GET", f"/me/messages?{query}") == (400, code)


def test_filter_and_order_on_the_same_property_first_is_allowed(client: GraphClient) -> None:
    found = client.get(
        f"{INBOX}?$filter=receivedDateTime ge 1900-01-01T00:00:00Z and isRead eq false&$orderby=receivedDateTime asc&$top=50"
    )
    times = [one["receivedDateTime"] for one in found["value"]]
    assert times == sorted(times)
    assert not any(one["isRead"] for one in found["value"])


def test_count_is_that_of_all_pages(client: GraphClient) -> None:
    inbox = client.mailbox().well_known("inbox")
    assert client.get(f"{INBOX}?$count=true&$top=1")["@odata.count"] == inbox.total_count
    assert client.send("GET", f"{INBOX}/$count").text == str(inbox.total_count)
    assert client.send("GET", f"{INBOX}/$count?$filter=isRead eq false").text == str(inbox.unread_count)


def test_search_finds_words_and_properties(client: GraphClient) -> None:
    everything, _ = client.pages("/me/messages?$top=100")
    found, _ = client.pages('/me/messages?$top=5&$search="subject:invoice"')
    assert {one["id"] for one in found} == {
        one["id"] for one in everything if "invoice" in one["subject"].lower()
    }
    assert found
    sent = [one["sentDateTime"] for one in found]
    assert sent == sorted(sent, reverse=True)
    by_sender, _ = client.pages(
        '/me/messages?$top=50&$search="from:accounts@supplier.example AND hasAttachments:false"'
    )
    assert {one["from"]["emailAddress"]["address"] for one in by_sender} <= {"accounts@supplier.example"}


def test_immutable_id_is_asked_for_per_request_and_survives_a_move(client: GraphClient) -> None:
    prefer = {"Prefer": 'IdType="ImmutableId"'}
    first = client.send("GET", "/me/messages?$top=1", headers=prefer)
    assert first.headers["preference-applied"] == 'IdType="ImmutableId"'
    immutable = first.json()["value"][0]["id"]
    usual = client.get(f"/me/messages/{immutable}")["id"]
    assert immutable.startswith("AAkA")
    assert usual.startswith("AAMk")
    moved = client.post(f"/me/messages/{usual}/move", {"destinationId": "archive"})
    assert moved["id"] != usual
    assert client.refused("GET", f"/me/messages/{usual}") == (404, "ErrorItemNotFound")
    assert client.get(f"/me/messages/{immutable}")["id"] == moved["id"]
    assert client.get(f"/me/messages/{moved['id']}", headers=prefer)["id"] == immutable


def test_ids_are_case_sensitive_and_checked(client: GraphClient) -> None:
    identity = client.get("/me/messages?$top=1")["value"][0]["id"]
    assert client.refused("GET", f"/me/messages/{identity.swapcase()}")[0] in (400, 404)
    assert client.refused("GET", "/me/messages/AAMk") == (400, "ErrorInvalidIdMalformed")
    assert client.refused("GET", "/me/messages/" + "A" * 2000) == (400, "ErrorInvalidIdMalformed")
    other = client.mailbox("tom.ellis@harbourvale.example")
    foreign = other.ids.rest_id(1, 2)
    assert client.refused("GET", f"/me/messages/{foreign}") == (400, "ErrorInvalidIdMalformed")


def test_body_type_preference_converts(client: GraphClient) -> None:
    html = next(
        one for one in client.get("/me/messages?$top=50")["value"] if one["body"]["contentType"] == "html"
    )
    text = client.send(
        "GET", f"/me/messages/{html['id']}", headers={"Prefer": 'outlook.body-content-type="text"'}
    )
    assert text.json()["body"]["contentType"] == "text"
    assert "<p>" not in text.json()["body"]["content"]
    assert text.headers["preference-applied"] == 'outlook.body-content-type="text"'


def test_mime_holds_the_message(client: GraphClient) -> None:
    message = next(one for one in client.get("/me/messages?$top=50&$filter=hasAttachments eq true")["value"])
    raw = client.send("GET", f"/me/messages/{message['id']}/$value")
    mail = message_from_bytes(raw.content, policy=policy.default)
    assert mail["Subject"] == message["subject"]
    assert mail["Message-ID"] == message["internetMessageId"]
    assert len(list(mail.iter_attachments())) == 1


@pytest.mark.parametrize(
    "form",
    [
        "/me/messages/{id}",
        "/me/Messages('{id}')",
        "/ME/mailFolders/Inbox/messages/{id}",
        "/me/messages/{quoted}",
    ],
)
def test_every_spelling_of_a_path_reaches_the_message(client: GraphClient, form: str) -> None:
    identity = client.get(f"{INBOX}?$top=1")["value"][0]["id"]
    assert client.get(form.format(id=identity, quoted=quote(identity, safe="")))["id"] == identity


def test_extended_properties_are_expanded_on_request(client: GraphClient) -> None:
    draft = client.post(
        "/me/messages",
        {
            "subject": "marked",
            "singleValueExtendedProperties": [
                {"id": "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Marker", "value": "m-1"}
            ],
            "multiValueExtendedProperties": [
                {"id": "StringArray {66f5a359-4659-4830-9070-00047ec6ac6e} Name Many", "value": ["a", "b"]}
            ],
        },
    )
    assert "singleValueExtendedProperties" not in draft
    marker = "String {66F5A359-4659-4830-9070-00047EC6AC6E} Name Marker"
    many = "StringArray {66f5a359-4659-4830-9070-00047ec6ac6e} Name Many"
    stored = marker.replace("66F5A359-4659-4830-9070-00047EC6AC6E", "66f5a359-4659-4830-9070-00047ec6ac6e")
    condition = f"singleValueExtendedProperties/any(ep: ep/id eq '{stored}' and ep/value eq 'm-1')"
    found = client.get(f"/me/messages?$filter={condition}")
    assert [one["id"] for one in found["value"]] == [draft["id"]]
    single = f"singleValueExtendedProperties($filter=id eq '{marker}')"
    expanded = client.get(
        f"/me/messages/{draft['id']}?$expand={single},multiValueExtendedProperties($filter=id eq '{many}')"
    )
    assert expanded["singleValueExtendedProperties"] == [{"id": marker, "value": "m-1"}]
    assert expanded["multiValueExtendedProperties"][0]["value"] == ["a", "b"]


def test_unknown_time_zone_preference_is_refused(client: GraphClient) -> None:
    refused = client.refused("GET", "/me/messages", headers={"Prefer": 'outlook.timezone="Nowhere"'})
    assert refused == (400, "TimeZoneNotSupportedException")
