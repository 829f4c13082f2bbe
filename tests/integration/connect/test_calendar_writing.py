"""A connected calendar is written by the API, over either method, with the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod

Company = Any
GUEST = "sales.three@harbourvale.example"
MEETING = {
    "subject": "Planning",
    "starts_at": "2027-03-01T10:00:00",
    "ends_at": "2027-03-01T10:30:00",
    "time_zone": "Europe/Berlin",
    "location": "Room 2",
    "html": "<p>Figures</p>",
    "attendees": [{"address": GUEST, "name": "Sales Three", "kind": "optional"}],
    "categories": ["Blue category"],
    "reminder_minutes": 10,
    "recurrence": {"pattern": "weekly", "days": ["monday"], "count": 6},
}
MARCH = {"from": "2027-03-01T00:00:00Z", "to": "2027-05-01T00:00:00Z"}


@pytest_asyncio.fixture
async def api(company: Company, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    _, key = await company.app.access.create_api_key(name="App", permissions=API_PERMISSIONS, actor=SYSTEM)
    client.headers["Authorization"] = f"Bearer {key.reveal()}"
    yield client
    del client.headers["Authorization"]


async def connect(company: Company, method: AccessMethod) -> Connection:
    await company.approve(method)
    await company.confirm(await company.go())
    live = [each for each in await company.connections() if each.status is ConnectionStatus.CONNECTED]
    (connection,) = live
    assert connection.method is method
    return connection


class Calendar:
    """The calendar of one connection."""

    def __init__(self, api: httpx.AsyncClient, connection: Connection) -> None:
        self._api = api
        self._path = f"/v1/connections/{connection.id}"

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self._api.request(method, f"{self._path}{path}", json=body, **options)

    async def march(self) -> list[tuple[str, str]]:
        answer = await self.ask("GET", "/events", params=MARCH)
        found = [each for each in answer.json()["items"] if "lanning" in each["subject"]]
        return [(each["starts_at"], each["subject"]) for each in found]

    async def ids(self) -> list[str]:
        answer = await self.ask("GET", "/events", params=MARCH)
        return [each["id"] for each in answer.json()["items"] if "lanning" in each["subject"]]


@pytest.mark.parametrize("method", list(AccessMethod))
async def test_a_series_is_booked_changed_split_and_called_off(
    company: Company, api: httpx.AsyncClient, method: AccessMethod
) -> None:
    calendar = Calendar(api, await connect(company, method))
    key = {"Idempotency-Key": "booking-1"}

    made = await calendar.ask("POST", "/events", MEETING, headers=key)
    again = await calendar.ask("POST", "/events", MEETING, headers=key)
    other = await calendar.ask("POST", "/events", {**MEETING, "subject": "Other"}, headers=key)

    assert made.status_code == 201, made.text
    assert again.json() == made.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["etag"] == made.headers["etag"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    series = made.json()
    assert series["kind"] == "series"
    assert series["recurrence"]["count"] == 6
    assert series["recurrence"]["starts_on"] == "2027-03-01"
    assert "Figures" in series["html"]
    assert series["attendees"][0]["kind"] == "optional"
    # Summer time begins on 28 March; the clock on the wall stands still at ten.
    assert [at for at, _ in await calendar.march()] == [
        f"2027-{day}T0{hour}:00:00Z"
        for day, hour in (("03-01", 9), ("03-08", 9), ("03-15", 9), ("03-22", 9), ("03-29", 8), ("04-05", 8))
    ]

    ids = await calendar.ids()
    read = await calendar.ask("GET", f"/events/{ids[1]}")
    tag = read.headers["etag"]
    unchanged = await calendar.ask("GET", f"/events/{ids[1]}", headers={"If-None-Match": tag})
    assert unchanged.status_code == 304
    moved = {
        "starts_at": "2027-03-09T15:00:00",
        "ends_at": "2027-03-09T16:00:00",
        "time_zone": "Europe/Berlin",
    }
    changed = await calendar.ask("PATCH", f"/events/{ids[1]}", moved, headers={"If-Match": tag})
    stale = await calendar.ask(
        "PATCH", f"/events/{ids[1]}", {"subject": "Too late"}, headers={"If-Match": tag}
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["kind"], changed.json()["starts_at"]) == ("exception", "2027-03-09T14:00:00Z")
    assert (stale.status_code, stale.json()["code"]) == (412, "version_changed")

    split = await calendar.ask(
        "PATCH",
        f"/events/{ids[3]}",
        {"subject": "Planning, new"},
        params={"scope": "following"},
        headers={"Idempotency-Key": "split-1"},
    )
    assert split.status_code == 200, split.text
    assert split.json()["id"] != series["id"]
    assert split.json()["recurrence"]["count"] == 3
    assert [name for _, name in await calendar.march()] == ["Planning"] * 3 + ["Planning, new"] * 3
    old = (await calendar.ask("GET", f"/events/{ids[0]}/series")).json()
    assert [each["original_starts_at"] for each in old["exceptions"]] == ["2027-03-08T09:00:00Z"]

    gone = await calendar.ask("DELETE", f"/events/{ids[2]}")
    cancelled = await calendar.ask("POST", f"/events/{split.json()['id']}/cancel", {"comment": "Not needed."})
    assert (gone.status_code, cancelled.status_code) == (204, 204)
    assert [at[:10] for at, _ in await calendar.march()] == ["2027-03-01", "2027-03-09"]


@pytest.mark.parametrize("method", list(AccessMethod))
async def test_free_times_are_found_and_differences_told(
    company: Company, api: httpx.AsyncClient, method: AccessMethod
) -> None:
    connection = await connect(company, method)
    calendar = Calendar(api, connection)
    await calendar.ask("POST", "/events", {**MEETING, "attendees": [], "recurrence": None})
    day = {"starts_at": "2027-03-01T00:00:00Z", "ends_at": "2027-03-02T00:00:00Z"}

    busy = await calendar.ask(
        "POST", "/free-busy", {"people": [connection.address, GUEST, "nobody@nowhere.example"], **day}
    )
    slots = await calendar.ask("POST", "/free-slots", {"people": [GUEST], "duration_minutes": 60, **day})
    capabilities = (await calendar.ask("GET", "/capabilities")).json()["calendar"]

    own, guest, nobody = busy.json()["items"]
    assert [(each["starts_at"], each["show_as"]) for each in own["busy"]] == [
        ("2027-03-01T09:00:00Z", "busy")
    ]
    assert guest["problem"] is None
    assert nobody["problem"] == "ErrorMailRecipientNotFound"
    starts = [each["starts_at"] for each in slots.json()["items"]]
    assert starts
    assert not {"2027-03-01T08:30:00Z", "2027-03-01T09:00:00Z"} & set(starts)
    assert slots.json()["unknown"] == []
    is_graph = method is AccessMethod.GRAPH
    assert (capabilities["online_meetings"], capabilities["can_stay_silent"]) == (is_graph, not is_graph)
    quiet = await calendar.ask("POST", "/events", MEETING, params={"notify": "false"})
    if is_graph:
        assert (quiet.status_code, quiet.json()["code"]) == (400, "not_over_this_method")
        assert quiet.json()["errors"][0]["field"] == "notify"
    else:
        assert quiet.status_code == 201


@pytest.mark.parametrize("fault", [{"truncate_after_bytes": 20}, {"garbage": True}])
async def test_answer_that_is_cut_short_on_the_way_books_one_meeting(
    company: Company, api: httpx.AsyncClient, fault: dict[str, Any]
) -> None:
    calendar = Calendar(api, await connect(company, AccessMethod.GRAPH))
    rule = {"route": "POST /v1.0/me/calendar/events", "count": 1, **fault}
    company.emulator.control("POST", "/faults", rule)
    key = {"Idempotency-Key": "cut"}

    answers = [await calendar.ask("POST", "/events", MEETING, headers=key) for _ in range(2)]

    company.emulator.control("DELETE", "/faults")
    assert answers[-1].status_code == 201, answers[-1].text
    assert len(await calendar.march()) == 6


WRONG = [
    {"starts_at": "yesterday"},
    {"starts_at": "2027-13-01T10:00:00"},
    {"starts_at": "0001-01-01T10:00:00"},
    {"ends_at": "2027-03-01T09:00:00"},
    {"ends_at": "2027-03-01T10:30:00Z"},
    {"time_zone": "Middle/Earth"},
    {"is_all_day": True},
    {"text": "and HTML"},
    {"attendees": [{"address": "no address"}]},
    {"attendees": [{"address": GUEST}, {"address": GUEST.upper()}]},
    {"recurrence": {"pattern": "weekly"}},
    {"recurrence": {"pattern": "daily", "count": 3, "ends_on": "2027-04-01"}},
    {"recurrence": {"pattern": "daily", "ends_on": "2027-02-30"}},
    {"recurrence": {"pattern": "relative_monthly", "days": ["monday", "friday"], "index": "first"}},
    {"subject": "two\nlines"},
    {"colour": "red"},
]


async def test_what_makes_no_event_is_refused_before_microsoft_is_asked(
    company: Company, api: httpx.AsyncClient
) -> None:
    calendar = Calendar(api, await connect(company, AccessMethod.GRAPH))
    for wrong in WRONG:
        answer = await calendar.ask("POST", "/events", {**MEETING, **wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), (wrong, answer.text)
    half = await calendar.ask("PATCH", "/events/AAkA", {"starts_at": "2027-03-01T10:00:00"})
    assert half.status_code in (400, 404)
    assert await calendar.march() == []
