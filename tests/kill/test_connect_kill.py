"""SIGKILL at each step of connecting: no usable grant nobody vouched for, and a way on from every step (RR-8)."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import httpx
import pytest

from ostiary.core.kernel.failpoints import Failpoint

from ..integration.connect_world import Page
from .conftest import KILLS, steps
from .oracle import Oracle
from .people import CarefulBrowser, Crowd, Customer
from .processes import Served

BEFORE_STORED = (
    Failpoint.CONNECT_STATE_CONSUMED,
    Failpoint.TOKEN_REQUEST_SENT,
    Failpoint.TOKEN_RESPONSE_READ,
    Failpoint.CONNECT_RESPONSE_IN_MEMORY,
)
STORED = (Failpoint.CONNECT_STORED_UNCONFIRMED, Failpoint.CONNECT_REDIRECTED)
CONFIRMING = (Failpoint.CONNECT_EVENT_QUEUED, Failpoint.CONNECT_CONFIRMED)


def brings_a_code(url: str) -> bool:
    return "/connect/return/" in url and "code=" in url


async def session_row(oracle: Oracle, session_id: str) -> dict[str, Any]:
    (row,) = await oracle.rows(
        "SELECT state, made_connection_id FROM connect_sessions WHERE id = :id", id=session_id
    )
    return row


async def stand_before_the_return(crowd: Crowd, customer: Customer) -> tuple[CarefulBrowser, str, str, str]:
    browser = crowd.browser()
    session_id, link = await crowd.connect_link(customer)
    address = await browser.until(brings_a_code, crowd.go_and_connect(browser, link, customer))
    return browser, session_id, link, address


async def connect_and_check(
    crowd: Crowd, oracle: Oracle, customer: Customer, page: Page, connection_id: str | None = None
) -> None:
    """The vendor confirms; then the connection works, has one version, and each act one record."""
    answer = await crowd.confirm(page)
    assert answer.status_code == 200, answer.text
    made = answer.json()["id"]
    assert connection_id in {None, made}
    assert (await crowd.read_mail(made)).status_code == 200
    live = await oracle.rows(
        "SELECT id FROM connections WHERE member_id = :m AND status = 'connected'", m=customer.member.id
    )
    assert [row["id"] for row in live] == [made]
    assert await oracle.audited("connect.signed_in", made) == 1
    assert await oracle.audited("connection.connected", made) == 1
    await oracle.require_one_working_version(made)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(BEFORE_STORED, [Failpoint.TOKEN_RESPONSE_READ]))
async def test_killed_before_anything_is_stored_the_person_starts_again(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    for _ in range(KILLS or 1):
        customer = await crowd.customer(approved=True)
        browser, session_id, _, address = await stand_before_the_return(crowd, customer)
        served.folder.arm(point)
        with contextlib.suppress(httpx.TransportError):
            await browser.open(address)
        await served.died()
        await served.start()
        assert await session_row(oracle, session_id) == {"state": "started", "made_connection_id": None}
        assert (
            await oracle.rows("SELECT id FROM connections WHERE member_id = :m", m=customer.member.id) == []
        )
        # The code is spent: a reload exchanges nothing, and leads to where one starts again.
        redeemed = sum(oracle.tap.codes_redeemed.values())
        page = await browser.open(address)
        assert page.status == 200
        assert sum(oracle.tap.codes_redeemed.values()) == redeemed
        await connect_and_check(crowd, oracle, customer, await crowd.press_connect(browser, page, customer))
    oracle.require_no_code_twice()
    await oracle.require_whole_chain()
    assert oracle.secrets_on_disk() == []


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(STORED, [Failpoint.CONNECT_STORED_UNCONFIRMED]))
async def test_killed_while_unconfirmed_nothing_is_usable_until_somebody_vouches(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    for cycle in range(KILLS or 2):
        customer = await crowd.customer(approved=True)
        browser, session_id, _, address = await stand_before_the_return(crowd, customer)
        served.folder.arm(point)
        with contextlib.suppress(httpx.TransportError):
            await browser.open(address)
        await served.died()
        await served.start()
        row = await session_row(oracle, session_id)
        assert row["state"] == "returned"
        connection_id = row["made_connection_id"]
        assert (await crowd.read_mail(connection_id)).status_code == 409
        # A reload in this very browser goes on to the vendor, although the first answer may never have arrived.
        page = await browser.open(address)
        assert page.url.startswith("https://app.larkspur.example/")
        assert (await crowd.read_mail(connection_id)).status_code == 409
        if cycle % 2:
            await connect_and_check(crowd, oracle, customer, page, connection_id)
            continue
        # Or nobody ever confirms: after five minutes it is thrown away for good.
        async with oracle.later(timedelta(minutes=5, seconds=1)) as services:
            await services.connections.confirmation.expire_unconfirmed()
        assert (
            await oracle.value(
                "SELECT count(*) FROM refresh_tokens WHERE connection_id = :c", c=connection_id
            )
            == 0
        )
        assert (await crowd.confirm(page)).status_code != 200
        assert (await crowd.read_mail(connection_id)).status_code != 200
        assert await oracle.audited("connection.thrown_away", connection_id) == 1
    oracle.require_no_code_twice()
    await oracle.require_whole_chain()
    assert oracle.secrets_on_disk() == []


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(CONFIRMING, [Failpoint.CONNECT_EVENT_QUEUED]))
async def test_killed_while_confirming_the_same_confirmation_can_be_sent_again(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    for _ in range(KILLS or 1):
        customer = await crowd.customer(approved=True)
        browser, session_id, link, _ = await stand_before_the_return(crowd, customer)
        page = await crowd.go_and_connect(browser, link, customer)
        connection_id = (await session_row(oracle, session_id))["made_connection_id"]
        served.folder.arm(point)
        with pytest.raises(httpx.TransportError):
            await crowd.confirm(page)
        await served.died()
        await served.start()
        confirmed = point is Failpoint.CONNECT_CONFIRMED
        assert await oracle.audited("connection.connected", connection_id) == int(confirmed)
        assert (await session_row(oracle, session_id))["state"] == ("confirmed" if confirmed else "returned")
        assert (await crowd.read_mail(connection_id)).status_code == (200 if confirmed else 409)
        # The vendor's server heard nothing and asks again.
        await connect_and_check(crowd, oracle, customer, page, connection_id)
    await oracle.require_whole_chain()
