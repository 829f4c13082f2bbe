"""A real browser for tests that need one."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from .vendor_site import HOST, vendor_site


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try a browser test once more, and show it as RERUN, when the browser did not answer in time.

    A machine with two busy cores starves a browser for longer than its own time-out now and then; an assertion
    that fails is never tried again.
    """
    for item in items:
        if item.get_closest_marker("browser") is not None:
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]))


@pytest_asyncio.fixture(scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """The distribution's Chromium, or the one that OSTIARY_TEST_CHROMIUM names; it reaches this machine only."""
    executable = os.environ.get("OSTIARY_TEST_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        pytest.fail("There is no chromium on the path; set OSTIARY_TEST_CHROMIUM.")
    async with vendor_site(tmp_path_factory.mktemp("vendor")) as port, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",
                f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{port}",
                "--ignore-certificate-errors",
            ],
        )
        yield browser
        await browser.close()
