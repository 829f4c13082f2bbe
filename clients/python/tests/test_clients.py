"""How calls are made: what is repeated, what is not, what failures become. The same for both clients."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from ostiary_client import (
    APIError,
    AsyncOstiary,
    BadAnswer,
    Conflict,
    FeedCursorExpired,
    NoAnswer,
    NotFound,
    Ostiary,
    OstiaryError,
    RateLimited,
    Retries,
    SendUnconfirmed,
    ServiceBroken,
    TemporarilyUnavailable,
    VersionChanged,
)

KEY = "ost_very-secret"
FOLDERS = {"items": [], "next_cursor": None}
SENT = {"delivery": "sent", "message_id": None, "internet_message_id": None, "deliver_at": None}
Reply = httpx.Response | Exception


def problem(status: int, code: str, *, after: str | None = None, **more: Any) -> httpx.Response:
    headers = {} if after is None else {"Retry-After": after}
    body = {"status": status, "code": code, "detail": "It went wrong.", "request_id": "RQ-1", **more}
    return httpx.Response(status, json=body, headers=headers)


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A network that answers what it is told, one reply after the other."""

    def __init__(self, *replies: Reply) -> None:
        self._replies: Iterator[Reply] = iter(replies)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.read())
        return self._next(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(await request.aread())
        return self._next(request)

    def _next(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = next(self._replies)
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


class Person:
    """Uses one of the two clients; waits are written down and not waited for."""

    def __init__(self, kind: str, pauses: list[float]) -> None:
        self.kind = kind
        self.pauses = pauses

    def call(self, wire: Wire, use: Callable[[Any], Any], **options: Any) -> Any:
        """Return what ``use`` gets; lists are read to their end."""
        if self.kind == "sync":
            with Ostiary("https://connect.larkspur.example/", KEY, transport=wire, **options) as client:
                found = use(client)
                return list(found) if hasattr(found, "__iter__") and not isinstance(found, tuple) else found

        async def run() -> Any:
            async with AsyncOstiary(
                "https://connect.larkspur.example", KEY, transport=wire, **options
            ) as client:
                found = use(client)
                return [each async for each in found] if hasattr(found, "__aiter__") else await found

        return asyncio.run(run())


@pytest.fixture(params=["sync", "async"])
def person(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Person:
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    # Only the client's own view of these modules: other threads of this process sleep, too.
    monkeypatch.setattr("ostiary_client.drivers.time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(
        "ostiary_client.drivers.asyncio", SimpleNamespace(sleep=note, to_thread=asyncio.to_thread)
    )
    return Person(request.param, pauses)


def read(client: Any) -> Any:
    return client.mail.folders("con_1")


def send(client: Any) -> Any:
    return client.mail.send("con_1", to="dana.okafor@harbourvale.example", subject="x", text="x")


def move(client: Any) -> Any:
    return client.mail.move("con_1", "m1", "archive")


def test_a_reading_call_is_repeated_until_the_service_is_back(person: Person) -> None:
    wire = Wire(
        httpx.ConnectError("refused"),
        httpx.Response(502, text="<html>proxy</html>"),
        problem(503, "temporarily_unavailable"),
        httpx.Response(200, json=FOLDERS),
    )

    assert person.call(wire, read) == []
    assert len(wire.requests) == 4
    for number, pause in enumerate(person.pauses):
        assert 0.25 * 2**number <= pause <= 0.5 * 2**number


def test_retry_after_is_waited_for_and_a_little_longer(person: Person) -> None:
    wire = Wire(problem(429, "rate_limited", after="7"), httpx.Response(200, json=FOLDERS))

    person.call(wire, read)

    (pause,) = person.pauses
    assert 7 <= pause <= 8


def test_a_wait_longer_than_agreed_is_left_to_the_caller(person: Person) -> None:
    with pytest.raises(RateLimited) as refused:
        person.call(Wire(problem(429, "rate_limited", after="61")), read)

    assert refused.value.retry_after_seconds == 61
    assert person.pauses == []


def test_repeating_ends(person: Person) -> None:
    wire = Wire(*[problem(503, "throttled") for _ in range(3)])

    with pytest.raises(TemporarilyUnavailable):
        person.call(wire, read, retries=Retries(most=2))

    assert len(wire.requests) == 3


def test_a_send_is_repeated_with_one_key(person: Person) -> None:
    wire = Wire(
        httpx.ReadTimeout("slow"),
        problem(409, "idempotent_call_running"),
        problem(503, "send_unconfirmed", after="1"),
        httpx.Response(202, json=SENT),
    )

    assert person.call(wire, send).delivery == "sent"
    (key,) = {request.headers["Idempotency-Key"] for request in wire.requests}
    assert len(key) == 36
    assert len(set(wire.bodies)) == 1


def test_two_sends_have_two_keys_and_a_given_key_is_kept(person: Person) -> None:
    wire = Wire(*[httpx.Response(202, json=SENT) for _ in range(3)])

    person.call(wire, send)
    person.call(wire, send)
    person.call(
        wire, lambda client: client.mail.send("con_1", to="a@b.example", subject="x", idempotency_key="mine")
    )

    keys = [request.headers["Idempotency-Key"] for request in wire.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


@pytest.mark.parametrize("reply", [problem(503, "throttled", after="1"), httpx.ReadError("gone")])
def test_a_call_that_might_do_its_work_twice_is_made_once(person: Person, reply: Reply) -> None:
    wire = Wire(reply)

    with pytest.raises(TemporarilyUnavailable if isinstance(reply, httpx.Response) else NoAnswer):
        person.call(wire, move)

    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (problem(404, "not_found"), NotFound),
        (problem(409, "something_new"), Conflict),
        (problem(410, "feed_cursor_expired"), FeedCursorExpired),
        (problem(412, "version_changed"), VersionChanged),
        (problem(418, "something_newer"), APIError),
        (problem(500, "internal_error"), ServiceBroken),
        (problem(502, "provider_contract_broken"), ServiceBroken),
        (httpx.Response(404, text="<html>another site</html>"), BadAnswer),
        (httpx.Response(301, headers={"Location": "https://elsewhere.example/"}), BadAnswer),
        (httpx.Response(200, text="<html>a proxy’s page</html>"), BadAnswer),
        (httpx.Response(200, json={"items": [{"id": 1}], "next_cursor": None}), BadAnswer),
    ],
)
def test_failures_are_named_and_not_repeated(
    person: Person, reply: httpx.Response, kind: type[OstiaryError]
) -> None:
    wire = Wire(reply)

    with pytest.raises(OstiaryError) as failed:
        person.call(wire, read)

    assert type(failed.value) is kind
    assert len(wire.requests) == 1
    assert "html" not in str(failed.value)


def test_a_failure_tells_what_support_needs(person: Person) -> None:
    reply = problem(
        409,
        "reauthorization_required",
        reason="sign_in_needed",
        ref="CO-9D1M-7VHE",
        errors=[{"field": "to", "problem": "missing"}],
    )

    with pytest.raises(APIError) as failed:
        person.call(Wire(reply), read)

    error = failed.value
    assert (error.status, error.reason, error.ref, error.request_id) == (
        409,
        "sign_in_needed",
        "CO-9D1M-7VHE",
        "RQ-1",
    )
    assert error.fields[0].field == "to"
    assert "sign_in_needed" in str(error)


def test_a_redirect_gets_no_key(person: Person) -> None:
    wire = Wire(httpx.Response(307, headers={"Location": "https://elsewhere.example/"}))

    with pytest.raises(BadAnswer):
        person.call(wire, read)

    assert [request.url.host for request in wire.requests] == ["connect.larkspur.example"]


def test_an_upload_is_repeated_only_where_its_bytes_are_at_hand(person: Person) -> None:
    attachment = {"id": "a1", "name": "f", "content_type": "text/csv", "size_bytes": 3, "is_inline": False}
    done = httpx.Response(201, json=attachment | {"content_id": None})
    whole = Wire(httpx.ReadError("gone"), done)
    person.call(whole, lambda client: client.mail.attach("con_1", "m1", "f", b"abc"))
    stream = Wire(httpx.ReadError("gone"))
    with pytest.raises(NoAnswer):
        person.call(stream, lambda client: client.mail.attach("con_1", "m1", "f", io.BytesIO(b"abc")))

    assert whole.bodies == [b"abc", b"abc"]
    assert stream.bodies == [b"abc"]
    assert stream.requests[0].headers["Content-Length"] == "3"
    assert "Transfer-Encoding" not in stream.requests[0].headers


def test_ids_cannot_leave_their_place_in_the_path(person: Person) -> None:
    wire = Wire(httpx.Response(200, json=FOLDERS))

    person.call(wire, lambda client: client.mail.folders("../organizations?x#y"))

    assert wire.requests[0].url.raw_path == b"/v1/connections/..%2Forganizations%3Fx%23y/folders"


def test_nothing_shows_the_key() -> None:
    client = Ostiary("https://connect.larkspur.example", KEY)
    shown = [
        repr(client),
        str(client),
        repr(client.mail),
        repr(client.mail.driver),
        repr(client.mail.driver.wire),
    ]

    assert not any("secret" in words for words in shown)
    for wrong in ("", f"{KEY}\n", f"{KEY}\u2026"):
        with pytest.raises(ValueError) as mistake:
            Ostiary("https://connect.larkspur.example", wrong)
        assert "secret" not in str(mistake.value)
    client.close()


def test_a_change_seen_is_a_change_that_the_cursor_is_past(person: Person) -> None:
    def change(number: int) -> dict[str, Any]:
        return {
            "id": f"evt_{number}",
            "sequence": number,
            "type": "message.created",
            "organization_id": "org_1",
            "connection_id": "con_1",
            "occurred_at": "2026-11-24T12:00:00Z",
            "data": {"message_id": "m", "to": ["a"]},
        }

    pages = [
        {"items": [change(1), change(2)], "next_cursor": "c2", "has_more": True},
        {"items": [change(3)], "next_cursor": "c3", "has_more": False},
    ]
    wire = Wire(*[httpx.Response(200, content=json.dumps(page)) for page in pages])
    cursors: list[str | None] = []

    class Watched:
        """Notes the cursor whenever a change was handed out."""

        def __init__(self, feed: Any) -> None:
            self._feed = feed

        def __iter__(self) -> Iterator[Any]:
            for each in self._feed:
                cursors.append(self._feed.cursor)
                yield each

        async def __aiter__(self) -> Any:
            async for each in self._feed:
                cursors.append(self._feed.cursor)
                yield each

    if person.kind == "sync":
        del Watched.__aiter__
    else:
        del Watched.__iter__
    seen = person.call(
        wire, lambda client: Watched(client.changes.follow("con_1", cursor="c0", wait_seconds=0))
    )

    assert [each.sequence for each in seen] == [1, 2, 3]
    assert cursors == ["c0", "c2", "c3"]
    assert [request.url.params["cursor"] for request in wire.requests] == ["c0", "c2"]
    assert seen[0].data["to"] == ("a",)


def test_the_send_that_stays_unclear_says_so(person: Person) -> None:
    with pytest.raises(SendUnconfirmed):
        person.call(Wire(problem(503, "send_unconfirmed")), send, retries=Retries(most=0))
