"""Rate limits over HTTP, with two instances of the service on one database (SR-68)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest_asyncio

from ostiary.bootstrap import Services, application
from ostiary.core.access.model import Permission
from ostiary.core.access.rate_limits import LimitedAct
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.rate_limits import limit_table
from ostiary.settings import Settings

from .console_world import make_customer

SITE = "http://localhost:8080"
WRONG_KEY = "Bearer ost_" + "0" * 26

UNCOUNTED = {
    "/theme",
    "/csp-report",
    # Microsoft sends these in bursts, from few addresses; the path itself is the secret.
    "/notifications/graph/{segment}",
    "/admin-consent/without-link",
    "/help/microsoft-page",
    # Acts of somebody who proved to be it, by a session or the browser that asked.
    "/connect/approval/{request_id}/continue",
    "/connect/approval/{request_id}/sent",
    "/connect/approval/{request_id}/cancel",
    "/connect/use/{reference}",
    "/trust/disconnect/{connection_id}",
    "/trust/disconnect-all",
    "/trust/sign-out",
}


@pytest_asyncio.fixture
async def pair(settings: Settings, clock: MovableClock) -> AsyncIterator[tuple[Services, Services]]:
    """Two instances as two processes would run them: they share the database and nothing else."""
    strict = settings.model_copy(
        update={"rate_limit_link": "4/m", "rate_limit_api": "4/m", "rate_limit_guess": "4/m"}
    )
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(application(strict, clock=clock))
        second = await stack.enter_async_context(application(strict, clock=clock))
        yield first, second


def browser_of(services: Services, *, peer: str = "203.0.113.5") -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(services), client=(peer, 5000)), base_url=SITE
    )


async def test_two_processes_share_one_budget(pair: tuple[Services, Services]) -> None:
    async with browser_of(pair[0]) as first, browser_of(pair[1]) as second:
        for browser in (first, second, first, second):
            assert (await browser.get(f"/connect/s/{'a' * 43}")).status_code == 303
        for browser in (first, second):
            assert (await browser.get(f"/connect/s/{'a' * 43}")).status_code == 429


async def test_the_page_says_when_to_try_again_and_so_do_the_headers(
    pair: tuple[Services, Services], clock: MovableClock
) -> None:
    async with browser_of(pair[0]) as browser:
        for _ in range(4):
            await browser.get(f"/connect/s/{'a' * 43}")
        answer = await browser.get(f"/connect/s/{'a' * 43}")
        assert answer.headers["retry-after"] == "15"
        assert "Too many tries in a short time" in answer.text
        assert "Try again in 15 seconds." in answer.text
        clock.advance(timedelta(seconds=15))
        assert (await browser.get(f"/connect/s/{'a' * 43}")).status_code == 303


async def test_an_address_that_a_stranger_writes_down_does_not_count(pair: tuple[Services, Services]) -> None:
    async with browser_of(pair[0]) as browser:
        answers = [
            await browser.get(f"/connect/s/{'a' * 43}", headers={"X-Forwarded-For": f"198.51.100.{each}"})
            for each in range(5)
        ]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 303, 429]


async def test_another_address_is_not_held_up(pair: tuple[Services, Services]) -> None:
    async with browser_of(pair[0]) as busy, browser_of(pair[0], peer="203.0.113.6") as other:
        for _ in range(5):
            await busy.get(f"/connect/s/{'a' * 43}")
        assert (await other.get(f"/connect/s/{'a' * 43}")).status_code == 303


async def test_one_network_of_ipv6_is_one_visitor(pair: tuple[Services, Services]) -> None:
    for number in range(4):
        async with browser_of(pair[0], peer=f"2001:db8:1:1::{number}") as browser:
            assert (await browser.get(f"/connect/s/{'a' * 43}")).status_code == 303
    async with browser_of(pair[0], peer="2001:db8:1:1::9") as same:
        assert (await same.get(f"/connect/s/{'a' * 43}")).status_code == 429
    async with browser_of(pair[0], peer="2001:db8:1:2::9") as other:
        assert (await other.get(f"/connect/s/{'a' * 43}")).status_code == 303


async def test_a_key_that_calls_too_often_is_told_so_as_problem_details(
    pair: tuple[Services, Services],
) -> None:
    _, key = await pair[0].access.create_api_key(
        name="Larkspur", permissions=[Permission.API_READ], actor=SYSTEM
    )
    _, other = await pair[0].access.create_api_key(
        name="Reports", permissions=[Permission.API_READ], actor=SYSTEM
    )
    headers = {"Authorization": f"Bearer {key.reveal()}"}
    async with browser_of(pair[0]) as first, browser_of(pair[1]) as second:
        for caller in (first, second, first, second):
            assert (await caller.get("/v1/organizations", headers=headers)).status_code == 200
        answer = await second.get("/v1/organizations", headers=headers)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "15"
        assert answer.json()["code"] == "rate_limited"
        calm = await second.get("/v1/organizations", headers={"Authorization": f"Bearer {other.reveal()}"})
        assert calm.status_code == 200


async def test_guessing_keys_is_slowed_down_and_the_right_one_still_works(
    pair: tuple[Services, Services],
) -> None:
    _, key = await pair[0].access.create_api_key(
        name="Larkspur", permissions=[Permission.API_READ], actor=SYSTEM
    )
    async with browser_of(pair[0]) as browser:
        answers = [
            (await browser.get("/v1/organizations", headers={"Authorization": WRONG_KEY})).status_code
            for _ in range(5)
        ]
        assert answers == [401, 401, 401, 401, 429]
        right = await browser.get("/v1/organizations", headers={"Authorization": f"Bearer {key.reveal()}"})
        assert right.status_code == 200


async def test_guessing_secrets_of_links_and_states_is_slowed_down(pair: tuple[Services, Services]) -> None:
    async with browser_of(pair[0]) as browser:
        browser.headers["Cookie"] = f"__Host-ostiary-connect={'z' * 43}"
        tries = ["/connect", "/connect/return/main?state=x&code=y", "/console/link", "/trust/return/main"]
        answers = [(await browser.get(path)).status_code for path in [*tries, "/connect"]]
    assert answers == [200, 303, 404, 303, 429]


async def test_guessing_completion_codes_is_slowed_down_like_guessing_keys(
    pair: tuple[Services, Services],
) -> None:
    customer = await make_customer(pair[0], "hv", "Harbour & Vale", "Dana Okafor")
    made = await pair[0].connections.sessions.create(
        organization_id=customer.organization.id, member_id=customer.people[0].id, actor=SYSTEM
    )
    _, key = await pair[0].access.create_api_key(
        name="Larkspur", permissions=[Permission.API_MANAGE], actor=SYSTEM
    )
    async with browser_of(pair[0]) as browser:
        path = f"/v1/connect-sessions/{made.session.id}/confirm"
        for _ in range(4):
            wrong = await browser.post(
                path,
                json={"completion_code": "x" * 43},
                headers={"Authorization": f"Bearer {key.reveal()}"},
            )
            assert wrong.status_code == 400
        answer = await browser.get("/v1/organizations", headers={"Authorization": WRONG_KEY})
    assert answer.status_code == 429


async def test_every_public_act_is_counted(pair: tuple[Services, Services]) -> None:
    app = create_app(pair[0])
    counted = limit_table(app)
    silent = {
        path
        for (method, path), permission in app.state.permissions.items()
        if permission is Permission.PUBLIC and method == "POST" and (method, path) not in counted
    }
    assert silent == UNCOUNTED
    returns = {path for _, path in app.state.permissions if "/return/" in path}
    assert all(counted["GET", path] == LimitedAct.RETURN for path in returns)
    links = {path for _, path in app.state.permissions if path.endswith("/{secret}")}
    assert all(counted["GET", path] == LimitedAct.LINK for path in links)
    assert len(returns) == 4
    assert len(links) == 3
