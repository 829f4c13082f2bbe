"""API keys and operators, as operators, programs and machines meet them (SR-52, SR-57, SR-60, SR-61, SR-110)."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest_asyncio
from pydantic import SecretStr

from ostiary.bootstrap import Services, application
from ostiary.core.access.model import Permission
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.browser import FIELD
from ostiary.settings import Settings

from .test_role_matrix import form_token
from .test_step_up import ORIGIN, cookies, operator_session

METRICS_TOKEN = "m" * 32


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    guarded = settings.model_copy(update={"metrics_token": SecretStr(METRICS_TOKEN)})
    async with application(guarded, clock=clock) as services:
        yield services


def at(services: Services, *, peer: str = "192.0.2.7") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(services), client=(peer, 5000))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"origin": ORIGIN})


@pytest_asyncio.fixture
async def browser(running: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with at(running) as opened:
        yield opened


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def key_on(page: httpx.Response) -> str:
    found = re.search(r"ost_[0-9a-z]{26}_[0-9a-z]{52}_[0-9a-z]{7}", html.unescape(page.text))
    assert found is not None
    return found[0]


async def press(
    browser: httpx.AsyncClient, session: Secret, path: str, **fields: str | list[str]
) -> httpx.Response:
    return await browser.post(path, data={FIELD: form_token(), **fields}, headers=cookies(session))


async def test_a_key_is_made_shown_once_replaced_and_revoked_on_the_pages(
    running: Services, browser: httpx.AsyncClient
) -> None:
    session = await operator_session(running)
    made = await press(
        browser,
        session,
        "/operator/keys",
        name="Larkspur <backend>",
        permission=["api.read", "metrics.read"],
        days="30",
        networks="192.0.2.0/24, 2001:db8::/32",
    )
    first = key_on(made)
    assert (await browser.get("/v1/organizations", headers=bearer(first))).status_code == 200
    listed = await browser.get("/operator/keys", headers=cookies(session))
    assert "Larkspur &lt;backend&gt;" in listed.text
    assert "192.0.2.0/24, 2001:db8::/32" in listed.text
    assert first.split("_")[2] not in listed.text
    (key,) = await running.access.list_api_keys()
    assert key.created_by == "First operator"

    second = key_on(await press(browser, session, f"/operator/keys/{key.id}/rotate"))
    for each in (first, second):
        assert (await browser.get("/v1/organizations", headers=bearer(each))).status_code == 200
    assert "Being replaced" in (await browser.get("/operator/keys", headers=cookies(session))).text
    again = await press(browser, session, f"/operator/keys/{key.id}/rotate")
    assert again.headers["location"] == "/operator/keys?problem=ended"
    revoked = await press(browser, session, f"/operator/keys/{key.id}/revoke")
    assert revoked.status_code == 303
    assert (await browser.get("/v1/organizations", headers=bearer(first))).status_code == 401
    assert (await browser.get("/v1/organizations", headers=bearer(second))).status_code == 200


async def test_a_form_that_does_not_fit_keeps_what_was_typed(
    running: Services, browser: httpx.AsyncClient
) -> None:
    session = await operator_session(running)
    answer = await press(
        browser, session, "/operator/keys", name="Reports", permission=["api.read"], networks="example.com"
    )
    assert answer.status_code == 400
    assert "“example.com” is no address or network" in answer.text
    assert 'value="Reports"' in answer.text
    assert 'value="api.read" checked' in answer.text
    assert await running.access.list_api_keys() == ()


async def test_a_key_is_made_only_after_a_fresh_sign_in(
    running: Services, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    session = await operator_session(running)
    clock.advance(timedelta(minutes=6))
    answer = await press(browser, session, "/operator/keys", name="Reports", permission=["api.read"])
    assert answer.status_code == 403
    assert "Confirm it’s you" in answer.text
    assert await running.access.list_api_keys() == ()


async def test_a_program_keeps_its_key_fresh_and_gets_none_that_may_do_more(
    running: Services, browser: httpx.AsyncClient
) -> None:
    own, text = await running.access.create_api_key(
        name="Larkspur", permissions=[Permission.API_MANAGE], actor=SYSTEM
    )
    strong, _ = await running.access.create_api_key(
        name="All", permissions=[Permission.API_MANAGE, Permission.API_MAILBOX_READ], actor=SYSTEM
    )
    headers = bearer(text.reveal())
    refused = await browser.post(f"/v1/api-keys/{strong.id}/rotate", json={}, headers=headers)
    assert refused.status_code == 403
    assert (await browser.delete(f"/v1/api-keys/{strong.id}", headers=headers)).status_code == 403
    rotated = await browser.post(f"/v1/api-keys/{own.id}/rotate", json={"overlap_hours": 1}, headers=headers)
    assert rotated.status_code == 200
    fresh = bearer(rotated.json()["key"])
    listed = (await browser.get("/v1/api-keys", headers=fresh)).json()["items"]
    new_id = rotated.json()["api_key"]["id"]
    assert {each["id"]: each["replaced_by"] for each in listed} == {
        own.id: new_id,
        strong.id: None,
        new_id: None,
    }
    assert rotated.json()["key"] not in str(listed)
    assert (await browser.delete(f"/v1/api-keys/{own.id}", headers=fresh)).status_code == 204
    assert (await browser.get("/v1/api-keys", headers=headers)).status_code == 401
    twice = await browser.post(f"/v1/api-keys/{own.id}/rotate", json={}, headers=fresh)
    assert twice.status_code == 409


async def test_revoking_holds_at_once_in_a_second_process(
    settings: Settings, running: Services, clock: MovableClock
) -> None:
    key, text = await running.access.create_api_key(
        name="Larkspur", permissions=[Permission.API_READ], actor=SYSTEM
    )
    async with application(settings, clock=clock) as second, at(second) as other:
        assert (await other.get("/v1/organizations", headers=bearer(text.reveal()))).status_code == 200
        await running.access.revoke_api_key(key.id, actor=SYSTEM)
        assert (await other.get("/v1/organizations", headers=bearer(text.reveal()))).status_code == 401


async def test_a_key_of_one_network_is_unknown_from_another_and_headers_do_not_help(
    running: Services,
) -> None:
    _, text = await running.access.create_api_key(
        name="Larkspur", permissions=[Permission.API_READ], networks=["192.0.2.0/24"], actor=SYSTEM
    )
    async with at(running) as inside, at(running, peer="203.0.113.9") as outside:
        assert (await inside.get("/v1/organizations", headers=bearer(text.reveal()))).status_code == 200
        answer = await outside.get(
            "/v1/organizations", headers=bearer(text.reveal()) | {"X-Forwarded-For": "192.0.2.7"}
        )
        assert answer.status_code == 401


async def test_metrics_and_health_open_to_a_key_for_them_or_the_token_and_nobody_else(
    running: Services,
) -> None:
    _, metrics = await running.access.create_api_key(
        name="Prometheus", permissions=[Permission.METRICS_READ], actor=SYSTEM
    )
    _, other = await running.access.create_api_key(
        name="Larkspur", permissions=[Permission.API_READ], actor=SYSTEM
    )
    async with at(running, peer="127.0.0.1") as here, at(running) as there:
        for path in ("/metrics", "/health"):
            assert (await there.get(path, headers=bearer(metrics.reveal()))).status_code == 200
            assert (await there.get(path, headers=bearer(METRICS_TOKEN))).status_code == 200
            assert (await there.get(path, headers=bearer(other.reveal()))).status_code == 403
            assert (await there.get(path, headers=bearer("n" * 32))).status_code == 401
            assert (await here.get(path)).status_code == 401
            assert (await there.get(path)).status_code == 401


async def test_without_a_token_only_this_machine_and_a_key_read_metrics(
    settings: Settings, clock: MovableClock
) -> None:
    async with application(settings, clock=clock) as services:
        _, metrics = await services.access.create_api_key(
            name="Prometheus", permissions=[Permission.METRICS_READ], actor=SYSTEM
        )
        async with at(services, peer="127.0.0.1") as here, at(services) as there:
            assert (await here.get("/metrics")).status_code == 200
            assert (await there.get("/metrics")).status_code == 401
            assert (await there.get("/metrics", headers=bearer(metrics.reveal()))).status_code == 200
            assert (await there.get("/health")).status_code == 401


async def test_readiness_tells_strangers_nothing_of_the_inside(
    running: Services, browser: httpx.AsyncClient
) -> None:
    assert (await browser.get("/readyz")).json() == {"ready": True}


async def test_an_operator_switches_another_off_and_on_again(
    running: Services, browser: httpx.AsyncClient
) -> None:
    vik = await operator_session(running, name="Vik")
    made = await press(browser, vik, "/operator/people", name="Sam")
    assert "/console/link/" in made.text
    sam = await operator_session(running, name="Sam")
    found = await running.access.operators.resolve("Sam")
    out = await press(browser, vik, f"/operator/people/{found.id}/disable")
    assert out.headers["location"] == "/operator/people?done=disabled"
    turned_away = await browser.get("/operator", headers=cookies(sam))
    assert turned_away.headers["location"].startswith("/console/sign-in")
    assert "Switched off" in (await browser.get("/operator/people", headers=cookies(vik))).text
    last = await running.access.operators.resolve("Vik")
    refused = await press(browser, vik, f"/operator/people/{last.id}/disable")
    assert refused.status_code == 409
    assert "Vik is the last operator." in refused.text
    await press(browser, vik, f"/operator/people/{found.id}/enable")
    assert (await running.access.operators.resolve("Sam")).disabled_at is None
