"""An organization admin signs in with Microsoft: the whole way over HTTP, through the emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
import pytest_asyncio

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.errors import NotFound
from ostiary.core.organizations.model import Member, MemberRole
from ostiary.entrypoints.cli.demo.browser import Browser
from ostiary.entrypoints.cli.demo.walk import sign_in

DANA = "dana.okafor@harbourvale.example"
TOM = "tom.ellis@harbourvale.example"


@pytest_asyncio.fixture
async def dana(app: Services) -> Member:
    """The organization admin, whose Microsoft account nobody knows yet."""
    organization, _ = await app.organizations.create(
        external_id="hv", name="Harbour & Vale", allowed_domains=["harbourvale.example"], actor=SYSTEM
    )
    member, _ = await app.organizations.add_member(
        organization_id=organization.id,
        external_id="dana",
        email=DANA,
        display_name="Dana Okafor",
        role=MemberRole.ORGANIZATION_ADMIN,
        actor=SYSTEM,
    )
    return member


@pytest_asyncio.fixture
async def link(app: Services, site: str, dana: Member) -> str:
    """Dana's one-time link."""
    _, secret = await app.access.create_admin_link(
        organization_id=dana.organization_id, member_id=dana.id, actor=SYSTEM
    )
    return f"{site}/console/link/{secret.reveal()}"


@pytest_asyncio.fixture
async def browser(site: str) -> AsyncIterator[Browser]:
    async with Browser(secure_origins=[site]) as opened:
        yield opened


async def test_admin_signs_in_by_link_and_after_that_without(
    browser: Browser, link: str, site: str, app: Services, dana: Member
) -> None:
    await browser.open(link)
    assert browser.page.heading == "Look after Larkspur for Harbour & Vale"
    assert link not in browser.page.text
    await browser.press("Sign in with Microsoft")
    await _sign_in_and_accept(browser, DANA)
    assert browser.page.path == "/console/welcome"
    # The code left the address bar before any page of ours was shown.
    assert "code=" not in browser.page.url
    await browser.follow("Continue")
    assert browser.page.heading == "Overview"
    assert "Harbour & Vale" in browser.page.text
    known = await app.organizations.get_member(dana.id, organization_id=dana.organization_id)
    assert known.object_id == "b57c40d8-3e96-4f1b-a2c7-0d84e6f39a03"

    await browser.open(link)
    assert browser.page.heading == "This link doesn’t work any more"
    async with Browser(secure_origins=[site]) as another_day:
        await another_day.open(f"{site}/console/members")
        assert another_day.page.heading == "Sign in to the console"
        await another_day.press("Sign in with Microsoft")
        await _sign_in_and_accept(another_day, DANA)
        await another_day.follow("Continue")
        # Back to the page that was asked for.
        assert another_day.page.heading == "Members and licences"


async def test_a_sensitive_act_leads_to_microsoft_and_back_and_is_done_with_what_was_entered(
    browser: Browser,
    link: str,
    site: str,
    app: Services,
    dana: Member,
    move_time: Callable[[timedelta], None],
) -> None:
    tom, _ = await app.organizations.add_member(
        organization_id=dana.organization_id,
        external_id="tom",
        email=TOM,
        display_name="Tom Ellis",
        actor=SYSTEM,
    )
    await browser.open(link)
    await browser.press("Sign in with Microsoft")
    await _sign_in_and_accept(browser, DANA)
    await browser.open(f"{site}/console/members/{tom.id}/erase")
    move_time(timedelta(minutes=6))
    await browser.press("Erase", typed=TOM)
    assert browser.page.heading == "Confirm it’s you"
    assert await app.organizations.get_member(tom.id, organization_id=dana.organization_id)
    await browser.press("Confirm it’s you")
    await _sign_in_and_accept(browser, DANA)
    await browser.follow("Continue")
    assert browser.page.heading == "Thank you, Dana Okafor"
    assert await app.organizations.get_member(tom.id, organization_id=dana.organization_id)
    await browser.press("Go on")
    assert browser.page.heading == "Erased"
    with pytest.raises(NotFound):
        await app.organizations.get_member(tom.id, organization_id=dana.organization_id)


async def test_colleague_who_is_no_admin_is_told_what_to_do(
    browser: Browser, site: str, dana: Member
) -> None:
    await browser.open(f"{site}/console")
    await browser.press("Sign in with Microsoft")
    await _sign_in_and_accept(browser, TOM)
    assert browser.page.path == "/console/sign-in"
    assert "That account isn’t an organization admin here" in browser.page.text
    await browser.open(f"{site}/console")
    assert browser.page.heading == "Sign in to the console"


async def test_choosing_cancel_signs_nobody_in_and_leaves_the_link_good(browser: Browser, link: str) -> None:
    await browser.open(link)
    await browser.press("Sign in with Microsoft")
    await sign_in(browser, DANA)
    await browser.press("Cancel")
    assert browser.page.path == "/console/sign-in"
    assert "You were not signed in." in browser.page.text
    await browser.open(link)
    assert browser.page.heading == "Look after Larkspur for Harbour & Vale"


async def test_return_that_nobody_began_signs_nobody_in(browser: Browser, site: str, dana: Member) -> None:
    await browser.open(f"{site}/console/return/main?code=stolen&state=made-up")
    assert browser.page.path == "/console/sign-in"
    assert "We lost track of this sign-in" in browser.page.text
    assert "stolen" not in browser.page.url


async def _sign_in_and_accept(browser: Browser, address: str) -> None:
    await sign_in(browser, address)
    if browser.page.heading == "Permissions requested":
        await browser.press("Accept")
