"""Every act of every page needs a form of our own; secrets that do not work look alike (SR-52 to SR-54, SR-69)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest_asyncio

from ostiary.bootstrap import Services, application
from ostiary.core.access.model import Permission
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.entrypoints.console.sign_in import LINK_COOKIE
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.browser import FIELD
from ostiary.entrypoints.web.permissions import SAFE_METHODS, SESSION_COOKIE
from ostiary.settings import Settings

from .console_world import make_customer
from .test_role_matrix import MISSING, form_token
from .test_step_up import ORIGIN, cookies, operator_session

API = frozenset(permission for permission in Permission if permission.value.startswith("api."))
MACHINES = {"/csp-report", "/notifications/graph/{segment}"}
"""Sent by browsers by themselves and by Microsoft; whoever sends them has no form of ours."""


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    async with application(settings, clock=clock) as services:
        yield services


@pytest_asyncio.fixture
async def browser(running: Services) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(running), client=("192.0.2.7", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as opened:
        yield opened


async def test_no_page_acts_without_its_own_form(running: Services) -> None:
    customer = await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")
    operator = await operator_session(running)
    app = create_app(running)
    mistakes: list[str] = []
    tried = 0
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as browser:
        for (method, path), permission in sorted(app.state.permissions.items()):
            if method in SAFE_METHODS or permission in API or path in MACHINES:
                continue
            address = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: MISSING[match[1]], path)
            session = operator if permission.value.startswith("operator") else customer.session
            own = {**cookies(session), "origin": ORIGIN}
            foreign = {**cookies(session), "origin": "https://elsewhere.example"}
            cross = {**cookies(session), "sec-fetch-site": "cross-site"}
            for headers, data in (
                (own, {}),
                (own, {FIELD: "AAAA"}),
                (foreign, {FIELD: form_token()}),
                (cross, {FIELD: form_token()}),
            ):
                answer = await browser.request(method, address, headers=headers, data=data)
                tried += 1
                if answer.status_code != 403:
                    mistakes.append(f"{method} {path}: {answer.status_code} with {data} from {headers}")
    assert mistakes == []
    assert tried > 150


async def test_a_doubled_session_cookie_signs_nobody_in(
    running: Services, browser: httpx.AsyncClient
) -> None:
    session = await operator_session(running)
    headers = cookies(session)
    assert (await browser.get("/operator", headers=headers)).status_code == 200
    headers["cookie"] += f"; {SESSION_COOKIE}={session.reveal()}"
    doubled = await browser.get("/operator", headers=headers)
    assert doubled.status_code == 400
    assert "same cookie twice" in doubled.text


async def test_the_console_session_stays_on_its_own_site(
    running: Services, browser: httpx.AsyncClient
) -> None:
    _, link = await running.access.create_operator_link(name="Vik", actor=SYSTEM)
    headers = {
        "cookie": f"__Host-ostiary-browser={'b' * 43}; {LINK_COOKIE}={link.reveal()}",
        "origin": ORIGIN,
    }
    answer = await browser.post("/console/link", data={FIELD: form_token()}, headers=headers)
    (session,) = (each for each in answer.headers.get_list("set-cookie") if each.startswith(SESSION_COOKIE))
    assert session.endswith("; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict")


async def test_links_that_do_not_work_look_alike_whatever_is_wrong(
    running: Services, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    customer = await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")
    _, expired = await running.access.create_admin_link(
        organization_id=customer.organization.id, member_id=customer.admin.id, actor=SYSTEM
    )
    clock.advance(timedelta(days=8))
    _, used = await running.access.create_operator_link(name="Vik", actor=SYSTEM)
    await running.access.use_operator_link(used, replaces=None, actor=SYSTEM)
    shapes: set[tuple[int, str]] = set()
    for secret in (expired.reveal(), used.reveal(), "u" * 43, "mistyped"):
        answer = await browser.get(
            "/console/link", headers={"cookie": f"__Host-ostiary-browser={'b' * 43}; {LINK_COOKIE}={secret}"}
        )
        shapes.add((answer.status_code, answer.text.replace(answer.headers["x-request-id"], "‹request›")))
    texts = {re.sub(r"[A-Za-z0-9_-]{86,}={0,2}", "‹token›", text) for _, text in shapes}
    assert len(texts) == 1
    assert {status for status, _ in shapes} == {404}
