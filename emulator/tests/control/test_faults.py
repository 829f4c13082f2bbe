"""Injected faults do what they say, where they say, as often as they say."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from browsing import Browser
from m365_emulator.pytest_plugin import RunningEmulator
from sample import HARBOUR, HTTP, TOM, App

DISCOVERY = f"/{HARBOUR}/v2.0/.well-known/openid-configuration"


def add(emulator: RunningEmulator, **rule: Any) -> dict[str, Any]:
    return emulator.control("POST", "/faults", rule)


def get(emulator: RunningEmulator, path: str = DISCOVERY) -> httpx.Response:
    return HTTP.get(emulator.http_url + path)


def test_status_body_and_headers(m365_emulator: RunningEmulator) -> None:
    add(
        m365_emulator, route="GET */.well-known/*", status=429, body="slow down", headers={"Retry-After": "7"}
    )

    answer = get(m365_emulator)

    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (429, "slow down", "7")
    assert get(m365_emulator, f"/{HARBOUR}/discovery/v2.0/keys").status_code == 200


def test_count_runs_out_and_clear_removes(m365_emulator: RunningEmulator) -> None:
    add(m365_emulator, status=503, count=2)
    assert [get(m365_emulator).status_code for _ in range(3)] == [503, 503, 200]

    rule = add(m365_emulator, status=500)
    assert get(m365_emulator).status_code == 500
    m365_emulator.control("DELETE", f"/faults/{rule['id']}")
    assert get(m365_emulator).status_code == 200


def test_probability_is_repeatable(m365_emulator: RunningEmulator) -> None:
    def run() -> list[int]:
        m365_emulator.control("DELETE", "/faults")
        add(m365_emulator, status=503, probability=0.5, seed=7)
        return [get(m365_emulator).status_code for _ in range(20)]

    first = run()

    assert first == run()
    assert set(first) == {200, 503}


def test_tenant_and_mailbox_conditions(m365_emulator: RunningEmulator, browser: Browser, app: App) -> None:
    app.approve(browser)
    headers = {"authorization": f"Bearer {app.tokens_for(browser, TOM)['access_token']}"}
    add(m365_emulator, tenant="hv-labs.example", status=500)
    add(m365_emulator, mailbox="sales.one@harbourvale.example", status=500)
    url = f"{app.base}/v1.0/me"
    assert HTTP.get(url, headers=headers).status_code == 200

    add(m365_emulator, mailbox="t.ellis@harbourvale.example", status=500)

    assert HTTP.get(url, headers=headers).status_code == 500


def test_truncation_ends_the_body_too_early(m365_emulator: RunningEmulator) -> None:
    add(m365_emulator, truncate_after_bytes=20)

    with pytest.raises(httpx.RemoteProtocolError):
        get(m365_emulator)


def test_reset_cuts_the_connection(m365_emulator: RunningEmulator) -> None:
    add(m365_emulator, reset=True)

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        get(m365_emulator)


def test_garbage_is_no_json(m365_emulator: RunningEmulator) -> None:
    add(m365_emulator, garbage=True)

    answer = get(m365_emulator)

    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()


def test_drip_sends_everything_in_pieces(m365_emulator: RunningEmulator) -> None:
    whole = get(m365_emulator).content
    add(m365_emulator, drip_bytes_per_second=5_000)

    with HTTP.stream("GET", m365_emulator.http_url + DISCOVERY) as answer:
        pieces = list(answer.iter_raw())

    assert b"".join(pieces) == whole
    assert len(pieces) > 1


def test_latency_does_not_change_the_answer(m365_emulator: RunningEmulator) -> None:
    add(m365_emulator, latency_ms=30)

    answer = get(m365_emulator)

    assert answer.status_code == 200
    assert m365_emulator.control("GET", "/requests")["requests"][0]["milliseconds"] >= 30


def test_faults_never_hit_the_controls(m365_emulator: RunningEmulator) -> None:
    add(m365_emulator, status=500)

    assert m365_emulator.control("GET", "/state")["faults"]
    assert get(m365_emulator, "/").status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {"statuss": 500},
        {"status": "500"},
        {"status": 42},
        {"probability": 2},
        {"notification": "eat"},
        {"drip_bytes_per_second": 0},
        {"id": "mine"},
    ],
)
def test_wrong_rules_are_refused(m365_emulator: RunningEmulator, rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        add(m365_emulator, **rule)


def test_notification_faults_are_asked_for_by_the_sender(m365_emulator: RunningEmulator) -> None:
    add(m365_emulator, notification="drop", route="*/messages*", count=1)
    faults = m365_emulator.world.faults

    assert get(m365_emulator).status_code == 200, "requests are not notifications"
    assert faults.for_notification("users/1/events", set(), set()) is None
    first = faults.for_notification("users/1/messages", set(), set())
    assert first is not None
    assert first.notification == "drop"
    assert faults.for_notification("users/1/messages", set(), set()) is None
