"""Limits per app and mailbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from graph_client import TOM, GraphClient

from m365_emulator.graph import throttle


def test_too_many_requests_are_429_until_the_window_has_passed(client: GraphClient) -> None:
    throttle.of(client.world).limits.requests = 3
    token = client.token()
    for _ in range(3):
        client.get("/me/mailFolders/inbox", token=token)
    response = client.send("GET", "/me/mailFolders/inbox", token=token)
    assert (response.status_code, response.json()["error"]["code"]) == (429, "ApplicationThrottled")
    assert 0 < int(response.headers["retry-after"]) <= 600
    assert client.send("GET", "/me/mailFolders/inbox", as_user=TOM).status_code == 200
    client.world.clock.advance(timedelta(minutes=11))
    client.get("/me/mailFolders/inbox", token=token)


def test_fifth_request_at_once_is_429(client: GraphClient) -> None:
    usage = throttle.of(client.world).usage
    client.get("/me/mailFolders/inbox")
    [own] = usage.values()
    own.running = 4
    response = client.send("GET", "/me/mailFolders/inbox")
    assert response.status_code == 429
    assert "MailboxConcurrency" in response.json()["error"]["message"]
    own.running = 0
    client.get("/me/mailFolders/inbox")


def test_requests_made_at_once_are_served_four_at_a_time(client: GraphClient) -> None:
    throttle.of(client.world).limits.hold_seconds = 0.05
    headers = {"Authorization": f"Bearer {client.token()}"}
    responses = client.http.together([("GET", "/v1.0/me/mailFolders/inbox", headers)] * 6)
    assert sorted(one.status_code for one in responses) == [200, 200, 200, 200, 429, 429]


def test_uploads_are_limited_by_bytes(client: GraphClient) -> None:
    throttle.of(client.world).limits.upload_bytes = 2000
    body: dict[str, Any] = {"subject": "x", "body": {"contentType": "text", "content": "x" * 1500}}
    client.post("/me/messages", body)
    assert client.refused("POST", "/me/messages", json=body) == (429, "ApplicationThrottled")
    client.get("/me/messages")


def test_one_upload_over_the_limit_is_429(client: GraphClient) -> None:
    throttle.of(client.world).limits.upload_bytes = 10
    assert client.refused("POST", "/me/messages", json={"subject": "longer than ten bytes"}) == (
        429,
        "ApplicationThrottled",
    )


def test_parts_of_a_batch_are_throttled_one_by_one(client: GraphClient) -> None:
    throttle.of(client.world).limits.requests = 2
    requests = [{"id": str(number), "method": "GET", "url": "/me/mailFolders/inbox"} for number in range(3)]
    answers = client.post("/$batch", {"requests": requests}, status=200)["responses"]
    assert [one["status"] for one in answers] == [200, 200, 429]
    assert answers[2]["headers"]["Retry-After"]
