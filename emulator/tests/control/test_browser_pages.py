"""The pages in a real browser: accessible, within the screen, working with and without JavaScript."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from m365_emulator.pytest_plugin import RunningEmulator
from sample import NORDICS_ONE, PRIYA, TOM, App

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    executable = os.environ.get("OSTIARY_TEST_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        pytest.fail("There is no chromium on the path; set OSTIARY_TEST_CHROMIUM.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture(params=["light, wide", "dark, narrow"])
async def page(request: pytest.FixtureRequest, chromium: Browser) -> AsyncIterator[Page]:
    """A page without JavaScript of its own making: axe needs scripts, the emulator does not."""
    is_dark = request.param.startswith("dark")
    context = await chromium.new_context(
        color_scheme="dark" if is_dark else "light",
        viewport={"width": 360, "height": 740} if is_dark else {"width": 1280, "height": 900},
        bypass_csp=True,
    )
    yield await context.new_page()
    await context.close()


async def check(page: Page, heading: str) -> None:
    """The page is the right one, axe finds nothing, and nothing sticks out sideways."""
    assert await page.locator("h1").inner_text() == heading
    results = await Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    overflow: Any = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, f"{heading} sticks out by {overflow} px"


async def test_sign_in_pages_are_accessible(m365_emulator: RunningEmulator, page: Page) -> None:
    app = App(m365_emulator.http_url)
    base = m365_emulator.http_url
    await page.goto(base + app.admin_consent_url())
    await check(page, "Pick an account")
    await page.click("button[value=other]")
    await check(page, "Use another account")
    await page.fill("#address", "somebody@nowhere.example")
    await page.click("button[value=next]")
    await check(page, "Use another account")
    await page.fill("#address", PRIYA)
    await page.click("button[value=next]")
    await check(page, "Password")
    await page.click("button[value=next]")
    await check(page, "Permissions requested")

    await page.goto(base + app.admin_consent_url())
    await page.click(f"button[value='{TOM}']")
    await page.click("button[value=next]")
    await check(page, "Need admin approval")
    await page.goto(base + app.admin_consent_url())
    await page.click(f"button[value='{NORDICS_ONE}']")
    await page.click("button[value=next]")
    await check(page, "Approval required")
    await page.fill("#justification", "Sales uses it")
    await page.click("button[value=request]")
    await check(page, "Request sent")
    await page.click("#reviewer-inbox")
    await check(page, "Reviewer inbox")
    await page.goto(base + app.authorize_url(redirect_uri="https://evil.example/"))
    await check(page, "Sign-in stopped")


async def test_control_pages_are_accessible(m365_emulator: RunningEmulator, page: Page) -> None:
    base = m365_emulator.http_url
    for path, heading in (
        ("/", "Microsoft 365, emulated on this machine"),
        (f"/mailboxes/{TOM}", "Tom Ellis: Inbox"),
        (f"/mailboxes/{TOM}/calendar", "Tom Ellis: calendar"),
        ("/requests", "Request log"),
        ("/notifications", "Sent notifications"),
        ("/devicelogin", "Enter the code"),
    ):
        await page.goto(base + path)
        await check(page, heading)
    await page.goto(f"{base}/mailboxes/{TOM}")
    await page.click("table a")
    await check(page, await page.locator("h1").inner_text())


async def test_axe_would_notice(page: Page) -> None:
    await page.set_content("<html><body><img src=x><input></body></html>")

    assert (await Axe().run(page)).violations_count > 0


class Callback:
    """The app's own web server: remembers what the browser brought, then sends it on to the vendor's page."""

    def __init__(self) -> None:
        self.received: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0
        )
        body = (await reader.readexactly(length)).decode() if length else ""
        first = head.split("\r\n")[0]
        if "/return" in first:
            self.received.append(f"{first} {body}")
            port = writer.get_extra_info("sockname")[1]
            writer.write(f"HTTP/1.1 303 See Other\r\nLocation: http://127.0.0.1:{port}/done\r\n".encode())
            writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\nConnection: close\r\n\r\n"
            )
            writer.write(b"<h1>Back</h1>")
        await writer.drain()
        writer.close()


@pytest.mark.parametrize("has_scripts", [True, False])
@pytest.mark.parametrize("mode", ["query", "form_post"])
async def test_the_way_back_works_through_the_content_security_policy(
    m365_emulator: RunningEmulator, chromium: Browser, mode: str, has_scripts: bool
) -> None:
    callback = Callback()
    server = await asyncio.start_server(callback.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    app = App(m365_emulator.http_url, redirect_uri=f"http://localhost:{port}/return")
    m365_emulator.control("PATCH", f"/apps/{app.client_id}", {"redirect_uris": ["http://localhost/return"]})
    context = await chromium.new_context(java_script_enabled=has_scripts)
    page = await context.new_page()
    await page.goto(m365_emulator.http_url + app.authorize_url(response_mode=mode, scope="openid User.Read"))
    await page.click(f"button[value='{TOM}']")
    await page.click("button[value=next]")
    await page.click("button[value=accept]")
    if mode == "form_post" and not has_scripts:
        await page.click("text=Continue")

    await page.wait_for_url(f"http://127.0.0.1:{port}/done")

    assert await page.locator("h1").inner_text() == "Back"
    assert len(callback.received) == 1
    assert callback.received[0].startswith("POST" if mode == "form_post" else "GET")
    assert "code=" in callback.received[0]
    await context.close()
    server.close()
    await server.wait_closed()


async def test_a_browser_behind_the_proxy_meets_the_emulator_under_microsofts_name(
    m365_emulator: RunningEmulator, chromium: Browser
) -> None:
    proxy = m365_emulator.stand_in_environment()["HTTPS_PROXY"]
    context = await chromium.new_context(proxy={"server": proxy}, ignore_https_errors=True)
    page = await context.new_page()

    await page.goto("https://login.microsoftonline.com" + App(m365_emulator.http_url).admin_consent_url())

    assert await page.locator("h1").inner_text() == "Pick an account"
    assert "LOCAL EMULATOR" in await page.locator(".emu-banner").inner_text()
    await context.close()
