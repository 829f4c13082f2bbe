"""Making an API key with a sign-in that has grown old: in a browser, by keyboard, without a fault (SR-57)."""

from __future__ import annotations

from datetime import timedelta

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock

from .pressing import press_enter
from .test_console_browser import AXE_RULES, World, world

__all__ = ["world"]


async def faults_on(page: Page) -> list[str]:
    found = await Axe().run(page, options=AXE_RULES)
    return [f"{page.url}: {fault['id']}" for fault in found.response["violations"]]


async def enter_on(page: Page, name: str) -> None:
    """Focus a button and press Enter, as somebody without a mouse does."""
    await page.get_by_role("button", name=name, exact=True).focus()
    await press_enter(page)


async def test_an_operator_goes_on_with_what_was_typed_after_a_fresh_sign_in(
    world: World, chromium: Browser, clock: MovableClock
) -> None:
    context = await chromium.new_context(base_url=world.url)
    page = await context.new_page()
    broken: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if "Policy" in message.text:
            broken.append(message.text)

    page.on("console", hear)
    await page.goto(f"/console/link/{world.operator_link.reveal()}")
    await enter_on(page, "Sign in")
    await page.goto("/operator/keys")
    await page.get_by_label("Name", exact=True).fill("Larkspur backend")
    await page.get_by_label("See customers, members, approvals and connections").check()
    await page.get_by_label("Addresses it works from").fill("192.0.2.0/24")
    clock.advance(timedelta(minutes=6))
    await enter_on(page, "Make the key")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it’s you")
    broken += await faults_on(page)
    assert await world.services.access.list_api_keys() == ()

    _, link = await world.services.access.create_operator_link(name="Vik", actor=SYSTEM)
    await page.goto(f"/console/link/{link.reveal()}")
    await enter_on(page, "Sign in")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, Vik")
    broken += await faults_on(page)
    await enter_on(page, "Go on")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your new key: Larkspur backend")
    broken += await faults_on(page)
    (key,) = await world.services.access.list_api_keys()
    assert (key.name, key.networks, key.created_by) == ("Larkspur backend", ("192.0.2.0/24",), "Vik")
    assert broken == []
    await context.close()
