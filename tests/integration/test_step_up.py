"""Sensitive acts lead to Microsoft and back, with nothing lost (SR-57)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest_asyncio

from ostiary.bootstrap import Services, application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.core.tenants.model import BindingState
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.browser import COOKIE, FIELD
from ostiary.entrypoints.web.held_form import COOKIE as HELD_COOKIE
from ostiary.entrypoints.web.permissions import SESSION_COOKIE, fresh_acts
from ostiary.settings import Settings

from .console_world import Customer, make_customer
from .test_role_matrix import form_token

ORIGIN = "http://localhost:8080"
BROWSER = "b" * 43

FRESH = {
    ("POST", "/console/approval/{tenant_key}/confirm"),
    ("POST", "/operator/customers/{organization_id}/tenants/{tenant_key}/confirm"),
    ("POST", "/operator/customers/{organization_id}/admins/{member_id}/link"),
    ("POST", "/operator/unclaimed/{reference}"),
    ("POST", "/operator/keys"),
    ("POST", "/operator/keys/{key_id}/rotate"),
    ("POST", "/operator/keys/{key_id}/revoke"),
    ("POST", "/operator/people"),
    ("POST", "/operator/people/{operator_id}/disable"),
    ("POST", "/operator/people/{operator_id}/enable"),
    ("POST", "/operator/people/{operator_id}/sign-out"),
    ("POST", "/operator/freezes"),
    ("POST", "/operator/freezes/lift"),
    ("POST", "/operator/customers/{organization_id}/erase"),
    ("POST", "/operator/customers/{organization_id}/export"),
    ("POST", "/console/settings/export"),
    ("POST", "/console/members/{member_id}/erase"),
    ("POST", "/console/members/{member_id}/export"),
    ("POST", "/console/connections/{connection_id}/erase"),
    ("POST", "/console/connections/{connection_id}/export"),
}


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    async with application(settings, clock=clock) as services:
        yield services


@pytest_asyncio.fixture
async def browser(running: Services) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(running), client=("203.0.113.5", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"origin": ORIGIN}) as opened:
        yield opened


async def operator_session(running: Services, *, name: str | None = None) -> Secret:
    _, link = await running.access.create_operator_link(name=name, actor=SYSTEM)
    return (await running.access.use_operator_link(link, replaces=None, actor=SYSTEM)).secret


def cookies(session: Secret, held: str | None = None) -> dict[str, str]:
    parts = {COOKIE: BROWSER, SESSION_COOKIE: session.reveal()} | ({HELD_COOKIE: held} if held else {})
    return {"cookie": "; ".join(f"{name}={value}" for name, value in parts.items())}


def held_of(answer: httpx.Response) -> str:
    found = re.search(rf"{HELD_COOKIE}=([^;]+);[^,]*SameSite=Strict", answer.headers["set-cookie"])
    assert found is not None
    return found[1]


async def test_these_acts_need_a_fresh_sign_in(running: Services) -> None:
    assert fresh_acts(create_app(running)) >= FRESH


async def test_what_was_entered_waits_for_the_one_who_entered_it(
    running: Services, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    customer = await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")
    await running.access.create_operator_link(name="Vik", actor=SYSTEM)
    stale = await operator_session(running, name="Vik")
    clock.advance(timedelta(minutes=6))
    act = "/operator/unclaimed/CN-5H2R-9WTB"
    entered = {FIELD: form_token(), "customer": 'hv "<&'}
    asked = await browser.post(act, data=entered, headers=cookies(stale))
    assert asked.status_code == 403
    assert "Your sign-in is older than five minutes." in asked.text
    assert 'name="fresh" value="true"' in asked.text
    held = held_of(asked)

    fresh = await operator_session(running, name="Vik")
    shown = await browser.get("/console/step-up", headers=cookies(fresh, held))
    assert f'action="{act}"' in shown.text
    assert 'name="customer" value="hv &#34;&lt;&amp;"' in shown.text

    sam = await operator_session(running, name="Sam")
    other = await browser.get("/console/step-up", headers=cookies(sam, held))
    assert other.headers["location"] == "/operator"
    without = await browser.get("/console/step-up", headers=cookies(fresh))
    assert without.headers["location"] == "/operator"
    broken = await browser.get("/console/step-up", headers=cookies(fresh, "no-form-at-all"))
    assert broken.headers["location"] == "/operator"
    del customer


async def test_a_form_nobody_here_made_is_not_kept(
    running: Services, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    stale = await operator_session(running)
    clock.advance(timedelta(minutes=6))
    answer = await browser.post(
        "/operator/unclaimed/CN-5H2R-9WTB", data={"customer": "hv"}, headers=cookies(stale)
    )
    assert answer.status_code == 403
    assert HELD_COOKIE not in answer.headers.get("set-cookie", "")


async def test_a_form_too_long_to_keep_says_so(
    running: Services, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    stale = await operator_session(running)
    clock.advance(timedelta(minutes=6))
    answer = await browser.post(
        "/operator/unclaimed/CN-5H2R-9WTB",
        data={FIELD: form_token(), "customer": "x" * 4000},
        headers=cookies(stale),
    )
    assert answer.status_code == 403
    assert "too long to be kept" in answer.text
    assert HELD_COOKIE not in answer.headers.get("set-cookie", "")


async def test_an_operator_who_signs_in_by_link_goes_on_where_they_were(
    running: Services, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    stale = await operator_session(running)
    clock.advance(timedelta(minutes=6))
    act = "/operator/unclaimed/CN-5H2R-9WTB"
    asked = await browser.post(act, data={FIELD: form_token(), "customer": "hv"}, headers=cookies(stale))
    _, link = await running.access.create_operator_link(name=None, actor=SYSTEM)
    headers = cookies(stale, held_of(asked))
    headers["cookie"] += f"; __Host-ostiary-console-link={link.reveal()}"
    answer = await browser.post("/console/link", data={FIELD: form_token()}, headers=headers)
    assert answer.headers["location"] == "/console/step-up"


async def test_an_operator_confirms_a_customers_tenant(running: Services, browser: httpx.AsyncClient) -> None:
    customer: Customer = await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")
    session = await operator_session(running)
    page = await browser.get(f"/operator/customers/{customer.organization.id}", headers=cookies(session))
    path = f"/operator/customers/{customer.organization.id}/tenants/{customer.pending.id}/confirm"
    assert f'action="{path}"' in page.text
    assert customer.pending.tenant_id in page.text
    answer = await browser.post(path, data={FIELD: form_token()}, headers=cookies(session))
    assert answer.status_code == 303
    tenant = await running.tenants.get(customer.pending.id, organization_id=customer.organization.id)
    assert tenant.binding is BindingState.BOUND
