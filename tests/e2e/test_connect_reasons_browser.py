"""Every reason that can stop somebody who connects: its page, and that its first step works (UX §7, "U")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole

from ..integration.connect_world import APP_ID, HARBOUR, Company, Emulator, make_company
from .approval_world import heading, make_world
from .pressing import press

pytestmark = pytest.mark.browser

DOMAIN = "harbourvale.example"
TOM = "tom.ellis@harbourvale.example"
TOM_ID = "2f8e6b94-7c1a-4d25-8a6f-93b0d5e17c02"
SALES = "sales.one@harbourvale.example"
PARTNER = "partner.one@other-company.example"
CONTRACTOR = "contractor.one@harbourvale.example"
WAREHOUSE = "warehouse.one@harbourvale.example"
VENDOR_PAGE = "https://app.larkspur.example/connected"
AFTER_EWS = timedelta(days=128)
AXE_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
MoveTime = Callable[[timedelta], None]


@dataclass
class Walker:
    """One person, their company, and the browser they connect in."""

    company: Company
    page: Page
    move_time: MoveTime

    @property
    def emulator(self) -> Emulator:
        return self.company.emulator

    def pretend(self, scenario: str) -> None:
        self.emulator.set_scenario(DOMAIN, scenario)

    async def approve(self, method: AccessMethod = AccessMethod.GRAPH) -> None:
        await self.company.approve(method)

    async def mend(self) -> None:
        """Whatever stood in the way is gone, and the administrator has approved."""
        self.emulator.control("DELETE", f"/tenants/{DOMAIN}/scenario")
        await self.approve()

    async def become(self, address: str) -> None:
        """Be another licensed member, whom the vendor knows by this address."""
        member = Member(
            "mem_9",
            "org_1",
            "u9",
            address,
            "Member Nine",
            MemberRole.MEMBER,
            True,
            self.company.app.clock.now(),
        )
        async with self.company.app.transactions() as tx:
            await tx.members.add(member)
        self.company.tom = member

    async def save_member(self, member_id: str, **changes: Any) -> None:
        async with self.company.app.transactions() as tx:
            member = await tx.members.get(member_id, organization_id="org_1")
            await tx.members.save(replace(member, **changes))

    async def pin(self, method: AccessMethod) -> None:
        async with self.company.app.transactions() as tx:
            organization = await tx.organizations.get("org_1")
            await tx.organizations.save(replace(organization, pinned_method=method))

    async def open(self, **options: Any) -> None:
        await self.page.goto(await self.company.session(**options))

    async def go(self, account: str | None = None, *, hint: str | None = None, leaves: bool = True) -> None:
        """Press Continue and get as far as Microsoft lets this account."""
        if hint is not None:
            await self.page.get_by_label("Work account").fill(hint)
        await press(self.page.get_by_role("button", name="Continue to Microsoft"))
        await self.at_microsoft(account, leaves=leaves)

    async def at_microsoft(
        self, account: str | None = None, *, answer: str = "Accept", leaves: bool = True
    ) -> None:
        """Sign in and answer until the browser is sent back, or stopped on a page one may leave or not."""
        page, address = self.page, account or self.company.tom.email
        for _ in range(8):
            if not page.url.startswith(self.emulator.url):  # type: ignore[attr-defined]
                return
            if await page.locator("input[name=password]").count():
                await press(page.get_by_role("button", name="Sign in", exact=True))
            elif await page.locator(f"button[value='{address}']").count():
                await press(page.locator(f"button[value='{address}']"))
            elif await page.get_by_role("button", name=answer, exact=True).count():
                await press(page.get_by_role("button", name=answer, exact=True))
            elif leaves and await page.get_by_role("link", name="Return to the app without granting").count():
                await press(page.get_by_role("link", name="Return to the app without granting"))
            else:
                return

    async def tell(self, said: str | None = None, *, number: int | None = None) -> None:
        """Say what Microsoft's page said, starting from the connect page."""
        await self.page.goto("/connect")
        await press(self.page.get_by_role("link", name="Tell us what its page said"))
        if said is not None:
            await self.page.get_by_label(said).check()
        if number is not None:
            await self.page.get_by_label("Number after AADSTS").fill(str(number))
        await press(self.page.get_by_role("button", name="Show me what to do"))

    @property
    def primary(self):
        return self.page.locator(".actions").first.locator("a.btn, button.btn").first

    async def statuses(self) -> list[ConnectionStatus]:
        members = [self.company.tom.id, "mem_1", "mem_2"]
        found = [
            await self.company.app.connections.list_for_member(member, organization_id="org_1")
            for member in dict.fromkeys(members)
        ]
        return [connection.status for each in found for connection in each]


Steps = Callable[[Walker], Awaitable[None]]


# Where a first step leads. Each says so by what the next page is.


async def connects(walker: Walker) -> None:
    """With the trouble mended, the step ends in a working connection."""
    await walker.mend()
    await press_and_connect(walker)


async def press_and_connect(walker: Walker) -> None:
    await press(walker.primary)
    await walker.at_microsoft()
    await arrives_connected(walker)


async def arrives_connected(walker: Walker) -> None:
    await walker.page.wait_for_url(f"{VENDOR_PAGE}?**")
    query = parse_qs(urlsplit(walker.page.url).query)
    connection = await walker.company.app.connections.confirmation.confirm(
        query["connect_session"][0], completion_code=Secret(query["completion_code"][0]), actor=SYSTEM
    )
    assert connection.status is ConnectionStatus.CONNECTED


async def asks_the_administrator(walker: Walker) -> None:
    await press(walker.primary)
    assert await heading(walker.page) == "Ask your IT administrator to approve Larkspur"


async def copies(walker: Walker) -> None:
    """The text stands on this page, whole, under the address the step names."""
    target = (await walker.primary.get_attribute("href") or "").removeprefix("#")
    text = await walker.page.locator(f"pre#{target}").inner_text()
    assert APP_ID in text
    assert "{" not in text
    await press(walker.primary)
    assert urlsplit(walker.page.url).fragment == target


def writes_to(address: str, subject: str) -> Steps:
    async def check(walker: Walker) -> None:
        link = urlsplit(await walker.primary.get_attribute("href") or "")
        assert (link.scheme, unquote(link.path)) == ("mailto", address)
        assert parse_qs(link.query)["subject"][0].startswith(subject)

    return check


async def leads_to_the_vendor(walker: Walker) -> None:
    await press(walker.primary)
    assert walker.page.url.startswith(VENDOR_PAGE)


def leads_to(path: str, words: str) -> Steps:
    async def leads(walker: Walker) -> None:
        await press(walker.primary)
        assert urlsplit(walker.page.url).path == path
        assert await heading(walker.page) == words

    return leads


async def offers_other_accounts(walker: Walker) -> None:
    walker.emulator.control("DELETE", f"/tenants/{DOMAIN}/scenario")
    await press(walker.primary)
    assert await heading(walker.page) == "Pick an account"


@dataclass(frozen=True)
class Walk:
    """One way to be stopped."""

    name: str
    reason: str
    headline: str
    why: str
    fixer: str
    primary: str
    stop: Steps
    leads: Steps
    code: str | None = None
    """What Microsoft said, as support reads it."""
    reassured: bool = True
    copied: tuple[str, ...] = field(default=())
    """Parts of the text for somebody else."""


def returned(scenario: str, *, approved: bool = True, leaves: bool = True) -> Steps:
    async def stop(walker: Walker) -> None:
        walker.pretend(scenario)
        if approved:
            await walker.approve()
        await walker.open()
        await walker.go(leaves=leaves)

    return stop


def told(
    scenario: str, code: int | None, said: str | None = None, *, number: bool = False, approved: bool = True
) -> Steps:
    """Stopped by Microsoft's own page, which tells us nothing: the person does."""

    async def stop(walker: Walker) -> None:
        await returned(scenario, approved=approved, leaves=False)(walker)
        assert walker.page.url.startswith(walker.emulator.url)  # type: ignore[attr-defined]
        if code is not None:
            assert f"AADSTS{code}" in await walker.page.content()
        await walker.tell(said, number=code if number else None)

    return stop


async def microsoft_was_down_a_while(walker: Walker) -> None:
    """Trying again is offered after half a minute, by itself where there is script, and by a link where not."""
    await returned("microsoft_down")(walker)
    await expect(walker.page.get_by_role("timer")).to_be_visible()
    await expect(walker.page.get_by_role("button", name="Try again")).to_have_count(0)
    walker.move_time(timedelta(seconds=30))
    await press(walker.page.get_by_role("link", name="Look again"))


async def cancelled(walker: Walker) -> None:
    walker.emulator.control("PATCH", f"/tenants/{DOMAIN}/policies", {"user_consent": "open"})
    await walker.open()
    await press(walker.page.get_by_role("button", name="Continue to Microsoft"))
    await walker.at_microsoft(answer="Cancel")


async def came_as_guest(walker: Walker) -> None:
    await walker.approve()
    await walker.open()
    await walker.go(PARTNER, hint=PARTNER)


async def came_from_another_tenant(walker: Walker) -> None:
    """With two tenants nobody knows beforehand which one a person comes from."""
    await walker.approve()
    async with walker.company.app.transactions() as tx:
        (tenant,) = await tx.tenants.list_for("org_1")
        await tx.tenants.add(replace(tenant, id="ten_2", tenant_id="c8d3f6a1-94b7-4e50-8d12-2f6b0e9a7c06"))
    await walker.open()
    await walker.go(PARTNER, hint=PARTNER)


def over_ews(scenario: str, *, seen: str | None = None) -> Steps:
    async def stop(walker: Walker) -> None:
        walker.pretend(scenario)
        await walker.approve(AccessMethod.EWS)
        await walker.open()
        await walker.go()
        if seen is not None:
            await press(walker.page.get_by_role("link", name=seen))

    return stop


async def ews_had_ended(walker: Walker) -> None:
    await walker.pin(AccessMethod.EWS)
    walker.move_time(AFTER_EWS)
    await walker.approve(AccessMethod.EWS)
    await walker.open()


async def connected_before(walker: Walker) -> None:
    await walker.approve()
    await walker.open()
    await walker.go()
    await arrives_connected(walker)
    await walker.open()


async def had_no_licence(walker: Walker) -> None:
    await walker.approve()
    await walker.save_member("mem_1", licensed=False)
    await walker.open()


def had_no_mailbox(address: str) -> Steps:
    async def stop(walker: Walker) -> None:
        await walker.approve()
        await walker.become(address)
        await walker.open(member_id="mem_9")
        await walker.go()

    return stop


def connects_after(address: str, **given: Any) -> Steps:
    async def leads(walker: Walker) -> None:
        walker.emulator.control("PATCH", f"/users/{address}", given)
        await press_and_connect(walker)

    return leads


async def came_as_somebody_else(walker: Walker) -> None:
    await walker.approve()
    await walker.open()
    await walker.go(SALES, hint=SALES)


async def came_as_somebody_else_though_known(walker: Walker) -> None:
    await walker.save_member("mem_1", tenant_id=HARBOUR, object_id=TOM_ID)
    await came_as_somebody_else(walker)


async def uses_the_chosen_account(walker: Walker) -> None:
    await press(walker.primary)
    await arrives_connected(walker)


async def took_a_colleagues_mailbox(walker: Walker) -> None:
    await walker.save_member("mem_2", tenant_id=HARBOUR, object_id=TOM_ID)
    await walker.approve()
    await walker.open()
    await walker.go()


async def lost_the_cookie(walker: Walker) -> None:
    await walker.approve()
    await walker.open()
    await press(walker.page.get_by_role("button", name="Continue to Microsoft"))
    await walker.page.context.clear_cookies(domain="localhost")
    await walker.at_microsoft()


async def starts_from_the_vendor(walker: Walker) -> None:
    await press(walker.primary)
    text = await walker.page.locator("main").inner_text()
    assert "Start from Larkspur: Settings › Email and calendar › Connect." in text


async def took_too_long(walker: Walker) -> None:
    await walker.approve()
    await walker.open()
    await press(walker.page.get_by_role("button", name="Continue to Microsoft"))
    walker.move_time(timedelta(minutes=11))
    await walker.at_microsoft()


async def the_vendor_said_nothing(walker: Walker) -> None:
    await walker.approve()
    await walker.open()
    seen: list[str] = []
    walker.page.on("request", lambda request: seen.append(request.url))
    await walker.go()
    walker.move_time(timedelta(minutes=5))
    await walker.company.app.connections.confirmation.expire_unconfirmed()
    # The person comes back to where Microsoft had sent them.
    await walker.page.goto(next(url for url in seen if "/connect/return/" in url))


POLICY = "A sign-in rule at Harbour & Vale stopped you"
POLICY_FIXER = "You first, then your identity administrator."
NOT_ADMIN = "Your organization wants an administrator to approve Larkspur first"
NOT_ADMIN_WHY = "The account doesn’t hold a role that can approve apps for the whole organization"
NOT_ADMIN_FIXER = "Your Microsoft 365 administrator: a Cloud Application, Application or Privileged Role"
LOST = "We lost track of this sign-in"
LOST_WHY = "More than 10 minutes passed, cookies are blocked, or the sign-in began in another browser."
NO_MAILBOX_WHY = (
    "No Exchange Online licence, the mailbox is still being created, or it lives on your own servers."
)
GENUINE = "How to check this page is genuine"
EXCHANGE = ("Connect-ExchangeOnline", "Format-List EwsEnabled, EwsAllowedAppIDs", APP_ID)
DETAILS = ("Correlation ID", APP_ID)

WALKS = (
    Walk(
        "declined",
        "declined",
        "You chose not to connect",
        "You pressed Cancel on Microsoft’s page. That’s fine if you meant to.",
        "You.",
        "Try again",
        cancelled,
        connects,
        "AADSTS65004",
    ),
    Walk(
        "not an administrator",
        "not_admin",
        NOT_ADMIN,
        NOT_ADMIN_WHY,
        NOT_ADMIN_FIXER,
        "Ask my administrator",
        returned("not_admin", approved=False),
        asks_the_administrator,
        "access_denied",
    ),
    Walk(
        "approval required, told",
        "not_admin",
        NOT_ADMIN,
        NOT_ADMIN_WHY,
        NOT_ADMIN_FIXER,
        "Ask my administrator",
        told("not_admin.workflow", 90095, "“Approval required”, with a box to ask", approved=False),
        asks_the_administrator,
    ),
    Walk(
        "wrong tenant by Microsoft",
        "wrong_tenant",
        "That account belongs to another organization",
        "This link is only for Harbour & Vale.",
        "You.",
        "Try again with a Harbour & Vale account",
        told("wrong_tenant", 50020, "“The account doesn’t exist in this organization”", number=True),
        connects,
        "AADSTS50020",
    ),
    Walk(
        "wrong tenant by us",
        "wrong_tenant",
        "That account belongs to another organization",
        f"You signed in as {PARTNER}. This link is only for Harbour & Vale.",
        "You.",
        "Try again with a Harbour & Vale account",
        came_from_another_tenant,
        connects,
    ),
    Walk(
        "personal account",
        "personal_account",
        "That’s a personal Microsoft account",
        "Only work or school accounts can be used here, in the organization they belong to.",
        "You.",
        "Use a work account",
        told("personal_account", 500208, number=True),
        connects,
        "AADSTS500208",
    ),
    Walk(
        "guest",
        "personal_account",
        "You’re a guest in that organization",
        "Only work or school accounts can be used here, in the organization they belong to.",
        "You.",
        "Use a work account",
        came_as_guest,
        connects,
    ),
    Walk(
        "app blocked by the network",
        "app_blocked",
        "Your organization blocks Larkspur",
        "A policy on your network or tenant doesn’t allow this app, or not for this account.",
        "Your identity or security administrator.",
        "Copy details for your administrator",
        told("app_blocked", 500021, number=True),
        copies,
        "AADSTS500021",
        copied=("Microsoft code: AADSTS500021", APP_ID),
    ),
    Walk(
        "app blocked across tenants",
        "app_blocked",
        "Your organization blocks Larkspur",
        "A policy on your network or tenant doesn’t allow this app, or not for this account.",
        "Your identity or security administrator.",
        "Copy details for your administrator",
        returned("app_blocked.cross_tenant"),
        copies,
        "AADSTS500212",
        copied=("Microsoft code: AADSTS500212", *DETAILS),
    ),
    Walk(
        "unverified publisher",
        "unverified_publisher",
        "Microsoft wants an administrator to look at this app first",
        "The publisher isn’t verified, or the request looked unusual to Microsoft.",
        "Administrators can still approve after checking; Larkspur can get verified.",
        "How to check this app",
        returned("unverified_publisher", approved=False),
        leads_to("/genuine", GENUINE),
        "AADSTS900941",
    ),
    Walk(
        "unverified publisher, told",
        "unverified_publisher",
        "Microsoft wants an administrator to look at this app first",
        "The publisher isn’t verified, or the request looked unusual to Microsoft.",
        "Administrators can still approve after checking; Larkspur can get verified.",
        "How to check this app",
        told("unverified_publisher", 900941, "“This app may be risky” or “unverified”", approved=False),
        leads_to("/genuine", GENUINE),
    ),
    Walk(
        "app disabled",
        "app_disabled",
        "Larkspur is switched off in your organization",
        "An administrator turned off sign-in for this app.",
        "Your IT administrator.",
        "Copy steps",
        told("app_disabled", 7000112, "“The app is disabled”"),
        copies,
        copied=(
            "Enterprise applications › Larkspur › Properties › Enabled for users to sign in: Yes",
            APP_ID,
        ),
    ),
    Walk(
        "not assigned",
        "not_assigned",
        "You haven’t been given access to Larkspur yet",
        "Harbour & Vale lets only assigned people use this app.",
        "Your IT administrator.",
        "Copy steps",
        told("not_assigned", 50105, "not assigned", number=True),
        copies,
        "AADSTS50105",
        copied=(f"Users and groups › Add {TOM} or their group", APP_ID),
    ),
    Walk(
        "second step",
        "sign_in_policy",
        POLICY,
        "Microsoft asked for a second step that wasn’t completed.",
        POLICY_FIXER,
        "Try again",
        told("sign_in_policy.mfa", None, "“More information required” or my phone’s approval"),
        connects,
        copied=DETAILS,
    ),
    Walk(
        "unmanaged device",
        "sign_in_policy",
        POLICY,
        "This device isn’t managed by Harbour & Vale.",
        POLICY_FIXER,
        "Try again",
        told("sign_in_policy.device", 53000, number=True),
        connects,
        "AADSTS53000",
        copied=DETAILS,
    ),
    Walk(
        "other policy",
        "sign_in_policy",
        POLICY,
        "A Conditional Access rule doesn’t allow this.",
        POLICY_FIXER,
        "Try again",
        told("sign_in_policy", 53003, "“Your sign-in was successful but you can’t access this”"),
        connects,
        copied=DETAILS,
    ),
    Walk(
        "ews off",
        "ews_off",
        "EWS is switched off at Harbour & Vale",
        "Microsoft blocks EWS since October 2026 unless an Exchange administrator switched it on.",
        "Nobody needs to, if you use Graph.",
        "Use Graph instead",
        over_ews("ews_off"),
        connects,
        "HTTP 403",
        copied=EXCHANGE,
    ),
    Walk(
        "ews not listed",
        "ews_not_listed",
        "Larkspur isn’t on your EWS allow list",
        "EWS is on, but only for listed apps, and this one isn’t listed.",
        "Your Exchange administrator.",
        "Use Graph instead",
        over_ews("ews_not_listed", seen="EWS is switched on, but not for Larkspur"),
        connects,
        "HTTP 403",
        copied=EXCHANGE,
    ),
    Walk(
        "ews ended",
        "ews_ended",
        "Microsoft has ended EWS",
        "It stopped for every organization on 1 April 2027.",
        "You.",
        "Connect with Graph",
        ews_had_ended,
        connects,
    ),
    Walk(
        "already connected",
        "already_connected",
        "You’re already connected",
        f"{TOM} has been connected since 24 November 2026 and is healthy.",
        "Nobody needs to act.",
        "Go to Larkspur",
        connected_before,
        leads_to_the_vendor,
        reassured=False,
    ),
    Walk(
        "no licence",
        "no_licence",
        "You don’t have a Larkspur licence yet",
        "Licences are given out by Dana Okafor.",
        "Dana Okafor.",
        "Ask for a licence",
        had_no_licence,
        writes_to("dana.okafor@harbourvale.example", "Please give me a Larkspur licence"),
    ),
    Walk(
        "mailbox missing, no licence at Microsoft",
        "mailbox_missing",
        f"We couldn’t find a mailbox for {CONTRACTOR}",
        NO_MAILBOX_WHY,
        "Your IT administrator.",
        "Try again",
        had_no_mailbox(CONTRACTOR),
        connects_after(CONTRACTOR, licensed=True),
        "MailboxNotEnabledForRESTAPI",
        copied=DETAILS,
    ),
    Walk(
        "mailbox missing, on premises",
        "mailbox_missing",
        f"We couldn’t find a mailbox for {WAREHOUSE}",
        NO_MAILBOX_WHY,
        "Your IT administrator.",
        "Try again",
        had_no_mailbox(WAREHOUSE),
        connects_after(WAREHOUSE, mailbox_location="cloud"),
        "MailboxNotEnabledForRESTAPI",
        copied=DETAILS,
    ),
    Walk(
        "account mismatch, to choose",
        "account_mismatch",
        "That’s a different mailbox",
        f"You connected {SALES}; Larkspur knows you as {TOM}.",
        "You.",
        f"Use {SALES}",
        came_as_somebody_else,
        uses_the_chosen_account,
    ),
    Walk(
        "account mismatch, known",
        "account_mismatch",
        "That’s a different mailbox",
        f"You connected {SALES}; Larkspur knows you as {TOM}.",
        "You.",
        f"Try again as {TOM}",
        came_as_somebody_else_though_known,
        connects,
    ),
    Walk(
        "mailbox in use",
        "mailbox_in_use",
        "Someone else already connected this mailbox",
        "It is linked to another Larkspur person.",
        "Dana Okafor.",
        "Use another account",
        took_a_colleagues_mailbox,
        offers_other_accounts,
    ),
    Walk(
        "missing permission",
        "missing_permission",
        "Approved, but 1 permission is missing",
        "Microsoft returned fewer permissions than Larkspur needs: Calendars.ReadWrite.",
        "Whoever approved.",
        "Approve the missing ones",
        returned("missing_permission"),
        asks_the_administrator,
        reassured=False,
    ),
    Walk(
        "session lost, no cookie",
        "session_lost",
        LOST,
        LOST_WHY,
        "You.",
        "Start again from Larkspur",
        lost_the_cookie,
        starts_from_the_vendor,
        reassured=False,
    ),
    Walk(
        "session lost, too late",
        "session_lost",
        LOST,
        LOST_WHY,
        "You.",
        "Start again",
        took_too_long,
        connects,
        reassured=False,
    ),
    Walk(
        "session lost, no state",
        "session_lost",
        LOST,
        LOST_WHY,
        "You.",
        "Start again",
        returned("session_lost"),
        connects,
        reassured=False,
    ),
    Walk(
        "microsoft down",
        "microsoft_down",
        "Microsoft isn’t answering properly",
        "The problem is on Microsoft’s side.",
        "Nobody at Harbour & Vale.",
        "Try again",
        microsoft_was_down_a_while,
        connects,
        "AADSTS90033",
    ),
    Walk(
        "our fault",
        "our_fault",
        "Something is wrong on our side",
        "Larkspur’s app is set up wrongly. You did nothing wrong.",
        "Larkspur; we’ve been alerted.",
        "Tell me when it’s fixed",
        returned("our_fault"),
        writes_to("help@larkspur.example", "Please tell me when it’s fixed CO-"),
        "AADSTS7000222",
    ),
    Walk(
        "not finished",
        "not_finished",
        "We couldn’t finish with Larkspur",
        "Larkspur didn’t confirm within 5 minutes that it was you, so we threw the sign-in away.",
        "You.",
        "Start again from Larkspur",
        the_vendor_said_nothing,
        leads_to_the_vendor,
    ),
    Walk(
        "unknown",
        "unknown",
        "That didn’t work, and Microsoft didn’t say why",
        "We’ve saved the details.",
        "Larkspur support.",
        "Try again",
        returned("unknown"),
        connects,
        "AADSTS9999999",
    ),
)


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    return await make_company(app, client, site, emulator)


@asynccontextmanager
async def walker_in(
    chromium: Browser, company: Company, site: str, move_time: MoveTime, **look: Any
) -> AsyncIterator[Walker]:
    context = await chromium.new_context(base_url=site, reduced_motion="reduce", **look)
    try:
        yield Walker(company, await context.new_page(), move_time)
    finally:
        await context.close()


@pytest.mark.parametrize("walk", WALKS, ids=[walk.name for walk in WALKS])
async def test_each_reason_has_its_page_and_a_first_step_that_works(
    walk: Walk, company: Company, chromium: Browser, site: str, move_time: MoveTime
) -> None:
    async with walker_in(chromium, company, site, move_time, java_script_enabled=False) as walker:
        await walk.stop(walker)
        page, main = walker.page, walker.page.locator("main")
        assert await heading(page) == walk.headline
        starts = "" if walk.reason == "already_connected" else "Not connected: "
        assert (await page.title()).startswith(starts + walk.headline)
        assert await main.get_by_text("Nothing was connected.").count() == int(walk.reassured)
        facts = await read_facts(page)
        assert walk.why in facts["Why"]
        assert facts["Who can fix it"].startswith(walk.fixer)
        assert await walker.primary.inner_text() == walk.primary
        for part in walk.copied:
            assert any(part in text for text in await main.locator("pre").all_inner_texts())
        await main.get_by_text("Details for support").click()
        details = await read_facts(page)
        assert details["Reason"] == walk.reason
        assert details.get("Microsoft said") == walk.code
        # Read over the phone: in the details and in the last line.
        assert f"quote {details['Reference']}." in await main.inner_text()
        assert not {"code", "state", "error"} & parse_qs(urlsplit(page.url).query).keys()
        wanted = [ConnectionStatus.CONNECTED] if walk.reason == "already_connected" else []
        assert [each for each in await walker.statuses() if each is ConnectionStatus.CONNECTED] == wanted
        await walk.leads(walker)


async def test_somebody_signed_in_already_passes_microsoft_and_lands_at_the_vendor(
    company: Company, chromium: Browser, site: str, move_time: MoveTime
) -> None:
    async with walker_in(chromium, company, site, move_time) as walker:
        await connected_before(walker)
        await press(walker.page.get_by_role("link", name="Reconnect anyway"))
        # Browsers follow the redirects of a form's answer only to places that the page's policy names.
        await press(walker.page.get_by_role("button", name="Continue to Microsoft"))
        await walker.page.wait_for_url(f"{VENDOR_PAGE}?**", timeout=10_000)
    assert await walker.statuses() == [ConnectionStatus.CONNECTED]


async def test_reason_pages_read_well_in_the_dark_on_a_telephone(
    company: Company, chromium: Browser, site: str, move_time: MoveTime
) -> None:
    """One page of each make: with text to copy, with steps for somebody else, with a form, with mail, with none."""
    look: dict[str, Any] = {"color_scheme": "dark", "viewport": {"width": 360, "height": 800}}
    seen: set[str] = set()
    violations: list[str] = []
    async with walker_in(chromium, company, site, move_time, **look) as walker:
        page = walker.page
        await walker.open()
        for number in (
            65004,
            90094,
            50020,
            500208,
            500021,
            500212,
            900941,
            7000112,
            50105,
            50074,
            53000,
            53003,
        ):
            seen.add(await scan(page, f"/help/microsoft-page/answer?number={number}", violations))
        for number in (650052, 54005, 90033, 700016, 9999999):
            seen.add(await scan(page, f"/help/microsoft-page/answer?said=other&number={number}", violations))
        await over_ews("ews_off")(walker)
        address = urlsplit(page.url).path
        for name in ("ews_off", "ews_not_listed"):
            seen.add(await scan(page, f"{address}?seen={name}", violations))
        await walker.approve()
        await came_as_somebody_else(walker)
        seen.add(await scan(page, page.url, violations))
        await returned("missing_permission")(walker)
        seen.add(await scan(page, page.url, violations))
        await had_no_licence(walker)
        seen.add(await scan(page, page.url, violations))
    assert violations == []
    assert len(seen) == 19, sorted(seen)


async def scan(page: Page, address: str, violations: list[str]) -> str:
    """Look at one page with the accessibility checker, and for sideways scrolling; returns its heading."""
    await page.goto(address)
    await page.wait_for_load_state("load")
    results = await Axe().run(page, options=AXE_RULES)
    found = results.response["violations"]
    violations += [f"{address}: {each['id']} {each['nodes'][0]['target']}" for each in found]
    overflow = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    if overflow > 0:
        violations.append(f"{address}: scrolls sideways by {overflow}")
    return await heading(page)


@pytest.mark.parametrize("way", ["came back", "told"])
async def test_an_administrator_reads_why_microsoft_wants_a_closer_look(
    way: str, app: Services, site: str, chromium: Browser, emulator: Emulator
) -> None:
    """The same reason on the approval site."""
    world = await make_world(app, site, chromium)
    emulator.set_scenario(DOMAIN, "unverified_publisher")
    async with world.person(scripts=False) as page:
        await page.goto(await world.link())
        await press(page.get_by_role("button", name="Connect email and calendar - Graph"))
        await press(page.locator(f"button[value='{TOM}']"))
        await press(page.get_by_role("button", name="Sign in", exact=True))
        assert "AADSTS900941" in await page.content()
        if way == "came back":
            await press(page.get_by_role("link", name="Return to the app without granting"))
        else:
            await page.goto("/help/microsoft-page")
            await page.get_by_label("“This app may be risky” or “unverified”").check()
            await press(page.get_by_role("button", name="Show me what to do"))
        assert await heading(page) == "Microsoft wants an administrator to look at this app first"
        main = page.locator("main")
        assert await main.get_by_text("Nothing was approved and nothing has changed.").count() == 1
        facts = await read_facts(page)
        assert facts["Why"] == "The publisher isn’t verified, or the request looked unusual to Microsoft."
        assert facts["Who can fix it"] == (
            "Administrators can still approve after checking; Larkspur can get verified."
        )
        await main.get_by_text("Details for support").click()
        details = await read_facts(page)
        assert details["Reason"] == "unverified_publisher"
        assert details.get("Microsoft said") == ("AADSTS900941" if way == "came back" else None)
        assert details["Reference"] in await main.inner_text()
        assert await main.get_by_role("link", name="Ask an administrator", exact=True).count() == 1
        await press(main.get_by_role("link", name="How to check this app"))
        assert await heading(page) == GENUINE
    assert await app.consent.consents_of(world.organization.id) == ()


async def read_facts(page: Page) -> dict[str, str]:
    """What the page's lists of facts say, by their names."""
    rows = page.locator("main dl.facts > div")
    names = await rows.locator("dt").all_inner_texts()
    values = await rows.locator("dd").all_inner_texts()
    return dict(zip(names, values, strict=True))
