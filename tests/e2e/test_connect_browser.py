"""Connecting in a real browser: with and without scripts, light and dark, wide and narrow."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from ostiary.bootstrap import Services
from ostiary.core.access.model import Role
from ostiary.core.access.sessions import begin_session
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.worker.runner import Worker

from ..integration.connect_world import Company, Emulator, make_company
from .approval_world import at_microsoft
from .pressing import press, press_enter

pytestmark = pytest.mark.browser

TOM = "tom.ellis@harbourvale.example"
DOMAIN = "harbourvale.example"
AXE_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 360)]


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    return await make_company(app, client, site, emulator)


@pytest_asyncio.fixture
async def open_page(chromium: Browser, site: str) -> Callable[..., Awaitable[Page]]:
    """Open a page in a fresh browser profile."""
    contexts: list[Any] = []

    async def opened(*, scripts: bool = True, scheme: str = "light", width: int = 1280) -> Page:
        context = await chromium.new_context(
            base_url=site,
            java_script_enabled=scripts,
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 900},
            # A colour on its way from light to dark is neither.
            reduced_motion="reduce",
        )
        contexts.append(context)
        return await context.new_page()

    yield opened  # type: ignore[misc]
    for context in contexts:
        await context.close()


async def sign_in(page: Page, address: str = TOM) -> None:
    """Get through Microsoft's pages."""
    for _ in range(6):
        if await page.locator("input[name=password]").count():
            await press(page.get_by_role("button", name="Sign in", exact=True))
        elif await page.locator(f"button[value='{address}']").count():
            await press(page.locator(f"button[value='{address}']"))
        elif await page.get_by_role("button", name="Accept", exact=True).count():
            await press(page.get_by_role("button", name="Accept", exact=True))
        else:
            return


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("method", list(AccessMethod))
async def test_a_member_connects_and_lands_in_the_vendors_app(
    company: Company, open_page, scripts: bool, method: AccessMethod
) -> None:
    company.emulator.set_scenario(DOMAIN, "ews_listed")
    await company.approve(method)
    page = await open_page(scripts=scripts)
    await page.goto(await company.session())
    await press(page.get_by_role("button", name="Continue to Microsoft"))
    await sign_in(page)
    await page.wait_for_url("https://app.larkspur.example/connected?**")
    query = parse_qs(urlsplit(page.url).query)
    connection = await company.app.connections.confirmation.confirm(
        query["connect_session"][0], completion_code=Secret(query["completion_code"][0]), actor=SYSTEM
    )
    assert (connection.status, connection.method) == (ConnectionStatus.CONNECTED, method)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"mail"}, {"Email": "Connected", "Calendar": "Not chosen"}),
        ({"calendar"}, {"Email": "Not chosen", "Calendar": "Connected"}),
        ({"mail", "calendar"}, {"Email": "Connected", "Calendar": "Connected"}),
    ],
    ids=["mail only", "calendar only", "both"],
)
async def test_what_was_chosen_is_what_is_connected(
    company: Company, open_page, chosen: set[str], said: dict[str, str]
) -> None:
    await company.approve()
    page = await open_page(scripts=False)
    await page.goto(await company.session(return_url=None))
    for name in ("mail", "calendar"):
        await page.locator(f"input[name={name}]").set_checked(name in chosen)
    await press(page.get_by_role("button", name="Continue to Microsoft"))
    await sign_in(page)
    assert await page.locator("h1").inner_text() == "Connected"
    facts = await read_facts(page)
    assert {name: facts[name].strip() for name in said} == said
    (connection,) = await company.connections()
    assert (connection.mail, connection.calendar) == ("mail" in chosen, "calendar" in chosen)


async def test_before_the_approval_a_member_asks_and_connects_once_it_is_given(
    company: Company, open_page
) -> None:
    page, colleague = await open_page(scripts=False), await open_page(scripts=False)
    await page.goto(await company.session())
    assert "Harbour & Vale hasn’t approved Larkspur yet." in await page.locator("main").inner_text()
    await press(page.get_by_role("link", name="Ask your administrator"))
    await page.get_by_label("Your administrator’s email").fill("priya.nair@harbourvale.example")
    await press(page.get_by_role("button", name="Send request"))
    waiting = page.url
    await press(page.get_by_role("button", name="I’ve sent it"))
    assert await page.locator("h1").inner_text() == "Your request is with your IT administrator"
    await page.get_by_role("button", name="Copy a reminder to send").click()
    message = await page.locator("pre").first.inner_text()

    await colleague.goto(next(word for word in message.split() if "/admin-consent/l/" in word))
    await press(colleague.get_by_role("button", name="Connect email and calendar - Graph"))
    await at_microsoft(colleague)
    assert await colleague.locator("h1").inner_text() == "Approved. People at Harbour & Vale can now connect."

    await Worker(company.app).run(until_idle=True)

    await page.goto(waiting)
    assert await page.locator("h1").inner_text() == "Approved. You can connect now."
    await press(page.get_by_role("button", name="Connect now"))
    await sign_in(page)
    await page.wait_for_url("https://app.larkspur.example/connected?**")
    (connection,) = await company.connections()
    assert connection.status is ConnectionStatus.UNCONFIRMED


async def test_signing_in_again_keeps_the_connection_and_disconnecting_destroys_its_tokens(
    company: Company, open_page
) -> None:
    await company.approve()
    page = await open_page(scripts=False)
    await page.goto(await company.session(return_url=None))
    await press(page.get_by_role("button", name="Continue to Microsoft"))
    await sign_in(page)
    (first,) = await company.connections()
    await page.goto(await company.session(return_url=None, connection_id=first.id))
    assert await page.locator("h1").inner_text() == "Sign in again"
    await press(page.get_by_role("button", name="Continue to Microsoft"))
    await sign_in(page)
    assert await page.locator("h1").inner_text() == "Connected"
    (again,) = await company.connections()
    assert (again.id, again.status, again.token_version) == (first.id, ConnectionStatus.CONNECTED, 2)

    await come_in_as_dana(company, page)
    await page.goto(f"/console/connections/{first.id}/disconnect")
    await press(page.get_by_role("button", name="Disconnect"))
    assert "That isn’t the address of this mailbox." in await page.locator("main").inner_text()
    await page.get_by_label("Type the address to confirm").fill(TOM)
    await press(page.get_by_role("button", name="Disconnect"))
    assert await page.locator("h1").inner_text() == f"{TOM} is disconnected"
    receipt = await page.locator("main").inner_text()
    assert "The saved sign-in was destroyed." in receipt
    assert first.reference in receipt
    (ended,) = await company.connections()
    assert ended.status is ConnectionStatus.DISCONNECTED
    async with company.app.transactions() as tx:
        assert await tx.refresh_tokens.find(first.id) is None
        assert await tx.access_tokens.find(first.id) is None


async def come_in_as_dana(company: Company, page: Page) -> None:
    """Give the browser a console session of the organization's admin."""
    services = company.app
    async with services.transactions() as tx:
        signed_in = await begin_session(
            tx,
            role=Role.ORGANIZATION_ADMIN,
            subject_id="mem_2",
            name="Dana Okafor",
            organization_id="org_1",
            entropy=services.entropy,
            now=services.clock.now(),
            replaces=None,
            authenticated_at=services.clock.now(),
        )
    await page.context.add_cookies(
        [
            {
                "name": "__Host-ostiary-session",
                "value": signed_in.secret.reveal(),
                # The protocol wants an https address for a secure cookie; Chromium sends it to http://localhost.
                "url": services.settings.public_url.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )


async def read_facts(page: Page) -> dict[str, str]:
    """What the page's list of facts says, by name."""
    rows = page.locator("main dl.facts > div")
    names = await rows.locator("dt").all_inner_texts()
    values = await rows.locator("dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


async def test_an_attackers_link_completed_by_somebody_else_gives_nothing_usable(
    company: Company, open_page
) -> None:
    await company.approve()
    attacker, victim = await open_page(), await open_page()
    link = await company.session()
    await attacker.goto(link)
    await press(attacker.get_by_role("button", name="Continue to Microsoft"))
    at_microsoft = attacker.url
    # The victim is lured to Microsoft's page of the attacker's sign-in, and the return comes to their browser.
    await victim.goto(at_microsoft)
    await sign_in(victim)
    assert await victim.locator("h1").inner_text() == "We lost track of this sign-in"
    assert company.emulator.requests("/token") == []
    # Or to the attacker's session: the first browser that started has it.
    await victim.goto(link)
    await press(victim.get_by_role("button", name="Continue to Microsoft"))
    assert await victim.locator("h1").inner_text() == "We lost track of this sign-in"
    assert await company.connections() == ()


async def test_keyboard_alone_is_enough_to_connect(company: Company, open_page) -> None:
    await company.approve()
    page = await open_page()
    await page.goto(await company.session(return_url=None))
    reached: list[str] = []
    for _ in range(20):
        await page.keyboard.press("Tab")
        text = await page.evaluate(
            "(document.activeElement.innerText || document.activeElement.name || '').trim()"
        )
        reached.append(text)
        if text.startswith("Continue to Microsoft"):
            break
    assert reached[0] == "Skip to main content"
    assert reached[-1].startswith("Continue to Microsoft")
    await press_enter(page)
    await sign_in(page)
    await page.wait_for_url("**/connect/done/**")
    await page.wait_for_function("document.activeElement.tagName === 'H1'", timeout=15000)


async def test_every_page_is_accessible_in_every_look(company: Company, open_page) -> None:
    page = await open_page()
    violations: list[str] = []
    checked = 0
    async for name in walk_all_pages(company, page):
        # A click returns when the next page begins; its stylesheet may still be on the way.
        await page.wait_for_load_state("load")
        for scheme, width in LOOKS:
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": 900})
            results = await Axe().run(page, options=AXE_RULES)
            found = results.response["violations"]
            violations += [
                f"{name} {scheme} {width}: {each['id']} {each['nodes'][0]['target']}" for each in found
            ]
            overflow = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if overflow > 0:
                violations.append(f"{name} {scheme} {width}: scrolls sideways by {overflow}")
            await keep_picture(page, f"{name}-{scheme}-{width}")
            checked += 1
    assert violations == []
    assert checked >= 40


async def test_the_scan_would_find_a_violation(company: Company, open_page) -> None:
    page = await open_page()
    await page.goto("/connect")
    await page.evaluate(
        "for (const name of ['img', 'input'])"
        " document.querySelector('main').append(document.createElement(name))"
    )
    results = await Axe().run(page, options=AXE_RULES)
    assert {each["id"] for each in results.response["violations"]} >= {"image-alt", "label"}


async def walk_all_pages(company: Company, page: Page):
    """Lead the page through every screen of connecting; yields the name of each."""
    await page.goto("/connect")
    yield "start-from-vendor"
    await page.goto(await company.session())
    yield "connect-not-approved"
    await press(page.get_by_role("link", name="Ask your administrator"))
    yield "approval-form"
    await page.get_by_label("Your administrator’s email").fill("priya.nair@harbourvale.example")
    await page.get_by_label("Why you need it").fill("I need this to book customer meetings.")
    await press(page.get_by_role("button", name="Send request"))
    yield "approval-to-send"
    await press(page.get_by_role("link", name="Ask someone else"))
    yield "approval-other"
    await page.go_back()
    await press(page.get_by_role("button", name="I’ve sent it"))
    yield "approval-sent"
    await company.app.approvals.resolve(organization_id="org_1", method=AccessMethod.GRAPH)
    await page.reload()
    yield "approval-approved"
    await company.approve()
    await page.goto(await company.session(return_url=None))
    yield "connect-approved"
    await page.locator("input[name=mail]").uncheck()
    await page.locator("input[name=calendar]").uncheck()
    await press(page.get_by_role("button", name="Continue to Microsoft"))
    yield "connect-nothing-chosen"
    company.emulator.set_scenario(DOMAIN, "mailbox_missing")
    await page.goto(await company.session(return_url=None))
    await press(page.get_by_role("button", name="Continue to Microsoft"))
    await sign_in(page)
    yield "problem-mailbox-missing"
    company.emulator.set_scenario(DOMAIN, "ews_listed")
    await page.goto(await company.session(return_url=None))
    await press(page.get_by_role("button", name="Continue to Microsoft"))
    await sign_in(page)
    yield "done"
    await page.goto(await company.session(return_url=None))
    yield "already-connected"


async def keep_picture(page: Page, name: str) -> None:
    """Keep what the page looked like, where OSTIARY_TEST_PICTURES names a folder."""
    folder = os.environ.get("OSTIARY_TEST_PICTURES")
    if folder:
        await page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
