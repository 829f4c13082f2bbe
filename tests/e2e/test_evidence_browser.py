"""The evidence pack in a real browser: accessible in every look, readable without scripts, and the same as a file."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import Browser

from .pressing import press
from .test_site_looks import LOOKS, check, watch

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_the_page_is_accessible(site: str, chromium: Browser, scheme: str, width: int) -> None:
    context = await chromium.new_context(
        base_url=site,
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
        java_script_enabled=True,
        reduced_motion="reduce",
    )
    try:
        page = await context.new_page()
        complaints = watch(page)
        await page.goto("/genuine")
        await press(page.get_by_role("link", name="the evidence pack"))
        await page.wait_for_url("**/genuine/evidence")
        await check(page, f"evidence {scheme} {width}")
        assert complaints == []
    finally:
        await context.close()


async def test_it_is_reached_and_read_with_the_keyboard_and_without_scripts(
    site: str, chromium: Browser
) -> None:
    context = await chromium.new_context(base_url=site, java_script_enabled=False)
    try:
        page = await context.new_page()
        await page.goto("/genuine/evidence")
        assert await page.get_by_role("table").count() >= 7
        assert await page.get_by_role("rowheader", name="Mail.ReadWrite").count() == 1
        await page.keyboard.press("Tab")
        assert await page.locator(":focus").inner_text() == "Skip to main content"
        await page.get_by_role("link", name="Download as PDF").focus()
        async with page.expect_download() as download:
            await page.keyboard.press("Enter")
        assert (await download.value).suggested_filename == "evidence-pack.pdf"
    finally:
        await context.close()


async def test_printing_leaves_out_what_only_a_screen_needs(site: str, chromium: Browser) -> None:
    context = await chromium.new_context(base_url=site)
    try:
        page = await context.new_page()
        await page.goto("/genuine/evidence")
        await page.emulate_media(media="print")
        assert not await page.get_by_role("link", name="Download as PDF").is_visible()
        assert not await page.locator(".topbar").is_visible()
        assert await page.get_by_role("heading", name="How to withdraw").is_visible()
    finally:
        await context.close()


async def test_the_file_is_a_pdf(client: httpx.AsyncClient) -> None:
    answer = await client.get("/genuine/evidence.pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
