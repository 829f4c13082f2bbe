"""An organization admin signs in with Microsoft in a real browser: policies and strict cookies apply."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.organizations.model import MemberRole

from .pressing import press

pytestmark = pytest.mark.browser

DANA = "dana.okafor@harbourvale.example"


async def _link_for_dana(app: Services, site: str) -> str:
    organization, _ = await app.organizations.create(
        external_id="hv", name="Harbour & Vale", allowed_domains=["harbourvale.example"], actor=SYSTEM
    )
    dana, _ = await app.organizations.add_member(
        organization_id=organization.id,
        external_id="dana",
        email=DANA,
        display_name="Dana Okafor",
        role=MemberRole.ORGANIZATION_ADMIN,
        actor=SYSTEM,
    )
    _, secret = await app.access.create_admin_link(
        organization_id=organization.id, member_id=dana.id, actor=SYSTEM
    )
    return f"{site}/console/link/{secret.reveal()}"


async def _through_microsoft(page: Page) -> None:
    await press(page.get_by_role("button", name="Sign in with Microsoft"))
    await press(page.get_by_role("button", name=DANA))
    await press(page.get_by_role("button", name="Sign in", exact=True))
    accept = page.get_by_role("button", name="Accept")
    if await accept.count():
        await press(accept)


@pytest.mark.parametrize("scripts", [True, False])
async def test_link_leads_through_microsoft_to_the_overview(
    app: Services, site: str, chromium: Browser, scripts: bool
) -> None:
    link = await _link_for_dana(app, site)
    context = await chromium.new_context(java_script_enabled=scripts)
    page = await context.new_page()
    await page.goto(link)
    await _through_microsoft(page)
    if not scripts:
        await press(page.get_by_role("link", name="Continue"))
    await page.wait_for_url(f"{site}/console")
    await expect(page.locator("h1")).to_have_text("Overview")
    (session,) = [
        cookie for cookie in await context.cookies() if cookie.get("name") == "__Host-ostiary-session"
    ]
    assert session.get("sameSite") == "Strict"
    assert session.get("httpOnly") is True
    assert session.get("secure") is True
    await context.close()


async def test_page_that_was_asked_for_comes_after_the_sign_in(
    app: Services, site: str, chromium: Browser
) -> None:
    link = await _link_for_dana(app, site)
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(link)
    await _through_microsoft(page)
    await page.wait_for_url(f"{site}/console")
    await context.clear_cookies(name="__Host-ostiary-session")
    await page.goto(f"{site}/console/members?show=licensed")
    await expect(page.locator("h1")).to_have_text("Sign in to the console")
    await press(page.get_by_role("button", name="Sign in with Microsoft"))
    await press(page.get_by_role("button", name=DANA))
    await page.wait_for_url(f"{site}/console/members?show=licensed")
    await context.close()
