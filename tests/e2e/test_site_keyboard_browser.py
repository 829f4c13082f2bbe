"""Every page of the site by keyboard alone, and the pages people wait on in every look (UX §13, §15)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM

from ..integration.connect_world import DOMAIN, Company, Emulator, make_company
from .approval_world import at_microsoft
from .pressing import press
from .test_connect_browser import keep_picture, open_page, sign_in
from .test_site_looks import AXE_RULES, LINKED, LOOKS, PUBLIC, watch

pytestmark = pytest.mark.browser

__all__ = ["open_page"]

PRIYA = "priya.nair@harbourvale.example"
GRAPH = "Connect email and calendar - Graph"
OpenPage = Callable[..., Awaitable[Page]]

_STOPS = """
() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter(e => e.type !== "hidden" && !e.disabled && e.getClientRects().length)
  // One stop for each group of radio buttons.
  .filter(e => e.type !== "radio" || e === document.querySelector(`input[type=radio][name="${e.name}"]`))
  .length
"""
_HERE = """
() => {
  const e = document.activeElement;
  if (e === document.body || e === null) return null;
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  const middle = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 20));
  e.dataset.reached = "yes";
  return {
    words: (e.tagName + " " + (e.textContent || e.name || "")).trim().slice(0, 60),
    ring: style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 3,
    covered: middle !== null && middle !== e && !e.contains(middle) && !middle.contains(e) && !middle.closest("label"),
  };
}
"""


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    return await make_company(app, client, site, emulator)


async def tab_through(page: Page, where: str) -> int:
    """Press Tab all the way round: every stop is reached, seen, and not covered, and none is out of its place."""
    wanted = await page.evaluate(_STOPS)
    assert await page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0, where
    reached = 0
    # Outcomes begin at their heading, so the way leads past the end of the page and round again.
    for _ in range(2 * wanted + 4):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(_HERE)
        if stop is None:
            continue
        assert stop["ring"], f"{where}: no ring at {stop['words']}"
        assert not stop["covered"], f"{where}: covered {stop['words']}"
        reached = await page.locator("[data-reached]").count()
        if reached == wanted:
            break
    assert reached == wanted, f"{where}: {reached} of {wanted} stops"
    return reached


async def test_every_public_page_is_walked_by_keyboard_alone(company: Company, open_page: OpenPage) -> None:
    page = await open_page()
    complaints = watch(page)
    reached = 0
    for path in PUBLIC:
        await page.goto(path)
        reached += await tab_through(page, path)
    issued = await company.app.consent.links.create(
        organization_id="org_1", asked_by_name="Dana Okafor", expected_tenant_id=None, actor=SYSTEM
    )
    await page.goto(issued.url.reveal())
    for path in LINKED:
        await page.goto(path)
        reached += await tab_through(page, f"linked {path}")
    assert reached > 120
    assert complaints == []


async def test_every_page_of_somebody_on_their_way_is_walked_by_keyboard_and_shuts_nobody_out(
    company: Company, open_page: OpenPage, move_time: Callable[[timedelta], None]
) -> None:
    page = await open_page()
    complaints = watch(page)
    violations: list[str] = []
    async for name in pages_on_the_way(company, page, move_time):
        await page.wait_for_load_state("load")
        await tab_through(page, name)
        for scheme, width in LOOKS:
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            await page.set_viewport_size({"width": width, "height": 900})
            found = (await Axe().run(page, options=AXE_RULES)).response["violations"]
            violations += [
                f"{name} {scheme} {width}: {each['id']} {each['nodes'][0]['target']}" for each in found
            ]
            if not await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
                violations.append(f"{name} {scheme} {width}: scrolls sideways")
            await keep_picture(page, f"{name}-{scheme}-{width}")
        await page.emulate_media(color_scheme="light")
        await page.set_viewport_size({"width": 1280, "height": 900})
    assert violations == []
    assert complaints == []


async def pages_on_the_way(
    company: Company, page: Page, move_time: Callable[[timedelta], None]
) -> AsyncIterator[str]:
    """Lead the page to every screen on which people wait or only get a part; yields the name of each."""
    app, emulator = company.app, company.emulator
    await app.status.look()
    move_time(timedelta(minutes=10))
    await page.goto("/status")
    yield "status"

    emulator.set_scenario(DOMAIN, "not_confirmed")
    await page.goto("/admin-consent")
    await press(page.get_by_role("button", name=GRAPH))
    await at_microsoft(page, PRIYA)
    await expect(page.locator("h1")).to_have_text("Checking the approval with Microsoft")
    yield "checking"

    emulator.set_scenario(DOMAIN, "missing_permission")
    await page.goto("/admin-consent")
    await press(page.get_by_role("button", name=GRAPH))
    await at_microsoft(page, PRIYA)
    await expect(page.locator("h1")).to_have_text("Approved, but 1 permission is missing")
    yield "partly-approved"
    await press(page.get_by_role("button", name="Continue without calendar"))
    await expect(page.get_by_role("button", name="Continue without calendar")).to_have_count(0)
    await expect(page.locator("main")).to_contain_text("Email through Microsoft Graph")
    yield "went-on-without"

    await page.goto(await company.session(return_url=None))
    await expect(page.locator("main")).to_contain_text("for email, but not for calendar yet.")
    yield "connect-partly-approved"
    await press(page.get_by_role("link", name="Ask your administrator"))
    await press(page.get_by_role("button", name="Send request"))
    await expect(page.get_by_role("button", name="Continue without calendar")).to_be_visible()
    yield "waiting-partly-approved"
    await press(page.get_by_role("button", name="Continue without calendar"))
    await sign_in(page)
    await expect(page.locator("h1")).to_have_text("Email is connected")
    yield "one-of-two"

    emulator.set_scenario(DOMAIN, "microsoft_down")
    await press(page.get_by_role("button", name="Connect calendar"))
    await sign_in(page)
    await expect(page.get_by_role("timer")).to_be_visible()
    await expect(page.locator("main")).to_contain_text("Your connection is as it was before.")
    yield "microsoft-down"
    move_time(timedelta(seconds=30))
    await press(page.get_by_role("link", name="Look again"))
    await expect(page.get_by_role("button", name="Try again")).to_be_visible()
    yield "microsoft-down-later"

    emulator.control("DELETE", f"/tenants/{DOMAIN}/scenario")
    await company.approve()
    await page.goto("/connect")
    yield "connect-again"
    await press(page.get_by_role("button", name="Continue to Microsoft"))
    await sign_in(page)
    await expect(page.locator("h1")).to_have_text("Connected")
    yield "both"
