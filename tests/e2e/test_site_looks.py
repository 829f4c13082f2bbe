"""The approval site and its notices: accessible, never wider than the screen, light (UX §13 to §15)."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from ostiary.bootstrap import Services

from .approval_world import DOMAIN, EWS, ApprovalWorld, approve, heading, make_world

pytestmark = pytest.mark.browser

Emulator = Any

AXE_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
PUBLIC = (
    "/",
    "/genuine",
    "/privacy",
    "/accessibility",
    "/status",
    "/help/microsoft-page",
    "/help/microsoft-page/answer?number=50076",
    "/help/microsoft-page/answer?said=app_disabled",
    "/admin-consent",
    "/admin-consent/permissions",
    "/admin-consent/own-way",
    "/admin-consent/forward",
    "/admin-consent/lost",
    "/admin-consent/declined",
    "/ref/CN-0000-0000",
)
LINKED = ("/admin-consent", "/admin-consent/forward", "/admin-consent/decline")
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 360)]


@pytest_asyncio.fixture
async def world(app: Services, site: str, chromium: Browser) -> ApprovalWorld:
    return await make_world(app, site, chromium)


async def check(page: Page, where: str) -> None:
    """Fail on any violation, on sideways scrolling, and on more than one main heading."""
    found = await Axe().run(page, options=AXE_RULES)
    assert found.violations_count == 0, f"{where}\n{found.generate_report()}"
    assert await page.locator("h1").count() == 1, where
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), where


def watch(page: Page) -> list[str]:
    """Collect what the browser complains about, policy violations included."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if message.type == "error" and "404" not in message.text else None
        ),
    )
    return complaints


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_every_public_page_is_accessible(world: ApprovalWorld, scheme: str, width: int) -> None:
    async with world.person(scheme=scheme, width=width) as page:
        complaints = watch(page)
        for path in PUBLIC:
            await page.goto(path)
            await check(page, f"{path} {scheme} {width}")
        await page.goto(await world.link())
        for path in LINKED:
            await page.goto(path)
            await check(page, f"linked {path} {scheme} {width}")
        assert complaints == []


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_every_outcome_is_accessible_and_read_first(
    world: ApprovalWorld, emulator: Emulator, scheme: str, width: int
) -> None:
    async with world.person(scheme=scheme, width=width) as page:
        complaints = watch(page)
        for scenario in ("not_admin", "declined", "ews_off"):
            emulator.set_scenario(DOMAIN, scenario)
            button = {"button": EWS} if scenario == "ews_off" else {}
            await approve(page, await world.link(), **button)
            await check(page, f"{scenario} {scheme} {width}")
            # The browser moves the focus when it first paints, which may be after the scan on a busy machine.
            await page.wait_for_function("document.activeElement.tagName === 'H1'", timeout=15000)
            assert await heading(page)
        await page.goto("/admin-consent/l/mistyped")
        await check(page, f"link problem {scheme} {width}")
        assert complaints == []


async def test_the_scan_notices_a_fault(world: ApprovalWorld) -> None:
    async with world.person() as page:
        await page.goto("/admin-consent")
        await page.evaluate("document.querySelector('main').setAttribute('role', 'nonsense')")
        found = await Axe().run(page, options=AXE_RULES)
        assert found.violations_count > 0


async def test_nothing_scrolls_sideways_at_320_pixels_or_with_large_text(world: ApprovalWorld) -> None:
    async with world.person(width=320) as page:
        await page.goto(await world.link())
        for path in (*PUBLIC, *LINKED):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
    async with world.person(width=1280) as page:
        for path in PUBLIC:
            await page.goto(path)
            await page.evaluate("document.documentElement.style.fontSize = '200%'")
            assert await page.evaluate("document.documentElement.scrollWidth") <= 1280, path


@pytest.mark.parametrize("path", ["/admin-consent", "/help/microsoft-page", "/admin-consent/lost"])
async def test_a_first_visit_is_light(world: ApprovalWorld, path: str) -> None:
    async with world.person() as page:
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        sizes: list[int] = []
        session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        await page.goto(path)
        await page.wait_for_load_state("networkidle")
        assert sum(sizes) <= 15 * 1024
        assert len(sizes) <= 3


async def test_everything_on_the_start_page_is_reached_by_keyboard_in_reading_order(
    world: ApprovalWorld,
) -> None:
    async with world.person() as page:
        await page.goto(await world.link())
        reached: list[str] = []
        for _ in range(16):
            await page.keyboard.press("Tab")
            reached.append(
                await page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')")
            )
        expected = [
            "Skip to main content",
            "Help",
            "Connect email and calendar - Graph",
            "Connect email and calendar - EWS",
            "Microsoft Graph: 6 permissions",
            "Exchange Web Services: 3 permissions",
            "Send this page to a colleague",
            "Approve without this link",
            "Decline this request",
        ]
        positions = [reached.index(label) for label in expected]
        assert positions == sorted(positions)
        tied = page.get_by_role("button", name="Connect email and calendar - Graph")
        described = await tied.get_attribute("aria-describedby")
        assert await page.locator(f"#{described}").inner_text() == "Recommended"
