"""Delta rounds of messages, folders and calendar windows."""

from __future__ import annotations

from typing import Any

import pytest
from graph_client import GraphClient
from test_events import event, weekly

INBOX = "/me/mailFolders/inbox/messages/delta"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
VIEW = "/me/calendarView/delta?startDateTime=2027-03-01&endDateTime=2027-05-01"


def round_of(client: GraphClient, path: str, **options: Any) -> tuple[list[Any], str]:
    found, link = client.pages(path, **options)
    assert link is not None
    return found, link


@pytest.mark.parametrize("spelling", ["delta", "delta()", "microsoft.graph.delta()"])
def test_first_round_brings_everything_in_pages(client: GraphClient, spelling: str) -> None:
    path = f"/me/mailFolders/inbox/messages/{spelling}?$select=subject"
    found, link = round_of(client, path, headers={"Prefer": "odata.maxpagesize=7"})
    inbox = client.mailbox().well_known("inbox")
    assert len({one["id"] for one in found}) == inbox.total_count
    assert set(found[0]) == {"@odata.type", "@odata.etag", "id", "subject"}
    assert round_of(client, link) == ([], client.get(link)["@odata.deltaLink"])


def test_page_holds_either_link_never_both(client: GraphClient) -> None:
    wish = {"Prefer": "odata.maxpagesize=5"}
    response = client.send("GET", INBOX, headers=wish)
    assert response.headers["preference-applied"] == "odata.maxpagesize=5"
    assert "preference-applied" not in client.send("GET", "/me/messages", headers=wish).headers
    page = response.json()
    assert len(page["value"]) == 5
    assert "@odata.nextLink" in page
    assert "@odata.deltaLink" not in page


def test_changes_since_a_round_are_brought_once_with_the_options_of_its_start(client: GraphClient) -> None:
    found, link = round_of(client, f"{INBOX}?$select=isRead")
    changed, moved, gone = found[0], found[1], found[2]
    client.patch(f"/me/messages/{changed['id']}", {"isRead": not changed["isRead"]})
    client.post(f"/me/messages/{moved['id']}/move", {"destinationId": "archive"})
    client.post(f"/me/messages/{gone['id']}/permanentDelete", status=204)
    brought, following = round_of(client, link)
    assert {one["id"] for one in brought} == {changed["id"], moved["id"], gone["id"]}
    removed = {one["id"]: one["@removed"]["reason"] for one in brought if "@removed" in one}
    assert removed == {moved["id"]: "deleted", gone["id"]: "deleted"}
    updated = next(one for one in brought if "@removed" not in one)
    assert updated["isRead"] is not changed["isRead"]
    assert "subject" not in updated
    assert round_of(client, following)[0] == []
    assert round_of(client, link)[0] == brought


def test_what_came_and_went_between_rounds_is_not_told(client: GraphClient) -> None:
    _, link = round_of(client, INBOX)
    draft = client.post("/me/mailFolders/inbox/messages", {"subject": "brief"})
    client.post(f"/me/messages/{draft['id']}/permanentDelete", status=204)
    assert round_of(client, link)[0] == []


def test_item_that_left_and_came_back_depends_on_the_kind_of_id(client: GraphClient) -> None:
    found, link = round_of(client, f"{INBOX}?$select=subject")
    there = client.post(f"/me/messages/{found[0]['id']}/move", {"destinationId": "archive"})
    back = client.post(f"/me/messages/{there['id']}/move", {"destinationId": "inbox"})
    usual = round_of(client, link)[0]
    assert [(one["id"], "@removed" in one) for one in usual] == [(found[0]["id"], True), (back["id"], False)]
    immutable = round_of(client, link, headers=IMMUTABLE)[0]
    assert len(immutable) == 1
    assert "@removed" not in immutable[0]


def test_nothing_is_lost_when_items_go_while_the_first_round_runs(client: GraphClient) -> None:
    page = client.get(f"{INBOX}?$top=5")
    seen = {one["id"] for one in page["value"]}
    client.post(f"/me/messages/{page['value'][0]['id']}/permanentDelete", status=204)
    rest, link = round_of(client, page["@odata.nextLink"])
    seen |= {one["id"] for one in rest}
    brought, _ = round_of(client, link)
    seen -= {one["id"] for one in brought if "@removed" in one}
    now, _ = client.pages("/me/mailFolders/inbox/messages?$top=100&$select=id")
    assert seen == {one["id"] for one in now}


def test_filter_on_received_time_and_change_type_are_honoured(client: GraphClient) -> None:
    everything = client.get("/me/mailFolders/inbox/messages?$top=100")["value"]
    limit = everything[10]["receivedDateTime"]
    found, _ = round_of(client, f"{INBOX}?$filter=receivedDateTime ge {limit}")
    assert {one["id"] for one in found} == {
        one["id"] for one in everything if one["receivedDateTime"] >= limit
    }
    _, link = round_of(client, f"{INBOX}?changeType=created")
    client.patch(f"/me/messages/{everything[0]['id']}", {"importance": "high"})
    made = client.post("/me/mailFolders/inbox/messages", {"subject": "new"})
    assert [one["id"] for one in round_of(client, link)[0]] == [made["id"]]


@pytest.mark.parametrize(
    "query",
    [
        "$filter=isRead eq false",
        '$search="a"',
        "$orderby=subject",
        "changeType=moved",
        "$deltatoken=AAAA",
        "$skiptoken=%3F%3F",
    ],
)
def test_what_change_tracking_does_not_know_is_400(client: GraphClient, query: str) -> None:
    assert client.refused("GET", f"{INBOX}?{query}")[0] == 400


def test_token_of_another_folder_is_refused(client: GraphClient) -> None:
    _, link = round_of(client, INBOX)
    token = link.partition("$deltatoken=")[2]
    assert client.refused("GET", f"/me/mailFolders/archive/messages/delta?$deltatoken={token}") == (
        400,
        "SyncStateInvalid",
    )


def test_forgotten_changes_are_410(client: GraphClient) -> None:
    _, link = round_of(client, f"{INBOX}?$select=subject")
    client.mailbox().log.forget(client.mailbox().change_number)
    assert client.refused("GET", link) == (410, "SyncStateNotFound")
    fresh = client.send("GET", link).headers["location"]
    found, _ = round_of(client, fresh)
    assert set(found[0]) == {"@odata.type", "@odata.etag", "id", "subject"}


def test_folders_are_tracked_as_one_tree(client: GraphClient) -> None:
    found, link = round_of(client, "/me/mailFolders/delta")
    names = {one["displayName"] for one in found}
    assert {"Inbox", "Sent Items", "Customers", "Orders"} <= names
    made = client.post("/me/mailFolders/inbox/childFolders", {"displayName": "New"})
    orders = next(one for one in found if one["displayName"] == "Orders")
    client.post(f"/me/mailFolders/{orders['id']}/permanentDelete", status=204)
    brought, _ = round_of(client, link)
    assert made["id"] in {one["id"] for one in brought if "@removed" not in one}
    assert [one["id"] for one in brought if "@removed" in one] == [orders["id"]]


def test_window_of_a_calendar_brings_masters_and_sparse_occurrences(client: GraphClient) -> None:
    made = client.post(
        "/me/events", event("2027-03-15T10:00:00", "2027-03-15T11:00:00", recurrence=weekly(4))
    )
    single = client.post("/me/events", event("2027-03-20T10:00:00", "2027-03-20T11:00:00"))
    found, _ = round_of(client, VIEW)
    by_id = {one["id"]: one for one in found}
    assert by_id[made["id"]]["type"] == "seriesMaster"
    assert by_id[single["id"]]["subject"] == "Talk"
    occurrences = [one for one in found if one.get("seriesMasterId") == made["id"]]
    assert len(occurrences) == 4
    assert set(occurrences[0]) == {"@odata.type", "id", "start", "end", "seriesMasterId", "type"}


def test_window_tells_of_new_changed_moved_away_and_deleted_events(client: GraphClient) -> None:
    series = client.post(
        "/me/events", event("2027-03-15T10:00:00", "2027-03-15T11:00:00", recurrence=weekly(4))
    )
    away = client.post("/me/events", event("2027-03-20T10:00:00", "2027-03-20T11:00:00"))
    _, link = round_of(client, VIEW)
    first, second, *_ = client.get(
        f"/me/events/{series['id']}/instances?startDateTime=2027-03-14&endDateTime=2027-04-30"
    )["value"]
    client.patch(f"/me/events/{first['id']}", {"subject": "Changed"})
    client.delete(f"/me/events/{second['id']}")
    client.patch(
        f"/me/events/{away['id']}",
        {
            "start": {"dateTime": "2027-09-01T10:00:00", "timeZone": "UTC"},
            "end": {"dateTime": "2027-09-01T11:00:00", "timeZone": "UTC"},
        },
    )
    new = client.post("/me/events", event("2027-04-20T10:00:00", "2027-04-20T11:00:00"))
    brought, following = round_of(client, link)
    kinds = {one["id"]: ("removed" if "@removed" in one else one["type"]) for one in brought}
    assert kinds == {
        series["id"]: "seriesMaster",
        first["id"]: "exception",
        second["id"]: "removed",
        away["id"]: "removed",
        new["id"]: "singleInstance",
    }
    client.delete(f"/me/events/{series['id']}")
    removed = {one["id"] for one in round_of(client, following)[0] if "@removed" in one}
    assert series["id"] in removed


def test_window_takes_no_query_options(client: GraphClient) -> None:
    assert client.refused("GET", f"{VIEW}&$select=subject")[0] == 400
    assert client.refused("GET", "/me/calendarView/delta") == (400, "ErrorInvalidParameter")
