"""The trust page in a real browser: in every look, without scripts, and with the keyboard alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from ostiary.bootstrap import Services

from ..integration.connect_world import TOM, Company, make_company
from .pressing import press, press_enter
from .test_connect_browser import sign_in
from .test_site_looks import LOOKS, check, watch

pytestmark = pytest.mark.browser

PRIYA = "priya.nair@harbourvale.example"


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Any) -> Company:
    company = await make_company(app, client, site, emulator)
    await company.approve()
    await company.confirm(await company.go())
    return company


async def enter(page: Page) -> None:
    await page.goto("/trust")
    await press(page.get_by_role("button", name="Sign in with Microsoft"))
    await sign_in(page, PRIYA)
    await page.wait_for_url("**/trust")


async def test_every_page_of_it_is_accessible_in_every_look(
    company: Company, site: str, chromium: Browser
) -> None:
    context = await chromium.new_context(base_url=site, reduced_motion="reduce")
    try:
        page = await context.new_page()
        complaints = watch(page)
        await page.goto("/trust")
        await check_looks(page, "door")
        await page.goto("/trust?problem=wrong_tenant")
        await check_looks(page, "refused")
        await enter(page)
        await check_looks(page, "connections")
        await press(page.get_by_role("link", name=f"Disconnect {TOM}"))
        await check_looks(page, "disconnect one")
        await page.goto("/trust/disconnect-all")
        await check_looks(page, "disconnect all")
        assert complaints == []
        await press(page.get_by_role("button", name="Disconnect everybody"))
        await check_looks(page, "disconnect all, wrong domain")
        await page.get_by_label("Type your domain to confirm").fill("harbourvale.example")
        await press(page.get_by_role("button", name="Disconnect everybody"))
        await page.wait_for_url("**/trust?done=1")
        await check_looks(page, "nobody left")
    finally:
        await context.close()


async def check_looks(page: Page, where: str) -> None:
    for scheme, width in LOOKS:
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await page.set_viewport_size({"width": width, "height": 900})
        await check(page, f"{where} {scheme} {width}")


async def test_without_scripts_and_with_the_keyboard_somebody_is_disconnected(
    company: Company, site: str, chromium: Browser
) -> None:
    context = await chromium.new_context(base_url=site, java_script_enabled=False)
    try:
        page = await context.new_page()
        await enter(page)
        await tab_to(page, "Disconnect tom.ellis@harbourvale.example")
        await press_enter(page)
        await page.wait_for_url("**/trust/disconnect/**")
        await tab_to(page, "Disconnect")
        await press_enter(page)
        await page.wait_for_url("**/trust?done=1")
        assert await page.get_by_role("status").filter(has_text="1 connection was disconnected").count() == 1
    finally:
        await context.close()


async def tab_to(page: Page, label: str) -> None:
    """Press Tab until what has the focus reads like this."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        if " ".join((await page.locator(":focus").text_content() or "").split()) == label:
            return
    pytest.fail(f"the keyboard never reached {label}")
