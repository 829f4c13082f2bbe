"""Calendars: windows, series, exceptions, meetings between mailboxes, time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from graph_client import DANA, PRIYA, TOM, GraphClient

BERLIN = "W. Europe Standard Time"
TOM_SCOPES = ["Mail.ReadWrite", "Calendars.ReadWrite"]


def when(text: str, zone: str = "UTC") -> dict[str, str]:
    return {"dateTime": text, "timeZone": zone}


def event(
    start: str = "2027-01-12T10:00:00", end: str = "2027-01-12T11:00:00", zone: str = BERLIN, **values: Any
) -> dict[str, Any]:
    return {"subject": "Talk", "start": when(start, zone), "end": when(end, zone)} | values


def attendee(address: str, kind: str = "required") -> dict[str, Any]:
    return {"type": kind, "emailAddress": {"address": address}}


def weekly(count: int = 6, start: str = "2027-03-15") -> dict[str, Any]:
    return {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
        "range": {"type": "numbered", "startDate": start, "numberOfOccurrences": count},
    }


def window(client: GraphClient, start: str, end: str, **options: Any) -> list[Any]:
    return client.pages(f"/me/calendarView?endDateTime={end}&startDateTime={start}&$top=50", **options)[0]


def as_tom(client: GraphClient) -> str:
    return client.token(TOM, TOM_SCOPES)


def test_event_is_shown_in_utc_or_the_preferred_zone(client: GraphClient) -> None:
    created = client.post("/me/events", event(zone="Europe/Berlin"))
    assert created["start"] == {"dateTime": "2027-01-12T09:00:00.0000000", "timeZone": "UTC"}
    assert created["originalStartTimeZone"] == BERLIN
    response = client.send(
        "GET", f"/me/events/{created['id']}", headers={"Prefer": 'outlook.timezone="Tokyo Standard Time"'}
    )
    assert response.json()["start"] == {
        "dateTime": "2027-01-12T18:00:00.0000000",
        "timeZone": "Tokyo Standard Time",
    }


def test_series_keeps_its_wall_clock_time_over_the_change_to_summer_time(client: GraphClient) -> None:
    created = client.post(
        "/me/events", event("2027-03-15T10:00:00", "2027-03-15T11:00:00", recurrence=weekly(4))
    )
    assert created["type"] == "seriesMaster"
    found = [
        one for one in window(client, "2027-03-14", "2027-04-30") if one["seriesMasterId"] == created["id"]
    ]
    assert [one["start"]["dateTime"][:16] for one in found] == [
        "2027-03-15T09:00",
        "2027-03-22T09:00",
        "2027-03-29T08:00",
        "2027-04-05T08:00",
    ]
    assert {one["type"] for one in found} == {"occurrence"}
    instances, _ = client.pages(
        f"/me/events/{created['id']}/instances?startDateTime=2027-03-14&endDateTime=2027-04-30"
    )
    assert [one["id"] for one in instances] == [one["id"] for one in found]
    assert len({one["iCalUId"] for one in found}) == 4


@pytest.mark.parametrize(
    ("pattern", "dates"),
    [
        ({"type": "daily", "interval": 3}, ["2027-01-29", "2027-02-01", "2027-02-04"]),
        (
            {"type": "weekly", "interval": 2, "daysOfWeek": ["friday", "sunday"], "firstDayOfWeek": "monday"},
            ["2027-01-29", "2027-01-31", "2027-02-12"],
        ),
        (
            {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
            ["2027-01-31", "2027-02-28", "2027-03-31"],
        ),
        (
            {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["friday"], "index": "last"},
            ["2027-01-29", "2027-02-26", "2027-03-26"],
        ),
        (
            {"type": "relativeMonthly", "interval": 2, "daysOfWeek": ["monday", "tuesday"], "index": "first"},
            ["2027-03-01", "2027-05-03", "2027-07-05"],
        ),
        (
            {"type": "absoluteYearly", "interval": 1, "dayOfMonth": 29, "month": 2},
            ["2027-02-28", "2028-02-29", "2029-02-28"],
        ),
        (
            {
                "type": "relativeYearly",
                "interval": 1,
                "daysOfWeek": ["thursday"],
                "month": 11,
                "index": "fourth",
            },
            ["2027-11-25", "2028-11-23", "2029-11-22"],
        ),
    ],
)
def test_every_pattern_expands(client: GraphClient, pattern: dict[str, Any], dates: list[str]) -> None:
    span = {"type": "numbered", "startDate": "2027-01-29", "numberOfOccurrences": 3}
    created = client.post(
        "/me/events",
        event("2027-01-29T10:00:00", "2027-01-29T11:00:00", recurrence={"pattern": pattern, "range": span}),
    )
    found = client.get(
        f"/me/events/{created['id']}/instances?startDateTime=2027-01-01&endDateTime=2030-01-01"
    )["value"]
    assert [one["start"]["dateTime"][:10] for one in found] == dates


def test_changed_occurrence_is_an_exception_and_a_deleted_one_is_cancelled(client: GraphClient) -> None:
    created = client.post(
        "/me/events", event("2027-03-15T10:00:00", "2027-03-15T11:00:00", recurrence=weekly(4))
    )
    path = f"/me/events/{created['id']}"
    first, second, *_ = client.get(f"{path}/instances?startDateTime=2027-03-14&endDateTime=2027-04-30")[
        "value"
    ]
    changed = client.patch(
        f"/me/events/{first['id']}",
        {
            "subject": "Moved",
            "start": when("2027-03-16T10:00:00", BERLIN),
            "end": when("2027-03-16T11:00:00", BERLIN),
        },
    )
    assert (changed["type"], changed["id"], changed["originalStart"]) == (
        "exception",
        first["id"],
        "2027-03-15T09:00:00Z",
    )
    client.delete(f"/me/events/{second['id']}")
    assert client.refused("GET", f"/me/events/{second['id']}") == (404, "ErrorItemNotFound")
    left = client.get(f"{path}/instances?startDateTime=2027-03-14&endDateTime=2027-04-30")["value"]
    assert [(one["type"], one["subject"]) for one in left] == [
        ("exception", "Moved"),
        ("occurrence", "Talk"),
        ("occurrence", "Talk"),
    ]
    master = client.get(f"{path}?$select=cancelledOccurrences&$expand=exceptionOccurrences")
    assert master["cancelledOccurrences"] == [f"OID.{created['id']}.2027-03-22"]
    assert [one["id"] for one in master["exceptionOccurrences"]] == [first["id"]]
    assert client.get(f"{path}/exceptionOccurrences")["value"][0]["subject"] == "Moved"


def test_occurrence_may_not_cross_its_neighbour(client: GraphClient) -> None:
    created = client.post(
        "/me/events", event("2027-03-15T10:00:00", "2027-03-15T11:00:00", recurrence=weekly(4))
    )
    first = client.get(
        f"/me/events/{created['id']}/instances?startDateTime=2027-03-14&endDateTime=2027-04-30"
    )["value"][0]
    late = {"start": when("2027-03-23T10:00:00", BERLIN), "end": when("2027-03-23T11:00:00", BERLIN)}
    assert client.refused("PATCH", f"/me/events/{first['id']}", json=late) == (
        400,
        "ErrorOccurrenceCrossingBoundary",
    )


def test_all_day_event_needs_midnight_and_shows_its_date_in_every_zone(client: GraphClient) -> None:
    wrong = event(isAllDay=True)
    assert client.refused("POST", "/me/events", json=wrong)[0] == 400
    created = client.post("/me/events", event("2027-01-12T00:00:00", "2027-01-13T00:00:00", isAllDay=True))
    assert created["start"]["dateTime"] == "2027-01-12T00:00:00.0000000"
    assert created["end"]["dateTime"] == "2027-01-13T00:00:00.0000000"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "ErrorInvalidParameter"),
        ("?startDateTime=2027-01-01", "ErrorInvalidParameter"),
        ("?startDateTime=2027-01-01&endDateTime=x", "ErrorInvalidParameter"),
        ("?startDateTime=2027-02-01&endDateTime=2027-01-01", "ErrorInvalidParameter"),
        ("?startDateTime=2020-01-01&endDateTime=2030-01-01", "ErrorCalendarViewRangeTooBig"),
        ("?startDateTime=0001-01-01T00:00:00%2B14:00&endDateTime=2030-01-01", "ErrorInvalidParameter"),
    ],
)
def test_view_needs_a_window_it_can_serve(client: GraphClient, query: str, code: str) -> None:
    assert client.refused("GET", f"/me/calendarView{query}") == (400, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"subject": "x"}, "ErrorRequiredPropertyMissing"),
        (event(zone="Nowhere"), "TimeZoneNotSupportedException"),
        (event(start="yesterday"), "ErrorPropertyValidationFailure"),
        (event(end="2027-01-12T09:00:00"), "ErrorPropertyValidationFailure"),
        (event(nothing=1), "RequestBodyRead"),
        (event(showAs="asleep"), "RequestBroker--ParseUri"),
        (event(attendees=[{"emailAddress": {"address": "x"}}]), "ErrorInvalidRecipients"),
        (
            event(
                recurrence={
                    "pattern": {"type": "weekly"},
                    "range": {"type": "noEnd", "startDate": "2027-01-12"},
                }
            ),
            "ErrorPropertyValidationFailure",
        ),
        (
            event(recurrence={"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd"}}),
            "ErrorInvalidRequest",
        ),
        (event(isOnlineMeeting=True, onlineMeetingProvider="skypeForConsumer"), "ErrorInvalidRequest"),
    ],
)
def test_wrong_event_is_400(client: GraphClient, body: dict[str, Any], code: str) -> None:
    assert client.refused("POST", "/me/events", json=body) == (400, code)


def test_transaction_id_makes_creation_repeatable(client: GraphClient) -> None:
    first = client.post("/me/events", event(transactionId="t-1"))
    again = client.post("/me/events", event(transactionId="t-1"))
    assert again["id"] == first["id"]
    assert again["transactionId"] == "t-1"
    assert client.post("/me/events", event(transactionId=None))["id"] != first["id"]


def test_meeting_travels_to_its_attendees_and_answers_come_back(client: GraphClient) -> None:
    created = client.post("/me/events", event(attendees=[attendee(TOM), attendee(PRIYA, "optional")]))
    token = as_tom(client)
    request = client.get("/me/mailFolders/inbox/messages?$top=1", token=token)["value"][0]
    assert request["@odata.type"] == "#microsoft.graph.eventMessageRequest"
    assert (request["meetingMessageType"], request["meetingRequestType"]) == (
        "meetingRequest",
        "newMeetingRequest",
    )
    theirs = client.get(f"/me/messages/{request['id']}/microsoft.graph.eventMessage/event", token=token)
    assert (theirs["iCalUId"], theirs["isOrganizer"], theirs["showAs"]) == (
        created["iCalUId"],
        False,
        "tentative",
    )
    assert theirs["id"] != created["id"]
    expanded = client.get(
        f"/me/messages/{request['id']}?$expand=microsoft.graph.eventMessage/event", token=token
    )
    assert expanded["event"]["id"] == theirs["id"]
    client.post(
        f"/me/events/{theirs['id']}/accept",
        {"Comment": "Fine", "SendResponse": True},
        status=202,
        token=token,
    )
    assert client.get(f"/me/events/{theirs['id']}", token=token)["responseStatus"]["response"] == "accepted"
    mine = client.get(f"/me/events/{created['id']}")
    answers = {one["emailAddress"]["address"]: one["status"]["response"] for one in mine["attendees"]}
    assert answers == {TOM: "accepted", PRIYA: "none"}
    answer = client.get("/me/mailFolders/inbox/messages?$top=1")["value"][0]
    assert (answer["@odata.type"], answer["responseType"]) == (
        "#microsoft.graph.eventMessageResponse",
        "accepted",
    )


def test_update_reaches_attendees_and_resets_answers(client: GraphClient) -> None:
    created = client.post("/me/events", event(attendees=[attendee(TOM)]))
    token = as_tom(client)
    theirs = client.get("/me/events?$filter=subject eq 'Talk'", token=token)["value"][0]
    client.post(f"/me/events/{theirs['id']}/accept", {}, status=202, token=token)
    client.patch(
        f"/me/events/{created['id']}",
        {"start": when("2027-01-13T10:00:00"), "end": when("2027-01-13T11:00:00")},
    )
    moved = client.get(f"/me/events/{theirs['id']}", token=token)
    assert moved["start"]["dateTime"][:16] == "2027-01-13T10:00"
    assert moved["responseStatus"]["response"] == "notResponded"
    update, first = client.get(
        "/me/mailFolders/inbox/messages?$top=2&$filter=contains(subject,'Talk')", token=token
    )["value"]
    assert (update["isOutOfDate"], first["isOutOfDate"]) == (False, True)
    assert update["meetingRequestType"] == "fullUpdate"
    assert update["previousStartDateTime"]["dateTime"][:16] == "2027-01-12T09:00"
    client.patch(f"/me/events/{created['id']}", {"attendees": []})
    assert client.get(f"/me/events/{theirs['id']}", token=token)["isCancelled"]


def test_decline_removes_the_meeting_and_may_propose_a_time(client: GraphClient) -> None:
    created = client.post("/me/events", event(attendees=[attendee(TOM)]))
    token = as_tom(client)
    theirs = client.get("/me/events?$filter=subject eq 'Talk'", token=token)["value"][0]
    proposal = {"start": when("2027-01-14T10:00:00"), "end": when("2027-01-14T11:00:00")}
    assert (
        client.refused(
            "POST", f"/me/events/{theirs['id']}/accept", json={"proposedNewTime": proposal}, token=token
        )[0]
        == 400
    )
    client.post(f"/me/events/{theirs['id']}/decline", {"proposedNewTime": proposal}, status=202, token=token)
    assert client.refused("GET", f"/me/events/{theirs['id']}", token=token)[0] == 404
    mine = client.get(f"/me/events/{created['id']}")["attendees"][0]
    assert mine["status"]["response"] == "declined"
    assert mine["proposedNewTime"]["start"]["dateTime"][:16] == "2027-01-14T10:00"


def test_organizer_cancels_but_does_not_answer(client: GraphClient) -> None:
    created = client.post("/me/events", event(attendees=[attendee(TOM)]))
    token = as_tom(client)
    theirs = client.get("/me/events?$filter=subject eq 'Talk'", token=token)["value"][0]
    assert client.refused("POST", f"/me/events/{created['id']}/accept", json={}) == (
        400,
        "ErrorInvalidRequest",
    )
    assert client.refused("POST", f"/me/events/{theirs['id']}/cancel", json={}, token=token) == (
        400,
        "ErrorInvalidRequest",
    )
    client.post(f"/me/events/{created['id']}/cancel", {"comment": "Ill"}, status=202)
    assert client.get(f"/me/events/{theirs['id']}", token=token)["isCancelled"]
    notice = client.get("/me/mailFolders/inbox/messages?$top=1", token=token)["value"][0]
    assert (notice["subject"], notice["meetingMessageType"]) == ("Canceled: Talk", "meetingCancelled")


def test_one_occurrence_of_a_meeting_is_changed_and_cancelled_for_everyone(client: GraphClient) -> None:
    body = event(
        "2027-03-15T10:00:00", "2027-03-15T11:00:00", recurrence=weekly(3), attendees=[attendee(TOM)]
    )
    created = client.post("/me/events", body)
    first, second, _ = client.get(
        f"/me/events/{created['id']}/instances?startDateTime=2027-03-14&endDateTime=2027-04-30"
    )["value"]
    client.patch(f"/me/events/{first['id']}", {"subject": "Elsewhere", "location": {"displayName": "Room 2"}})
    client.delete(f"/me/events/{second['id']}")
    theirs = window(client, "2027-03-14", "2027-04-30", token=as_tom(client))
    assert [
        (one["subject"], one["location"]["displayName"])
        for one in theirs
        if one["organizer"]["emailAddress"]["address"] == DANA
    ] == [("Elsewhere", "Room 2"), ("Talk", "")]


def test_forwarded_meeting_adds_an_attendee(client: GraphClient) -> None:
    created = client.post("/me/events", event(attendees=[attendee(TOM)]))
    body = {"ToRecipients": [{"emailAddress": {"address": PRIYA}}], "Comment": "Join us"}
    client.post(f"/me/events/{created['id']}/forward", body, status=202)
    addresses = [
        one["emailAddress"]["address"] for one in client.get(f"/me/events/{created['id']}")["attendees"]
    ]
    assert addresses == [TOM, PRIYA]
    received = client.get("/me/events?$filter=subject eq 'Talk'", token=client.token(PRIYA, TOM_SCOPES))
    assert len(received["value"]) == 1


def test_online_meeting_gets_a_join_url(client: GraphClient) -> None:
    created = client.post("/me/events", event(isOnlineMeeting=True, onlineMeetingProvider="teamsForBusiness"))
    assert created["isOnlineMeeting"]
    assert created["onlineMeeting"]["joinUrl"].startswith("http://testserver/")
    assert client.patch(f"/me/events/{created['id']}", {"isOnlineMeeting": False})["isOnlineMeeting"]


def test_calendars_are_made_used_and_deleted(client: GraphClient) -> None:
    made = client.post("/me/calendars", {"name": "Holidays", "color": "lightBlue"})
    inside = client.post(f"/me/calendars/{made['id']}/events", event())
    assert client.get(f"/me/calendars/{made['id']}/events/{inside['id']}")["id"] == inside["id"]
    assert client.get(f"/me/events/{inside['id']}/calendar")["name"] == "Holidays"
    assert inside["id"] not in {one["id"] for one in client.pages("/me/events?$top=100")[0]}
    view = client.get(
        f"/me/calendars/{made['id']}/calendarView?startDateTime=2027-01-12&endDateTime=2027-01-13"
    )["value"]
    assert [one["id"] for one in view] == [inside["id"]]
    assert {one["name"] for one in client.get("/me/calendars")["value"]} == {"Calendar", "Holidays"}
    assert client.patch(f"/me/calendars/{made['id']}", {"name": "Closed days"})["name"] == "Closed days"
    client.delete(f"/me/calendars/{made['id']}")
    assert client.refused("DELETE", f"/me/calendars/{client.get('/me/calendar')['id']}")[0] == 403
    assert client.get("/me/calendarGroups")["value"][0]["name"] == "My Calendars"


def test_schedule_shows_busy_times_of_several_people(client: GraphClient) -> None:
    # In the small hours: what the sample company has in its calendars lies in working hours, whatever day it is today.
    client.post("/me/events", event("2027-05-11T01:00:00", "2027-05-11T02:00:00", zone="UTC"))
    client.post("/me/events", event("2027-05-11T03:00:00", "2027-05-11T03:30:00", zone="UTC", showAs="oof"))
    body = {
        "Schedules": [DANA, "nobody@harbourvale.example"],
        "StartTime": when("2027-05-11T00:00:00"),
        "EndTime": when("2027-05-11T04:00:00"),
        "availabilityViewInterval": 60,
    }
    for caller, sees_subject in ((DANA, True), (TOM, False)):
        token = client.token(caller, ["Calendars.Read"])
        mine, nobody = client.post("/me/calendar/getSchedule", body, status=200, token=token)["value"]
        assert mine["availabilityView"] == "0203"
        assert [one["status"] for one in mine["scheduleItems"]] == ["busy", "oof"]
        assert ("subject" in mine["scheduleItems"][0]) is sees_subject
        assert nobody["error"]["responseCode"] == "ErrorMailRecipientNotFound"
    assert (
        client.refused("POST", "/me/calendar/getSchedule", json={**body, "availabilityViewInterval": 1})[0]
        == 400
    )
    assert (
        client.refused(
            "POST", "/me/calendar/getSchedule", json={**body, "EndTime": when("2027-05-10T09:00:00")}
        )[0]
        == 400
    )


def test_meeting_times_avoid_what_is_taken(client: GraphClient) -> None:
    client.post(
        "/me/events",
        event("2027-05-11T09:00:00", "2027-05-11T11:00:00", zone="UTC"),
        as_user=TOM,
        token=as_tom(client),
    )
    slot = {"start": when("2027-05-11T09:00:00"), "end": when("2027-05-11T12:00:00")}
    body = {
        "attendees": [attendee(TOM)],
        "meetingDuration": "PT1H",
        "timeConstraint": {"activityDomain": "unrestricted", "timeSlots": [slot]},
        "minimumAttendeePercentage": 100,
    }
    found = client.post("/me/findMeetingTimes", body, status=200)
    starts = [one["meetingTimeSlot"]["start"]["dateTime"][:16] for one in found["meetingTimeSuggestions"]]
    assert starts == ["2027-05-11T11:00"]
    none = client.post("/me/findMeetingTimes", {**body, "meetingDuration": "PT2H"}, status=200)
    assert none["emptySuggestionsReason"] == "attendeesUnavailable"
    assert client.refused("POST", "/me/findMeetingTimes", json={"meetingDuration": "long"})[0] == 400


def test_reminders_come_from_a_function_call(client: GraphClient) -> None:
    client.post(
        "/me/events",
        event(
            "2027-05-11T10:00:00",
            "2027-05-11T11:00:00",
            zone="UTC",
            reminderMinutesBeforeStart=30,
            isReminderOn=True,
        ),
    )
    path = "/me/reminderView(StartDateTime='2027-05-11T09:00:00Z',EndDateTime='2027-05-11T10:00:00Z')"
    found = client.get(path)["value"]
    assert [(one["eventSubject"], one["reminderFireTime"]["dateTime"][:16]) for one in found] == [
        ("Talk", "2027-05-11T09:30")
    ]


def test_generated_calendar_has_series_with_exceptions_and_cancellations(client: GraphClient) -> None:
    now = datetime.now(UTC)
    start, end = (now - timedelta(days=80)).date(), (now + timedelta(days=60)).date()
    types = {one["type"] for one in window(client, start.isoformat(), end.isoformat())}
    assert types == {"singleInstance", "occurrence", "exception"}


def test_attachment_of_an_occurrence_makes_it_an_exception(client: GraphClient) -> None:
    created = client.post(
        "/me/events", event("2027-03-15T10:00:00", "2027-03-15T11:00:00", recurrence=weekly(2))
    )
    first, second = client.get(
        f"/me/events/{created['id']}/instances?startDateTime=2027-03-14&endDateTime=2027-04-30"
    )["value"]
    attached = client.post(
        f"/me/events/{first['id']}/attachments",
        {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "aGk="},
    )
    assert client.get(f"/me/events/{first['id']}/attachments/{attached['id']}")["contentBytes"] == "aGk="
    assert client.get(f"/me/events/{first['id']}")["type"] == "exception"
    assert client.get(f"/me/events/{second['id']}/attachments")["value"] == []


def test_deleted_event_is_no_message_of_deleted_items(client: GraphClient) -> None:
    delta = "/me/mailFolders/deleteditems/messages/delta"
    _, link = client.pages(delta)
    assert link is not None
    before = client.get("/me/mailFolders/deleteditems/messages?$count=true")["@odata.count"]
    created = client.post("/me/events", event())
    client.delete(f"/me/events/{created['id']}")
    assert client.get("/me/mailFolders/deleteditems/messages?$count=true")["@odata.count"] == before
    assert len(client.pages("/me/messages?$top=50")[0]) == len(client.mailbox().all_mail())
    assert client.pages(link)[0] == []
    assert client.pages(delta)[1]
