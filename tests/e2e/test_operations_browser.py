"""Kill switch, erasing, incidents, unused permissions, local times and the end of a session, in a real browser."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.freeze import FreezeScope
from ostiary.core.consent.permissions import PERMISSIONS
from ostiary.core.feed.model import FeedEvent, FeedEventType, connection_event
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import NotFound
from ostiary.core.webhooks.model import EndpointStatus, WebhookEndpoint, delivery_id

from . import test_console_browser as console
from .pressing import press, press_enter
from .test_console_browser import AXE_RULES, World

pytestmark = pytest.mark.browser

site_world = console.world

ENDPOINT = WebhookEndpoint(
    id="whe_7zq4m1c9x2t8v5w0y3k6r1d4fh",
    url="https://app.larkspur.example/hooks/ostiary?of=" + "every-change-of-every-mailbox" * 4,
    description="production",
    organization_id=None,
    types=(),
    status=EndpointStatus.ACTIVE,
    disabled_because=None,
    created_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
    secret_number=1,
    old_secret_until=None,
    failing_since=datetime(2026, 11, 24, 12, tzinfo=UTC),
)


@pytest_asyncio.fixture
async def world(site_world: World) -> World:
    """The console's world, with something on every page: incidents, a freeze, permissions nobody used."""
    services, customer = site_world.services, site_world.customer
    await services.incidents.note()
    scopes = tuple(each.name for each in PERMISSIONS[AccessMethod.GRAPH])
    long_ago = services.clock.now().replace(month=6)
    async with services.transactions() as transaction:
        for connection in customer.connections[:2]:
            await transaction.connections.save(
                replace(connection, granted_scopes=scopes, connected_at=long_ago)
            )
    async with services.transactions() as transaction:
        await transaction.webhooks.add(ENDPOINT)
        await transaction.feed.append([event_of(site_world)])
    await services.freezes.freeze(
        FreezeScope.CONNECTION, customer.connections[0].id, note="stolen laptop", actor=SYSTEM
    )
    return site_world


def event_of(world: World) -> FeedEvent:
    """Something that happened in a mailbox, and goes to the vendor's endpoint."""
    connection = world.customer.connections[0]
    return connection_event(
        connection_id=connection.id,
        organization_id=connection.organization_id,
        kind=FeedEventType.MESSAGE_CREATED,
        subject="message 1",
        version="1",
        occurred_at=world.services.clock.now(),
        data={"message_id": "message 1"},
    )


def pages(world: World) -> tuple[list[str], list[str]]:
    """Pages of admins, and of operators."""
    customer = world.customer
    own = [
        "/console",
        "/console/incidents?show=all",
        "/console/unused-permissions?days=90",
        "/console/settings",
        f"/console/members/{customer.people[0].id}/erase",
        f"/console/connections/{customer.connections[0].id}",
        f"/console/connections/{customer.connections[0].id}/erase",
    ]
    operators = [
        "/operator/incidents",
        "/operator/webhooks",
        f"/operator/webhooks/{ENDPOINT.id}",
        f"/operator/webhooks/deliveries/{delivery_id(ENDPOINT.id, event_of(world).id)}",
        "/operator/traffic",
        "/operator/freezes",
        f"/operator/freezes/new?target={customer.organization.id}",
        "/operator/freezes/new?target=nobody",
        f"/operator/customers/{customer.organization.id}",
        f"/operator/customers/{customer.organization.id}/erase",
    ]
    return own, operators


async def keep_picture(page: Page, name: str) -> None:
    """Keep what the page looks like, where OSTIARY_TEST_PICTURES names a folder to look at them."""
    folder = os.environ.get("OSTIARY_TEST_PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
async def test_no_page_shuts_anybody_out_or_breaks_its_own_policy(
    world: World, chromium: Browser, scheme: Any, width: int
) -> None:
    axe, faults = Axe(), list[str]()

    def hear(message: ConsoleMessage) -> None:
        if "Policy" in message.text or message.type == "error":
            faults.append(message.text)

    async def look(page: Page, path: str) -> None:
        found = await axe.run(page, options=AXE_RULES)
        faults.extend(
            f"{path}: {fault['id']} {fault['nodes'][0]['html'][:160]}"
            for fault in found.response["violations"]
        )
        wide = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if wide > 0:
            faults.append(f"{path}: {wide} px too wide")
        name = path.strip("/").partition("?")[0].replace("/", "-")
        await keep_picture(page, f"{name}-{scheme}-{width}")

    own, operators = pages(world)
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    for session, paths in ((world.customer.session, own), (world.operator, operators)):
        context = await console._visit_as(world, chromium, session, **options)
        page = await context.new_page()
        page.on("console", hear)
        for path in paths:
            answer = await page.goto(path)
            assert answer is not None
            if answer.status != 404:  # which Chromium calls an error
                await look(page, path)
        await context.close()
    assert [fault for fault in faults if "404" not in fault] == []


async def tab_to(page: Page, words: str) -> None:
    """Press Tab until something with these words, or of this name, has the focus."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        here = await page.evaluate(
            "(() => { const e = document.activeElement; const l = e.labels && e.labels[0];"
            " return (l ? l.textContent : e.textContent).trim() })()"
        )
        if here.startswith(words):
            return
    raise AssertionError(f"Tab never comes to {words!r}")


async def test_an_operator_freezes_and_lifts_with_the_keyboard_alone(world: World, chromium: Browser) -> None:
    context = await console._visit_as(world, chromium, world.operator)
    page = await context.new_page()
    await page.goto("/operator/freezes")
    await tab_to(page, "Customer id or connection reference")
    await page.keyboard.type("hv")
    await press_enter(page)
    await expect(page.locator("h1")).to_have_text("Freeze Harbour & Vale?")
    await tab_to(page, "Type the name to confirm")
    await page.keyboard.type("Harbour")
    await press_enter(page)
    await expect(page.get_by_role("alert")).to_be_focused()
    await tab_to(page, "Why")
    await page.keyboard.type("a test")
    await tab_to(page, "Type the name to confirm")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("Harbour & Vale")
    await tab_to(page, "Freeze")
    await press_enter(page)
    await expect(page.get_by_role("row", name="Customer: Harbour & Vale")).to_be_visible()
    assert len(await world.services.freezes.list_all()) == 2
    await tab_to(page, "Lift the freeze of Harbour & Vale")
    await press_enter(page)
    await expect(page.get_by_text("Lifted.")).to_be_visible()
    assert len(await world.services.freezes.list_all()) == 1
    await context.close()


async def test_an_admin_erases_a_person_with_the_keyboard_alone(world: World, chromium: Browser) -> None:
    person = world.customer.people[1]
    context = await console._visit_as(world, chromium, world.customer.session)
    page = await context.new_page()
    await page.goto(f"/console/members/{person.id}")
    await tab_to(page, f"Erase {person.display_name}")
    await press_enter(page)
    await tab_to(page, "Type the address to confirm")
    await page.keyboard.type(person.email)
    await press_enter(page)
    await expect(page.locator("h1")).to_have_text("Erased")
    await expect(page.locator("h1")).to_be_focused()
    with pytest.raises(NotFound):
        await world.services.organizations.get_member(
            person.id, organization_id=world.customer.organization.id
        )
    await context.close()


async def test_everything_works_without_scripts(world: World, chromium: Browser) -> None:
    customer = world.customer
    context = await console._visit_as(world, chromium, customer.session, java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/console")
    await press(page.get_by_role("link", name="2 incidents not solved"))
    await expect(page.get_by_role("row")).to_have_count(3)
    await expect(page.locator("tbody time").first).to_have_text("24 November 2026, 12:00 UTC")
    await press(page.get_by_role("link", name="Over", exact=True))
    await expect(page.get_by_text("No incident fits this filter.")).to_be_visible()
    await press(page.get_by_role("link", name="Unused permissions"))
    await press(page.get_by_role("link", name="90 days"))
    await expect(page.get_by_role("row")).to_have_count(3)
    await page.goto(f"/console/connections/{customer.connections[1].id}/erase")
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Download a copy first").click()
    content = json.loads((await (await coming.value).path()).read_text())
    assert [row["id"] for row in content["connections"]] == [customer.connections[1].id]
    await page.get_by_label("Type the address to confirm").fill(customer.connections[1].address)
    await press(page.get_by_role("button", name="Erase"))
    await expect(page.locator("h1")).to_have_text("Erased")
    await context.close()

    context = await console._visit_as(world, chromium, world.operator, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"/operator/customers/{customer.organization.id}")
    await press(page.get_by_role("link", name="Erase Harbour & Vale"))
    await page.get_by_label("Type the name to confirm").fill("Harbour & Vale")
    await press(page.get_by_role("button", name="Erase"))
    await expect(page.locator("h1")).to_have_text("Erasing a customer")
    await world.services.erasure.finish(customer.organization.id)
    await press(page.get_by_role("link", name="Refresh"))
    await expect(page.locator("h1")).to_have_text("Erased")
    await context.close()


async def test_an_operator_watches_an_erasure_end_by_itself(world: World, chromium: Browser) -> None:
    context = await console._visit_as(world, chromium, world.operator)
    page = await context.new_page()
    await world.services.erasure.begin_organization(world.customer.organization.id, actor=SYSTEM)
    await page.goto(f"/operator/erasures/{world.customer.organization.id}")
    await expect(page.locator("h1")).to_have_text("Erasing a customer")
    await keep_picture(page, "operator-erasure")
    await world.services.erasure.finish(world.customer.organization.id)
    await expect(page.locator("h1")).to_have_text("Erased", timeout=15_000)
    await keep_picture(page, "operator-erased")
    await context.close()


async def in_tokyo(world: World, chromium: Browser) -> BrowserContext:
    return await console._visit_as(world, chromium, world.customer.session, timezone_id="Asia/Tokyo")


async def test_times_are_the_readers_own_and_utc_is_in_the_title(world: World, chromium: Browser) -> None:
    context = await in_tokyo(world, chromium)
    page = await context.new_page()
    await page.goto("/console/incidents")
    time = page.locator("tbody time").first
    await expect(time).to_have_text("24 Nov 2026, 21:00")
    await expect(time).to_have_attribute("title", "2026-11-24 12:00:00 UTC")
    await page.goto("/console")
    await expect(page.locator(".row time").first).to_have_text("21:00")
    await expect(page.get_by_role("columnheader", name="When", exact=True)).to_be_visible()
    await context.close()


async def test_a_person_is_warned_before_the_session_ends_and_may_stay(
    world: World, chromium: Browser
) -> None:
    context = await console._visit_as(world, chromium, world.customer.session)
    page = await context.new_page()
    await page.clock.install()
    await page.goto("/console/members?show=licensed")
    await page.get_by_label("Name or address").fill("half a word")
    soon = page.get_by_text("You will be signed out in 2 minutes")
    over = page.get_by_text("You were signed out.")
    await page.clock.fast_forward("27:50")
    await expect(soon).to_be_hidden()
    await page.clock.fast_forward("00:15")
    await expect(soon).to_be_visible()
    await keep_picture(page, "session-end")
    await page.get_by_role("button", name="Stay signed in").click()
    await expect(soon).to_be_hidden()
    await expect(page.get_by_label("Name or address")).to_have_value("half a word")
    await page.clock.fast_forward("31:00")
    await expect(over).to_be_visible()
    await expect(soon).to_be_hidden()
    link = page.get_by_role("link", name="Sign in", exact=True)
    await expect(link).to_have_attribute(
        "href", "/console/sign-in?next=%2Fconsole%2Fmembers%3Fshow%3Dlicensed"
    )
    await context.close()
