"""Mails, read where their recipients read them: in the emulator's mailboxes."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from ostiary.entrypoints.cli.demo import sample
from ostiary.entrypoints.cli.demo.browser import Browser, PageWrong
from ostiary.entrypoints.cli.demo.steps.connecting import TOM
from ostiary.entrypoints.cli.demo.walk import Walk, expect

_TRIES: Final = 60
_PAUSE_SECONDS: Final = 0.5


async def administrator_is_asked(walk: Walk) -> str:
    """Priya finds the request in her mailbox, with a link of its own."""
    async with walk.browser() as browser:
        await _open_mail(walk, browser, sample.PRIYA, "Please approve Larkspur for Microsoft 365")
        expect("I want to plan meetings with customers." in browser.page.text, "the reason is missing")
        links = browser.page.document.xpath("//pre//a/@href")
        expect(len(links) == 1, f"the mail has {len(links)} links")
        expect(links[0].startswith(f"{walk.public_url}/admin-consent/l/"), "the link leads elsewhere")
        walk.seen["mailed link"] = links[0]
        return "“Please approve Larkspur for Microsoft 365”, with one link"


async def everyone_is_told(walk: Walk) -> str:
    """Tom hears that he can connect; Priya, as the IT contact, hears of the approval."""
    async with walk.browser() as browser:
        await _open_mail(walk, browser, TOM, "You can connect now")
        page = urlsplit(walk.seen["request page"]).path
        expect(page in browser.page.text, "the mail does not lead back to the request")
        await _open_mail(walk, browser, sample.PRIYA, "Larkspur was approved for Harbour & Vale")
        expect("Not expected?" in browser.page.text, "the notice does not say how to withdraw")
        return "“You can connect now”, “Larkspur was approved for Harbour & Vale”"


async def _open_mail(walk: Walk, browser: Browser, address: str, subject: str) -> None:
    """Open the newest mail with this subject; waits for it, because a worker sends it."""
    for _ in range(_TRIES):
        await browser.open(f"{walk.demo.instance.emulator_url}/mailboxes/{address}")
        try:
            await browser.follow(subject)
        except PageWrong:
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        return
    expect(False, f"no mail “{subject}” arrived at {address}")
