"""Presses that lead to another page, and pages that are there before anybody reads them.

A click returns when the browser has taken it, not when the next page is shown; what reads at once reads the old page
on a slow machine.
"""

from __future__ import annotations

from playwright.async_api import Locator, Page


async def press(target: Locator) -> None:
    """Click what leads to another page, and wait until that page is loaded."""
    async with target.page.expect_navigation():
        await target.click()


async def press_enter(page: Page) -> None:
    """Press Enter on what has the focus and leads to another page, and wait until that page is loaded."""
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
