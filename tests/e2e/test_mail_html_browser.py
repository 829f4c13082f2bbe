"""Hostile mail in a real browser: what we call safe runs nothing and asks nobody for anything (FG-18, SR-93).

No sandbox and no policy helps here: the cleaned HTML stands in an ordinary page with scripts allowed, once as part of
the document and once put in by a script, which parses it another way.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Route

from ostiary.core.mail.safe_html import make_safe, safe_text

from .hostile_html import PHONES, RUNS, payloads

pytestmark = pytest.mark.browser

PAGE = "http://mail.example/message"
AT_ONCE = 150
"""Messages in one page: what runs in any of them is seen, and then told one by one."""
_WATCH = """
    for (const name of ["alert", "confirm", "prompt", "print"]) window[name] = () => { top.ran = true; };
    top.ran = top.ran || false;
"""
_PROVOKE = """
    async (markup) => {
        const again = document.createElement("div");
        again.innerHTML = markup;
        document.body.append(again);
        const kinds = ["mouseover", "mouseenter", "pointerenter", "focus", "load", "error", "toggle", "animationstart"];
        for (const element of document.querySelectorAll("body, body *")) {
            for (const kind of kinds) element.dispatchEvent(new Event(kind));
            if (element.focus) element.focus();
            const address = element.getAttribute("href") || "";
            if (/^\\s*(javascript|data|vbscript):/i.test(address)) top.ran = true;
        }
        for (const details of document.querySelectorAll("details")) details.open = true;
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        return top.ran;
    }
"""


@dataclass
class Observed:
    """What a page did."""

    ran: bool
    requests: list[str] = field(default_factory=list[str])

    @property
    def is_quiet(self) -> bool:
        return not self.ran and not self.requests


class Reader:
    """A mail program with no defence of its own."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self._document = ""
        self._requests: list[str] = []

    async def begin(self) -> None:
        await self._context.add_init_script(_WATCH)
        await self._context.route(re.compile(".*"), self._answer)

    async def show(self, messages: Sequence[str]) -> Observed:
        """Show messages one below the other, poke every element, and see what happened until it is quiet."""
        markup = "\n".join(f"<div>{each}</div>" for each in messages)
        self._document = f"<!DOCTYPE html><meta charset=utf-8><title>Mail</title><body>{markup}"
        self._requests = []
        page = await self._context.new_page()
        page.on("dialog", lambda dialog: dialog.dismiss())
        try:
            await page.goto(PAGE, wait_until="load")
            ran = bool(await page.evaluate(_PROVOKE, markup))
            # Any request that something started is under way by now, and recorded before it is answered.
            await page.evaluate("() => new Promise((done) => setTimeout(done, 0))")
            ran = ran or bool(await page.evaluate("() => top.ran"))
            return Observed(ran, list(self._requests))
        finally:
            await page.close()

    async def _answer(self, route: Route) -> None:
        if route.request.url == PAGE and route.request.is_navigation_request():
            await route.fulfill(body=self._document, content_type="text/html; charset=utf-8")
            return
        self._requests.append(route.request.url)
        await route.abort()


@pytest_asyncio.fixture
async def reader(chromium: Browser) -> AsyncIterator[Reader]:
    context = await chromium.new_context()
    reading = Reader(context)
    await reading.begin()
    yield reading
    await context.close()


async def test_hostile_mail_runs_nothing_and_phones_nobody(reader: Reader) -> None:
    hostile = list(dict.fromkeys(payloads()))
    safe = [make_safe(each, content_ids={"logo"}).html for each in hostile]
    guilty: list[str] = []
    for start in range(0, len(safe), AT_ONCE):
        batch = safe[start : start + AT_ONCE]
        if not (await reader.show(batch)).is_quiet:
            for number, each in enumerate(batch, start):
                if not (await reader.show([each])).is_quiet:
                    guilty.append(hostile[number])
    print(f"{len(hostile)} hostile messages, {len(guilty)} that ran or phoned home")

    assert guilty == []
    assert len(hostile) >= 500


async def test_the_same_mail_would_have_run_and_phoned_without_cleaning(reader: Reader) -> None:
    """The measure measures: left as it is, most of a sample does harm here."""
    runs, phones = RUNS[6:18], PHONES[:8]
    ran = [vector for vector in runs if (await reader.show([vector])).ran]
    phoned = [vector for vector in phones if (await reader.show([vector])).requests]
    print(f"{len(ran)} of {len(runs)} ran, {len(phoned)} of {len(phones)} phoned home")

    assert len(ran) >= 8
    assert len(phoned) >= 6


async def test_plain_text_is_shown_as_it_is(reader: Reader) -> None:
    assert (await reader.show([safe_text(vector).html for vector in (*RUNS, *PHONES)])).is_quiet
