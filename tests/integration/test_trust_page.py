"""The trust page: people of a directory see what they may, and disconnect it; nobody sees another directory's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from ostiary.bootstrap import Services
from ostiary.core.audit.model import AuditRecord
from ostiary.core.connections.model import Connection, ConnectionStatus

from .connect_world import TOM, Browser, Company, Emulator, Page, make_company

PRIYA = "priya.nair@harbourvale.example"
EXCHANGE_ADMIN = "exchange.admin@harbourvale.example"
OTHER_COMPANY = "other.admin@other-company.example"


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    """Harbour & Vale, where Tom is connected."""
    company = await make_company(app, client, site, emulator)
    await company.approve()
    await company.confirm(await company.go())
    return company


@pytest.fixture
def visitor(client: httpx.AsyncClient, site: str) -> Browser:
    return Browser(client, site)


async def enter(visitor: Browser, address: str) -> Page:
    """Sign in to the trust page."""
    page = await visitor.press(await visitor.open("/trust"), "Sign in with Microsoft")
    return await visitor.sign_in(page, address)


async def toms(company: Company) -> Connection:
    return (await company.connections())[0]


async def records(app: Services, what: str) -> list[AuditRecord]:
    async with app.transactions() as transaction:
        page = await transaction.audit.page(organization_id=None, what_prefix=what)
    return list(page.items)


async def test_an_administrator_sees_everybody_of_the_directory(company: Company, visitor: Browser) -> None:
    page = await enter(visitor, PRIYA)
    assert page.path == "/trust"
    assert page.h1 == "Who is connected in Harbour & Vale"
    assert TOM in page.text
    assert "Calendars.ReadWrite" in page.text
    assert "24 November 2026" in page.text
    (signed_in,) = await records(company.app, "trust.signed_in")
    assert (signed_in.actor.name, signed_in.organization_id) == ("Priya Nair", "org_1")


async def test_a_member_sees_their_own_connection_only(company: Company, visitor: Browser) -> None:
    page = await enter(visitor, TOM)
    assert page.h1 == "Your connection"
    assert TOM in page.text
    assert "Disconnect everybody" not in page.text
    page = await visitor.press(page, "Disconnect")
    await visitor.press(page, "Disconnect")
    assert (await toms(company)).status is ConnectionStatus.DISCONNECTED


async def test_a_role_that_may_not_approve_shows_nobody_elses(company: Company, visitor: Browser) -> None:
    page = await enter(visitor, EXCHANGE_ADMIN)
    assert page.h1 == "Your connection"
    assert "You are not connected." in page.text
    assert TOM not in page.text
    connection = await toms(company)
    # Knowing the address of somebody else's page does not help.
    page = await visitor.open(f"/trust/disconnect/{connection.id}")
    assert (page.path, TOM in page.text) == ("/trust", False)
    token = page.tree.xpath("//input[@name='csrf_token']/@value")[0]
    headers = {"Sec-Fetch-Site": "same-origin"}
    for path in (f"/trust/disconnect/{connection.id}", "/trust/disconnect-all"):
        await visitor.open(path, data={"csrf_token": token, "domain": "harbourvale.example"}, headers=headers)
    assert (await toms(company)).status is ConnectionStatus.CONNECTED
    (refused,) = await records(company.app, "trust.disconnect_all")
    assert refused.outcome == "refused"


async def test_an_administrator_disconnects_somebody(company: Company, visitor: Browser) -> None:
    page = await visitor.press(await enter(visitor, PRIYA), f"Disconnect {TOM}")
    assert page.h1 == f"Disconnect {TOM}?"
    page = await visitor.press(page, "Disconnect")
    assert "1 connection was disconnected" in page.text
    connection = await toms(company)
    assert connection.status is ConnectionStatus.DISCONNECTED
    async with company.app.transactions() as transaction:
        assert await transaction.refresh_tokens.find(connection.id) is None
    (record,) = await records(company.app, "connection.disconnected")
    assert record.actor.name == "Priya Nair"


async def test_disconnecting_everybody_takes_the_domain(company: Company, visitor: Browser) -> None:
    page = await visitor.press(await enter(visitor, PRIYA), "Disconnect everybody")
    page = await visitor.press(page, "Disconnect everybody", domain="something.example")
    assert page.status == 400
    assert "Type harbourvale.example exactly." in page.text
    assert (await toms(company)).status is ConnectionStatus.CONNECTED
    page = await visitor.press(page, "Disconnect everybody", domain="HarbourVale.example")
    assert "1 connection was disconnected" in page.text
    assert "Nobody of your directory is connected." in page.text
    assert (await toms(company)).status is ConnectionStatus.DISCONNECTED


async def test_disconnecting_everybody_needs_a_fresh_sign_in(
    company: Company, visitor: Browser, move_time: Callable[[timedelta], None]
) -> None:
    await enter(visitor, PRIYA)
    page = await visitor.open("/trust/disconnect-all")
    move_time(timedelta(minutes=6))
    late = await visitor.press(page, "Disconnect everybody", domain="harbourvale.example")
    assert "Confirm it’s you." in late.text
    assert (await toms(company)).status is ConnectionStatus.CONNECTED
    at_microsoft = await visitor.press(late, "Confirm it’s you")
    page = await visitor.sign_in(at_microsoft, PRIYA)
    assert page.h1.startswith("Disconnect everybody")
    page = await visitor.press(page, "Disconnect everybody", domain="harbourvale.example")
    assert "1 connection was disconnected" in page.text


async def test_another_companys_administrator_is_not_let_in(company: Company, visitor: Browser) -> None:
    page = await enter(visitor, OTHER_COMPANY)
    assert page.h1 == "Nothing is connected from your organization"
    assert TOM not in page.text
    assert (await visitor.open("/trust")).h1 == "Who is connected in your organization"
    (refused,) = await records(company.app, "trust.sign_in_refused")
    assert (refused.outcome, refused.reason) == ("refused", "wrong_tenant")


async def test_a_directory_that_is_not_confirmed_is_not_let_in(company: Company, visitor: Browser) -> None:
    async with company.app.transactions() as transaction:
        (tenant,) = await transaction.tenants.list_for("org_1")
        await transaction.tenants.save(replace(tenant, binding=tenant.binding.PENDING, bound_at=None))
    assert (await enter(visitor, PRIYA)).h1 == "Nothing is connected from your organization"


async def test_a_session_ends_with_the_directorys_place_at_the_customer(
    company: Company, visitor: Browser
) -> None:
    await enter(visitor, PRIYA)
    async with company.app.transactions() as transaction:
        (tenant,) = await transaction.tenants.list_for("org_1")
        await transaction.tenants.save(replace(tenant, binding=tenant.binding.PENDING, bound_at=None))
    assert TOM not in (await visitor.open("/trust")).text


async def test_a_session_lasts_half_an_hour(
    company: Company, visitor: Browser, move_time: Callable[[timedelta], None]
) -> None:
    await enter(visitor, PRIYA)
    move_time(timedelta(minutes=29))
    assert TOM in (await visitor.open("/trust")).text
    move_time(timedelta(minutes=1))
    page = await visitor.open("/trust")
    assert TOM not in page.text
    assert "You were signed out." in page.text
    move_time(timedelta(seconds=1))
    assert await company.app.trust.forget_expired() == 1


async def test_signing_out_ends_the_session_for_good(company: Company, visitor: Browser, site: str) -> None:
    page = await enter(visitor, PRIYA)
    kept = dict(visitor.cookies["localhost"])
    await visitor.press(page, "Sign out")
    visitor.cookies["localhost"] = kept
    assert TOM not in (await visitor.open("/trust")).text


async def test_a_return_nobody_began_lets_nobody_in(company: Company, visitor: Browser) -> None:
    page = await visitor.open("/trust/return/main?code=stolen&state=made-up")
    assert page.path == "/trust"
    assert TOM not in page.text
    assert company.emulator.requests("/token", limit=1) != []  # Tom's own; none for the made-up code
    assert await records(company.app, "trust.signed_in") == []
