"""Asking for an approval in real browsers: every way a request goes, and how everyone hears of it (UX §6.3, §6.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from ostiary.bootstrap import Services
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.worker.runner import Worker

from ..integration.connect_world import HARBOUR, Company, Emulator, make_company
from .approval_world import at_microsoft
from .pressing import press
from .test_connect_browser import open_page, sign_in

pytestmark = pytest.mark.browser

__all__ = ["open_page"]

TOM, DANA, PRIYA = (f"{name}@harbourvale.example" for name in ("tom.ellis", "dana.okafor", "priya.nair"))
GRAPH = "Connect email and calendar - Graph"
APPROVED = "Approved. You can connect now."
MoveTime = Callable[[timedelta], None]
OpenPage = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    """Harbour & Vale, whose directory is known from the start."""
    made = await make_company(app, client, site, emulator)
    async with app.transactions() as tx:
        organization = await tx.organizations.get("org_1")
        await tx.organizations.save(replace(organization, expected_tenant_id=HARBOUR))
    return made


async def ask(company: Company, page: Page, *, member_id: str = "mem_1", sent: bool = True) -> str:
    """Ask, or join; returns the address of the tracking page."""
    await page.goto(await company.session(member_id=member_id))
    await press(page.get_by_role("link", name="Ask your administrator"))
    await page.get_by_label("Your administrator’s email").fill(PRIYA)
    await page.get_by_label("Why you need it").fill("I book customer meetings.")
    await press(page.get_by_role("button", name="Send request"))
    if sent:
        await press(page.get_by_role("button", name="I’ve sent it"))
        await expect(page.locator("h1")).to_have_text("Your request is with your IT administrator")
    return page.url


async def link_in(page: Page) -> str:
    """The administrator's link in the message on the page."""
    message = await page.locator("pre#message").inner_text()
    return next(word for word in message.split() if "/admin-consent/l/" in word)


async def approve(page: Page, link: str) -> None:
    await page.goto(link)
    await press(page.get_by_role("button", name=GRAPH))
    await at_microsoft(page, PRIYA)
    await expect(page.locator("h1")).to_have_text("Approved. People at Harbour & Vale can now connect.")


async def connect_now(page: Page, address: str) -> None:
    await press(page.get_by_role("button", name="Connect now"))
    await sign_in(page, address)
    await page.wait_for_url("https://app.larkspur.example/connected?**")


async def test_pages_of_everyone_who_waits_change_by_themselves_and_each_goes_on_with_one_press(
    company: Company, open_page: OpenPage
) -> None:
    tom, dana, priya = await open_page(), await open_page(), await open_page()
    await ask(company, tom)
    await dana.goto(await company.session(member_id="mem_2"))
    await press(dana.get_by_role("link", name="Ask your administrator"))
    await press(dana.get_by_role("button", name="Join the request"))
    await expect(dana.locator("main")).to_contain_text("Your colleagues already asked")
    await expect(dana.locator("main")).to_contain_text("1 other person at Harbour & Vale is waiting too.")

    await priya.goto(await link_in(dana))
    await press(priya.get_by_role("button", name=GRAPH))
    await Worker(company.app).run(until_idle=True)
    # Nobody touches these pages: their script finds out.
    await expect(tom.locator("main")).to_contain_text("Started, not finished yet.", timeout=15000)
    await at_microsoft(priya, PRIYA)
    await Worker(company.app).run(until_idle=True)
    for page in (tom, dana):
        await expect(page.locator("h1")).to_have_text(APPROVED, timeout=15000)
    await connect_now(tom, TOM)
    await connect_now(dana, DANA)
    found = await company.app.connections.page(organization_id="org_1", status=ConnectionStatus.UNCONFIRMED)
    assert {each.member_id for each in found.items} == {"mem_1", "mem_2"}


async def test_without_scripts_a_link_brings_the_news_and_a_colleague_who_got_through_is_news(
    company: Company, open_page: OpenPage
) -> None:
    tom, dana = await open_page(scripts=False), await open_page(scripts=False)
    await ask(company, tom)
    await Worker(company.app).run(until_idle=True)  # the hourly look: the app is not there
    # Somebody approved at Microsoft, without us; Dana of the same directory gets through.
    company.emulator.control("POST", "/tenants/harbourvale.example/grants", {"app_id": _app_id(company)})
    async with company.app.transactions() as tx:
        member = await tx.members.get("mem_2", organization_id="org_1")
        await tx.members.save(replace(member, tenant_id=HARBOUR))
    await dana.goto(await company.session(member_id="mem_2", return_url=None))
    await press(dana.get_by_role("button", name="Continue to Microsoft"))
    await sign_in(dana, DANA)
    await expect(dana.locator("main")).to_contain_text(f"{DANA} is connected.")
    await Worker(company.app).run(until_idle=True)
    await press(tom.get_by_role("link", name="Refresh"))
    await expect(tom.locator("h1")).to_have_text(APPROVED)


async def test_the_hourly_look_tells_people_to_try_and_their_word_is_enough(
    company: Company, open_page: OpenPage
) -> None:
    page = await open_page()
    await ask(company, page)
    await Worker(company.app).run(until_idle=True)
    company.emulator.control("POST", "/tenants/harbourvale.example/grants", {"app_id": _app_id(company)})
    await company.app.approvals.progress.look()
    await expect(page.locator("main")).to_contain_text("now appears in the Microsoft 365 of", timeout=15000)
    await press(page.get_by_role("button", name="I’ve been told it’s approved"))
    await sign_in(page)
    await page.wait_for_url("https://app.larkspur.example/connected?**")


async def test_a_decline_and_its_reason_are_read_and_somebody_else_is_asked(
    company: Company, open_page: OpenPage
) -> None:
    tom, priya = await open_page(), await open_page()
    await ask(company, tom)
    await priya.goto(await link_in(tom))
    await press(priya.get_by_role("link", name="Decline this request"))
    await priya.get_by_label("Reason").fill("Not before the audit.")
    await press(priya.get_by_role("button", name="Decline"))
    await Worker(company.app).run(until_idle=True)
    await expect(tom.locator("h1")).to_have_text("Your administrator declined", timeout=15000)
    await expect(tom.locator("main")).to_contain_text("They wrote: “Not before the audit.”")
    await press(tom.get_by_role("link", name="Ask someone else"))
    await tom.get_by_label("administrator’s email").fill("global.admin@harbourvale.example")
    await press(tom.locator("main form button.btn-primary"))
    await expect(tom.locator("h1")).to_have_text("Send this to your IT administrator")
    await expect(tom.locator("main")).to_contain_text("global.admin@harbourvale.example")


async def test_reminding_makes_a_new_link_and_cancelling_ends_the_waiting(
    company: Company, open_page: OpenPage
) -> None:
    page = await open_page()
    await ask(company, page)
    first = await link_in(page)
    await press(page.get_by_role("button", name="Copy a reminder to send"))
    assert await link_in(page) != first
    await press(page.get_by_role("button", name="Cancel my request"))
    await expect(page.locator("h1")).to_have_text("Your request is cancelled")
    await press(page.get_by_role("link", name="Ask again"))
    await page.get_by_label("administrator’s email").fill(PRIYA)
    await press(page.locator("main form button.btn-primary"))
    await expect(page.locator("h1")).to_have_text("Send this to your IT administrator")


async def test_no_answer_in_fourteen_days_and_an_attempt_that_never_came_back_are_said(
    company: Company, open_page: OpenPage, move_time: MoveTime
) -> None:
    tom, priya = await open_page(), await open_page()
    waiting = await ask(company, tom)
    await priya.goto(await link_in(tom))
    await press(priya.get_by_role("button", name=GRAPH))
    move_time(timedelta(minutes=11))
    await press(tom.get_by_role("link", name="Refresh"))
    await expect(tom.locator("main")).to_contain_text("nobody came back from Microsoft.")
    move_time(timedelta(days=14))
    await company.app.approvals.expire()
    await tom.goto(waiting)
    await expect(tom.locator("h1")).to_have_text("No answer after 14 days")
    await expect(tom.get_by_role("link", name="Ask someone else")).to_be_visible()


async def test_what_microsofts_page_said_leads_from_the_waiting_page_to_asking(
    company: Company, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.goto(await company.session())
    await press(page.get_by_role("link", name="Tell us what its page said"))
    await page.get_by_label("“Need admin approval”").check()
    await press(page.get_by_role("button", name="Show me what to do"))
    await expect(page.locator("h1")).to_have_text(
        "Your organization wants an administrator to approve Larkspur first"
    )
    await press(page.get_by_role("link", name="Ask my administrator"))
    await expect(page.locator("h1")).to_have_text("Ask your IT administrator to approve Larkspur")


def _app_id(company: Company) -> str:
    return company.app.registrations.for_method(AccessMethod.GRAPH).client_id
