"""The console in a real browser: seen, read aloud, without a mouse, without scripts, and attacked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Route

from ostiary.bootstrap import Services, application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.app import create_app
from ostiary.settings import Settings

from ..front import Front
from ..integration.console_world import OPERATOR_PAGES, Customer, console_pages, make_customer
from .pressing import press

pytestmark = pytest.mark.browser

AXE_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
DOORS = ("/console/sign-in?problem=wrong_tenant", "/console/link", "/console/signed-out", "/nothing-here")


@dataclass(frozen=True, slots=True)
class World:
    """The running site with a customer, its admin and an operator."""

    url: str
    services: Services
    customer: Customer
    operator: Secret
    operator_link: Secret


@pytest_asyncio.fixture
async def world(settings: Settings, clock: MovableClock, front: Front, site_url: str) -> AsyncIterator[World]:
    async with application(settings.model_copy(update={"public_url": site_url}), clock=clock) as services:
        customer = await make_customer(services, "hv", "Harbour & Vale", "Dana Okafor")
        first = await services.access.ensure_first_operator()
        assert first is not None
        operator = await services.access.use_operator_link(first, replaces=None, actor=SYSTEM)
        _, link = await services.access.create_operator_link(name="Vik", actor=SYSTEM)
        front.serve(create_app(services))
        yield World(site_url, services, customer, operator.secret, link)
        await front.withdraw()


async def _visit_as(
    world: World, chromium: Browser, session: Secret | None, **options: Any
) -> BrowserContext:
    context = await chromium.new_context(base_url=world.url, **options)
    if session is not None:
        # Chromium takes secure cookies on http://localhost; the protocol wants an https address to say so.
        await context.add_cookies(
            [
                {
                    "name": "__Host-ostiary-session",
                    "value": session.reveal(),
                    "url": world.url.replace("http:", "https:"),
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Strict",
                }
            ]
        )
    return context


async def _each_page(
    world: World,
    chromium: Browser,
    look: Callable[[Page, str], Awaitable[None]],
    *,
    hear: Callable[[ConsoleMessage], None] = lambda _: None,
    **options: Any,
) -> None:
    """Show every page of the console, of the operators and before the door."""
    for session, paths in (
        (world.customer.session, console_pages(world.customer)),
        (
            world.operator,
            [
                *OPERATOR_PAGES,
                f"/operator/customers/{world.customer.organization.id}",
                f"/operator/reference?ref={world.customer.connections[0].reference}",
            ],
        ),
        (None, DOORS),
    ):
        context = await _visit_as(world, chromium, session, **options)
        page = await context.new_page()
        page.on("console", lambda message: hear(message))
        for path in paths:
            await page.goto(path)
            await look(page, path)
        await context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
async def test_no_page_shuts_anybody_out(world: World, chromium: Browser, scheme: str, width: int) -> None:
    axe = Axe()
    faults: list[str] = []

    async def look(page: Page, path: str) -> None:
        found = await axe.run(page, options=AXE_RULES)
        faults.extend(
            f"{path}: {fault['id']} {fault['nodes'][0]['html'][:120]}"
            for fault in found.response["violations"]
        )

    await _each_page(world, chromium, look, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert faults == []


async def test_the_scan_finds_a_fault_when_there_is_one(world: World, chromium: Browser) -> None:
    context = await _visit_as(world, chromium, world.customer.session)
    page = await context.new_page()
    await page.goto("/console/members")
    await page.evaluate("document.querySelector('label[for=q]').remove()")
    found = await Axe().run(page, options=AXE_RULES)
    assert {fault["id"] for fault in found.response["violations"]} >= {"label"}
    await context.close()


async def test_no_page_scrolls_sideways_or_breaks_its_own_policy(world: World, chromium: Browser) -> None:
    wrong: list[str] = []

    async def look(page: Page, path: str) -> None:
        wide = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if wide > 0:
            wrong.append(f"{path}: {wide} px too wide")

    def hear(message: ConsoleMessage) -> None:
        if "Policy" in message.text:
            wrong.append(message.text)

    await _each_page(world, chromium, look, hear=hear, viewport={"width": 320, "height": 700})
    assert wrong == []


async def test_keyboard_reaches_everything_and_each_stop_is_seen(world: World, chromium: Browser) -> None:
    context = await _visit_as(
        world, chromium, world.customer.session, viewport={"width": 1280, "height": 900}
    )
    page = await context.new_page()
    await page.goto("/console")
    wanted = await page.evaluate(
        "[...document.querySelectorAll('a[href],button,input,select,textarea,summary')]"
        ".filter(e => e.type !== 'hidden' && e.offsetParent !== null).length"
    )
    seen: set[str] = set()
    for _ in range(wanted + 3):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(
            "(() => { const e = document.activeElement; if (e === document.body) return null;"
            " const s = getComputedStyle(e);"
            " return [e.tagName + e.textContent.trim() + (e.href || ''), s.outlineStyle, s.outlineWidth]; })()"
        )
        if stop is None:
            break
        assert (stop[1], stop[2]) == ("solid", "3px"), stop
        seen.add(stop[0])
    first = next(iter([name for name in seen if "Skip to main content" in name]), None)
    assert first is not None
    assert len(seen) >= wanted * 0.8  # some links share words and address
    await context.close()


async def test_licence_is_given_without_scripts(world: World, chromium: Browser) -> None:
    person = world.customer.people[7]
    context = await _visit_as(world, chromium, world.customer.session, java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/console/members?show=unlicensed")
    await page.get_by_label(f"Choose {person.display_name}").check()
    await press(page.get_by_role("button", name="Give licence"))
    await page.wait_for_url("**/console/members?*")
    assert (
        await world.services.organizations.get_member(
            person.id, organization_id=world.customer.organization.id
        )
    ).licensed
    await context.close()


async def test_operator_comes_in_by_link_and_leaves_without_scripts(world: World, chromium: Browser) -> None:
    context = await _visit_as(world, chromium, None, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"/console/link/{world.operator_link.reveal()}")
    assert world.operator_link.reveal() not in page.url
    await press(page.get_by_role("button", name="Sign in"))
    await page.wait_for_url("**/operator")
    assert await page.locator("h1").inner_text() == "All customers"
    await press(page.get_by_role("link", name="Vik"))
    await press(page.get_by_role("button", name="Sign out", exact=True))
    await page.wait_for_url("**/console/signed-out")
    assert await context.cookies() == []
    await context.close()


async def test_copy_button_copies_the_link_and_says_so(world: World, chromium: Browser) -> None:
    context = await _visit_as(world, chromium, world.customer.session)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    await page.goto(f"/console/members/{world.customer.people[6].id}")
    await press(page.get_by_role("button", name="Invite to connect"))
    link = await page.locator("#link").inner_text()
    assert link.startswith(f"{world.url}/connect/s/")
    await page.get_by_role("button", name="Copy link").click()
    await page.get_by_role("status").filter(has_text="Copied").wait_for(state="attached")
    # Pages may not read the clipboard, so it is pasted like a person would.
    await page.goto("/console/members")
    await page.get_by_label("Name or address").focus()
    await page.keyboard.press("Control+V")
    assert await page.get_by_label("Name or address").input_value() == link
    await context.close()


async def test_link_from_another_site_opens_the_console_in_spite_of_the_strict_cookie(
    world: World, chromium: Browser
) -> None:
    context = await _visit_as(world, chromium, world.customer.session)
    page = await context.new_page()

    async def mail(route: Route) -> None:
        await route.fulfill(body=f'<a href="{world.url}/console/audit">look</a>', content_type="text/html")

    await page.route("http://mail.example/", mail)
    await page.goto("http://mail.example/")
    await press(page.get_by_role("link", name="look"))
    await page.wait_for_url("**/console/audit")
    assert await page.locator("h1").inner_text() == "Audit log"
    await context.close()


async def test_injected_markup_does_not_run(world: World, chromium: Browser) -> None:
    async def ran(policy: bool) -> dict[str, bool]:
        context = await _visit_as(world, chromium, world.customer.session)
        page = await context.new_page()

        async def inject(route: Route) -> None:
            answer = await route.fetch()
            body = (await answer.text()).replace(
                "</h1>",
                "</h1><script>window.inline = true</script><img src=x onerror='window.handler = true'>",
                1,
            )
            headers = {
                name: value
                for name, value in answer.headers.items()
                if policy or name.lower() != "content-security-policy"
            }
            headers.pop("content-encoding", None)
            headers.pop("content-length", None)
            await route.fulfill(status=200, headers=headers, body=body)

        await page.route("**/console", inject)
        await page.goto("/console")
        await page.wait_for_load_state("networkidle")
        result = await page.evaluate(
            "(() => { let markup = false; try { document.body.innerHTML += ''; markup = true } catch {}"
            " return { inline: !!window.inline, handler: !!window.handler, markup } })()"
        )
        await context.close()
        return result

    assert await ran(policy=True) == {"inline": False, "handler": False, "markup": False}
    # The same attack works where the policy is missing, so the test can tell.
    assert await ran(policy=False) == {"inline": True, "handler": True, "markup": True}


async def test_first_visit_weighs_little(world: World, chromium: Browser) -> None:
    # The console has a script of its own, for local times and the end of the session.
    for session, path, most_bytes, most_requests in (
        (world.customer.session, "/console", 25_000, 4),
        (None, "/console/sign-in", 15_000, 3),
    ):
        context = await _visit_as(world, chromium, session)
        page = await context.new_page()
        requests: list[Any] = []
        page.on("requestfinished", lambda request, kept=requests: kept.append(request))
        await page.goto(path, wait_until="networkidle")
        sizes = [(await each.sizes())["responseBodySize"] for each in requests]
        assert sum(sizes) <= most_bytes, (path, sizes)
        assert len(sizes) <= most_requests, [each.url for each in requests]
        assert all(each.url.startswith(world.url) for each in requests)
        await context.close()
