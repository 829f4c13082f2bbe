"""Every way Graph knows to the same thing."""

from __future__ import annotations

import pytest
from graph_client import DANA, GraphClient
from test_events import event, weekly

from m365_emulator.graph.paths import fold, parse_path


@pytest.mark.parametrize(
    ("path", "segments", "parameters"),
    [
        ("/me/messages", ["me", "messages"], {}),
        ("/me/messages('A=')", ["me", "messages", "A="], {}),
        ("/users('o''x')/messages", ["users", "o'x", "messages"], {}),
        (
            "/me/mailFolders/inbox/messages/microsoft.graph.delta()",
            ["me", "mailFolders", "inbox", "messages", "delta"],
            {},
        ),
        ("/me/messages/A/microsoft.graph.eventMessage/event", ["me", "messages", "A", "event"], {}),
        (
            "/me/reminderView(StartDateTime='a',EndDateTime='b')",
            ["me", "reminderView"],
            {"startdatetime": "a", "enddatetime": "b"},
        ),
        ("/me/f(Standard=microsoft.graph.timeZoneStandard'Iana')", ["me", "f"], {"standard": "Iana"}),
        ("//me///messages/", ["me", "messages"], {}),
        ("/", [], {}),
    ],
)
def test_path_is_taken_apart(path: str, segments: list[str], parameters: dict[str, str]) -> None:
    parsed = parse_path(path)
    assert parsed.segments == segments
    assert parsed.parameters == parameters


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("mailFolders/a/childFolders/b/childFolders/c/messages/m/move", "messages/m/move"),
        ("mailFolders/a/childFolders/b", "mailFolders/b"),
        ("mailFolders/a/childFolders/b/messages/delta", "mailFolders/b/messages/delta"),
        ("mailFolders/a/messages/$count", "mailFolders/a/messages/$count"),
        ("calendar", "calendars/calendar"),
        ("calendar/events/e/accept", "events/e/accept"),
        ("calendarGroups/g/calendars/c/calendarView/delta", "calendars/c/calendarView/delta"),
        ("calendarView/e", "events/e"),
        ("events/e/instances/i/attachments/a", "events/i/attachments/a"),
        ("events/e/instances", "events/e/instances"),
    ],
)
def test_detours_are_folded(long: str, short: str) -> None:
    assert fold(long.split("/")) == short.split("/")


def test_every_way_to_an_event_leads_to_it(client: GraphClient) -> None:
    made = client.post(
        "/me/events", event("2027-03-15T10:00:00", "2027-03-15T11:00:00", recurrence=weekly(2))
    )
    calendar = client.get("/me/calendar")["id"]
    group = client.get("/me/calendarGroups")["value"][0]["id"]
    first = client.get(f"/me/events/{made['id']}/instances?startDateTime=2027-03-14&endDateTime=2027-04-30")[
        "value"
    ][0]
    for path in (
        f"/me/calendar/events/{made['id']}",
        f"/me/calendars/{calendar}/events/{made['id']}",
        f"/me/calendars('{calendar}')/events('{made['id']}')",
        f"/me/calendarGroups/{group}/calendars/{calendar}/events/{made['id']}",
        f"/users/{DANA}/calendarView/{made['id']}",
    ):
        assert client.get(path)["id"] == made["id"]
    for path in (
        f"/me/events/{made['id']}/instances/{first['id']}",
        f"/me/calendar/calendarView/{first['id']}",
    ):
        assert client.get(path)["id"] == first["id"]
    window = "startDateTime=2027-03-01&endDateTime=2027-04-30"
    for path in (
        "/me/calendarView/delta()",
        "/me/calendar/calendarView/delta()",
        f"/me/calendars/{calendar}/calendarView/microsoft.graph.delta()",
    ):
        assert made["id"] in {one["id"] for one in client.pages(f"{path}?{window}")[0]}


def test_folder_below_folders_is_reached_either_way(client: GraphClient) -> None:
    child = client.get("/me/mailFolders/inbox/childFolders?$filter=displayName eq 'Customers'")["value"][0]
    grandchild = client.get(f"/me/mailFolders/inbox/childFolders/{child['id']}/childFolders?$top=1")["value"][
        0
    ]
    path = f"/me/mailFolders/inbox/childFolders/{child['id']}/childFolders/{grandchild['id']}"
    assert client.get(path)["id"] == grandchild["id"]
    assert client.get(f"{path}/messages?$count=true")["@odata.count"] == grandchild["totalItemCount"]
    assert client.get("/me/mailFolders('INBOX')?$expand=childFolders")["childFolders"]


def test_a_line_break_in_a_path_is_an_error_of_graph(client: GraphClient) -> None:
    assert client.refused("GET", "/me/messages/a%0Ab") == (400, "ErrorInvalidIdMalformed")
    assert client.refused("GET", "/me/%0A") == (400, "BadRequest")
