"""A real browser for tests that need one."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The distribution's Chromium, or the one that OSTIARY_TEST_CHROMIUM names."""
    executable = os.environ.get("OSTIARY_TEST_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        pytest.fail("There is no chromium on the path; set OSTIARY_TEST_CHROMIUM.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()
