"""Approving in a real browser: every way it ends, with and without scripts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from ostiary.bootstrap import Services
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod

from .approval_world import (
    DOMAIN,
    EWS,
    GRAPH,
    OTHER,
    PRIYA,
    TENANT,
    TOM,
    ApprovalWorld,
    approve,
    at_microsoft,
    heading,
    make_world,
)
from .pressing import press, press_enter

pytestmark = pytest.mark.browser

APPROVED = "Approved. People at Harbour & Vale can now connect."
Emulator = Any


@pytest_asyncio.fixture
async def world(app: Services, site: str, chromium: Browser) -> ApprovalWorld:
    return await make_world(app, site, chromium)


async def consent_states(world: ApprovalWorld) -> dict[AccessMethod, ConsentState]:
    consents = await world.app.consent.consents_of(world.organization.id)
    return {consent.method: consent.state for consent in consents}


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize(
    ("button", "method"), [(GRAPH, AccessMethod.GRAPH), (EWS, AccessMethod.EWS)], ids=["graph", "ews"]
)
async def test_an_administrator_approves_and_reads_the_record(
    world: ApprovalWorld, button: str, method: AccessMethod, scripts: bool
) -> None:
    async with world.person(scripts=scripts) as page:
        await approve(page, await world.link(), button=button)
        assert await heading(page) == APPROVED
        assert (await page.title()).startswith("Approved")
        record = await page.locator("main").inner_text()
        for fact in (TENANT, "Priya Nair", PRIYA, method.label, "Confirmed with Microsoft", DOMAIN):
            assert fact in record
        # Nothing of the way stays in the address: a reload shows the same page and asks nobody.
        assert urlsplit(page.url).query == ""
        await page.reload()
        assert await heading(page) == APPROVED
    assert await consent_states(world) == {method: ConsentState.VERIFIED}


async def test_the_link_leaves_the_address_bar_on_first_view(world: ApprovalWorld) -> None:
    async with world.person() as page:
        await page.goto(await world.link())
        assert urlsplit(page.url).path == "/admin-consent"
        assert await heading(page) == "Approve Larkspur for Harbour & Vale"
        assert "Dana Okafor" in await page.locator("main").inner_text()


async def test_use_another_account_approves_as_that_account(world: ApprovalWorld) -> None:
    async with world.person() as page:
        await page.goto(await world.link())
        await press(page.get_by_role("button", name=GRAPH))
        await press(page.get_by_text("Use another account"))
        await page.locator("input[type=email], input[name=address]").first.fill(
            "global.admin@harbourvale.example"
        )
        await press_enter(page)
        await at_microsoft(page, "global.admin@harbourvale.example")
        assert await heading(page) == APPROVED
        assert "global.admin@harbourvale.example" in await page.locator("main").inner_text()


async def test_cancel_is_fine_and_leads_back(world: ApprovalWorld) -> None:
    async with world.person(scripts=False) as page:
        await approve(page, await world.link(), answer="Cancel")
        assert await heading(page) == "You chose not to approve"
        text = await page.locator("main").inner_text()
        assert "Nothing was approved and nothing has changed." in text
        assert await consent_states(world) == {}
        await press(page.get_by_role("link", name="Go back and approve"))
        await press(page.get_by_role("button", name=GRAPH))
        await at_microsoft(page)
        assert await heading(page) == APPROVED


async def test_somebody_who_may_not_approve_gets_a_message_whose_link_works_elsewhere(
    world: ApprovalWorld,
) -> None:
    async with world.person() as page:
        await approve(page, await world.link(), address=TOM)
        assert await heading(page) == "This account can’t approve apps for Harbour & Vale"
        message = await page.locator("pre#message").inner_text()
    link = next(word for word in message.split() if "/admin-consent/l/" in word)
    async with world.person() as colleague:
        await approve(colleague, link)
        assert await heading(colleague) == APPROVED


# What Microsoft sends back, with the words of UX §7.
RETURNED = {
    "declined": "You chose not to approve",
    "not_admin": "This account can’t approve apps for Harbour & Vale",
    "missing_permission": "Approved, but 1 permission is missing",
    "not_confirmed": "Checking the approval with Microsoft",
    "session_lost": "We lost track of this sign-in",
    "microsoft_down": "Microsoft isn’t answering properly",
    "our_fault": "Something is wrong on our side",
    "unknown": "That didn’t work, and Microsoft didn’t say why",
}


@pytest.mark.parametrize("reason", RETURNED)
async def test_each_failure_that_comes_back_has_its_own_page(
    world: ApprovalWorld, emulator: Emulator, reason: str
) -> None:
    emulator.set_scenario(DOMAIN, reason)
    async with world.person(scripts=False) as page:
        await approve(page, await world.link())
        assert await heading(page) == RETURNED[reason]
        assert urlsplit(page.url).query == ""
        main = page.locator("main")
        assert await main.locator("a.btn, button.btn").count() >= 1
        if reason not in {"session_lost", "missing_permission", "not_confirmed"}:
            assert "Who can fix it" in await main.inner_text()
        assert await main.get_by_text("Details for support").count() == 1
        await main.get_by_text("Details for support").click()
        assert await main.locator("details dd.mono").count() >= 1
    assert ConsentState.VERIFIED not in (await consent_states(world)).values()


# What stops on Microsoft's page: the person tells us its number, and reads the same page.
STOPPED = {
    "personal_account": (500208, "That’s a personal Microsoft account"),
    "app_blocked": (500021, "Your organization blocks Larkspur"),
    "app_disabled": (7000112, "Larkspur is switched off in your organization"),
    "sign_in_policy": (53003, "A sign-in rule at Harbour & Vale stopped you"),
}


@pytest.mark.parametrize("reason", STOPPED)
async def test_each_failure_that_stops_at_microsoft_is_found_by_its_number(
    world: ApprovalWorld, emulator: Emulator, reason: str
) -> None:
    number, words = STOPPED[reason]
    emulator.set_scenario(DOMAIN, reason)
    async with world.person(scripts=False) as page:
        await approve(page, await world.link())
        assert f"AADSTS{number}" in await page.content()
        await page.goto("/help/microsoft-page")
        await page.get_by_label("Number after AADSTS").fill(str(number))
        await press(page.get_by_role("button", name="Show me what to do"))
        assert await heading(page) == words


@pytest.mark.parametrize("number", ["", "https://login.example/?code=x", "12345678", "abc"])
async def test_an_answer_that_is_none_is_asked_again(world: ApprovalWorld, number: str) -> None:
    async with world.person(scripts=False) as page:
        await page.goto("/help/microsoft-page")
        await page.locator("#number").evaluate("field => field.removeAttribute('maxlength')")
        await page.get_by_label("Number after AADSTS").fill(number)
        await press(page.get_by_role("button", name="Show me what to do"))
        assert (await page.title()).startswith("Error: ")


async def test_an_account_of_another_organization_does_not_approve_this_one(
    world: ApprovalWorld,
) -> None:
    async with world.person() as page:
        await approve(page, await world.link(expected_tenant_id=TENANT), address=OTHER)
        assert "/admin-consent/done" not in page.url
    assert await consent_states(world) == {}


async def test_an_organization_we_do_not_know_waits_until_somebody_confirms_it(
    world: ApprovalWorld,
) -> None:
    async with world.person() as page:
        await approve(page, await world.link(), address="labs.admin@hv-labs.example")
        assert await heading(page) == "Approved. Dana Okafor still has to confirm your organization."
        assert "hv-labs.example" in await page.locator("main").inner_text()
        assert await consent_states(world) == {}
        (tenant,) = await world.app.tenants.list_for(world.organization.id)
        await world.app.consent.confirm_tenant(
            tenant.id, organization_id=world.organization.id, actor=_actor()
        )
        await page.reload()
        assert await heading(page) == APPROVED
    assert await consent_states(world) == {AccessMethod.GRAPH: ConsentState.VERIFIED}


async def test_an_organization_connected_elsewhere_is_refused_without_saying_where(
    world: ApprovalWorld, app: Services, site: str, chromium: Browser
) -> None:
    async with world.person() as page:
        await approve(page, await world.link())
    other = await make_world(app, site, chromium, external_id="other", name="Other Company")
    async with other.person() as page:
        await approve(page, await other.link())
        assert await heading(page) == "We can’t connect this organization here"
        assert "Harbour" not in await page.locator("main").inner_text()


async def test_a_slow_approval_is_confirmed_by_looking_again(
    world: ApprovalWorld, emulator: Emulator, move_time: Callable[[timedelta], None]
) -> None:
    emulator.set_scenario(DOMAIN, "not_confirmed")
    async with world.person(scripts=False) as page:
        await approve(page, await world.link())
        assert await heading(page) == "Checking the approval with Microsoft"
        move_time(timedelta(minutes=1))
        await page.reload()
        assert "Microsoft can take up to half an hour" in await page.locator("main").inner_text()
        move_time(timedelta(minutes=35))
        await press(page.get_by_role("button", name="Check again"))
        await at_microsoft(page)
        assert await heading(page) == APPROVED


async def test_ews_that_is_off_is_approved_with_one_more_step(
    world: ApprovalWorld, emulator: Emulator
) -> None:
    emulator.set_scenario(DOMAIN, "ews_off")
    async with world.person(scripts=False) as page:
        await approve(page, await world.link(), button=EWS)
        assert await heading(page) == "Approved. One more step for EWS."
        steps = await page.locator("pre").inner_text()
        assert "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa" in steps
        emulator.set_scenario(DOMAIN, "ews_listed")
        await press(page.get_by_role("button", name="Check EWS now"))
        await at_microsoft(page)
        assert await heading(page) == APPROVED


async def test_ews_has_no_button_after_it_ended(
    world: ApprovalWorld, move_time: Callable[[timedelta], None]
) -> None:
    move_time(timedelta(days=128))
    async with world.person() as page:
        await page.goto("/admin-consent")
        assert await page.get_by_role("button", name=EWS).count() == 0
        text = " ".join((await page.locator("main").inner_text()).split())
        assert "Microsoft ended EWS on 1 April 2027. Choose Graph." in text


async def test_links_that_do_not_work_all_look_alike(
    world: ApprovalWorld, move_time: Callable[[timedelta], None]
) -> None:
    used, withdrawn, expired = [await world.link() for _ in range(3)]
    live = await world.app.consent.links.live(world.organization.id)
    async with world.person() as page:
        await approve(page, used)
    target = next(each for each in live if world.app.consent.links.url_of(each).reveal() == withdrawn)
    await world.app.consent.links.withdraw(target.id, organization_id=world.organization.id, actor=_actor())
    move_time(timedelta(hours=72))
    looks: list[tuple[int, str]] = []
    unknown = world.site + "/admin-consent/l/" + "A" * 43
    for link in (used, withdrawn, expired, unknown, expired[:-5], world.site + "/admin-consent/l/x"):
        async with world.person() as page:
            answer = await page.goto(link)
            assert answer is not None
            text = await page.locator("main").inner_text()
            looks.append((answer.status, "\n".join(line for line in text.splitlines() if "RQ-" not in line)))
            await press(page.get_by_role("button", name="Continue without a link"))
            assert await heading(page) == "Approve Larkspur for your organization"
    assert len(set(looks)) == 1
    assert "This link doesn’t work any more" in looks[0][1]


async def test_a_flow_begun_in_one_browser_ends_in_no_other(world: ApprovalWorld, emulator: Emulator) -> None:
    async with world.person() as victim, world.person() as attacker:
        await attacker.goto(await world.link())
        await press(attacker.get_by_role("button", name=GRAPH))
        seen: list[str] = []
        attacker.on("request", lambda request: seen.append(request.url))
        # The attacker keeps the answer of Microsoft back, and makes the victim's browser bring it.
        await attacker.context.clear_cookies(domain="localhost")
        await at_microsoft(attacker)
        assert await heading(attacker) == "We lost track of this sign-in"
        await victim.goto(next(url for url in seen if "/admin-consent/return/" in url))
        assert await heading(victim) == "We lost track of this sign-in"
    assert not emulator.requests("oauth2/v2.0/token")
    assert await consent_states(world) == {}


async def test_an_attempt_that_never_returned_is_shown_as_unfinished(
    world: ApprovalWorld, move_time: Callable[[timedelta], None]
) -> None:
    async with world.person() as page:
        link = await world.link()
        await page.goto(link)
        await press(page.get_by_role("button", name=GRAPH))
        await page.goto("/admin-consent")
        assert "didn’t finish" not in await page.locator("main").inner_text()
        move_time(timedelta(minutes=11))
        await page.reload()
        await expect(page.locator("main")).to_contain_text("Your last try at 12:00 UTC didn’t finish.")
        await press(page.get_by_role("link", name="What did Microsoft’s page say?"))
        assert await heading(page) == "What did Microsoft’s page say?"


async def test_approving_again_and_returning_twice_do_no_harm(
    world: ApprovalWorld, emulator: Emulator
) -> None:
    async with world.person() as page:
        seen: list[str] = []
        page.on("request", lambda request: seen.append(request.url))
        await approve(page, await world.link())
        await page.goto("/admin-consent")
        note = await page.locator("main").inner_text()
        assert "Graph is already approved for Harbour & Vale (Priya Nair, 24 November 2026)." in note
        await press(page.get_by_role("button", name=GRAPH))
        await at_microsoft(page)
        assert await heading(page) == APPROVED
        exchanges = len(emulator.requests("oauth2/v2.0/token"))
        for url in [url for url in seen if "/admin-consent/return/" in url]:
            await page.goto(url)
            assert await heading(page) == APPROVED
        assert len(emulator.requests("oauth2/v2.0/token")) == exchanges
    assert await consent_states(world) == {AccessMethod.GRAPH: ConsentState.VERIFIED}


async def test_both_methods_can_be_approved_one_after_the_other(world: ApprovalWorld) -> None:
    async with world.person() as page:
        link = await world.link()
        await approve(page, link)
        await approve(page, link, button=EWS)
        assert await heading(page) == APPROVED
    assert await consent_states(world) == {
        AccessMethod.GRAPH: ConsentState.VERIFIED,
        AccessMethod.EWS: ConsentState.VERIFIED,
    }


async def test_a_request_can_be_declined_with_a_reason(world: ApprovalWorld) -> None:
    async with world.person(scripts=False) as page:
        await page.goto(await world.link())
        await press(page.get_by_role("link", name="Decline this request"))
        await page.get_by_label("Reason (optional)").fill("x" * 281)
        await press(page.get_by_role("button", name="Decline this request"))
        assert (await page.title()).startswith("Error: ")
        assert await page.get_by_label("Reason (optional)").input_value() == "x" * 281
        await page.get_by_label("Reason (optional)").fill("We use another tool.")
        await press(page.get_by_role("button", name="Decline this request"))
        assert await heading(page) == "You declined the request"
    async with world.app.transactions() as transaction:
        page_of_records = await transaction.audit.page(
            organization_id=world.organization.id, what_prefix="consent.declined"
        )
    assert [record.outcome for record in page_of_records.items] == ["refused"]


async def test_the_page_can_be_sent_to_a_colleague(world: ApprovalWorld) -> None:
    async with world.person(scripts=False) as page:
        await page.goto(await world.link())
        await press(page.get_by_role("link", name="Send this page to a colleague"))
        await press(page.get_by_role("button", name="Make a link to send"))
        message = await page.locator("pre").inner_text()
    link = next(word for word in message.split() if "/admin-consent/l/" in word)
    async with world.person() as colleague:
        await approve(colleague, link)
        assert await heading(colleague) == APPROVED


async def test_an_approval_we_lost_track_of_is_found_by_check_now(world: ApprovalWorld) -> None:
    async with world.person(scripts=False) as page:
        await page.goto(await world.link())
        await press(page.get_by_role("button", name=GRAPH))
        await page.context.clear_cookies(domain="localhost")
        await at_microsoft(page)
        assert await heading(page) == "We lost track of this sign-in"
        assert await consent_states(world) == {}
        await press(page.get_by_role("button", name="Check now"))
        await at_microsoft(page)
        assert await heading(page) == APPROVED
        assert await consent_states(world) == {AccessMethod.GRAPH: ConsentState.VERIFIED}
        await page.goto("/admin-consent/own-way")
        await press(page.get_by_role("button", name="Check now", exact=True))
        await at_microsoft(page)
        assert await heading(page) == APPROVED


async def test_the_pages_of_an_attempt_are_shown_to_its_browser_only(world: ApprovalWorld) -> None:
    async with world.person() as page:
        await approve(page, await world.link())
        address = page.url
        reference = address.rsplit("/", 1)[1]
        await page.goto(f"/ref/{reference.lower()}")
        assert page.url == address
    looks = set()
    async with world.person() as stranger:
        for path in (
            address,
            f"/admin-consent/problem/{reference}",
            f"/admin-consent/checking/{reference}",
            "/admin-consent/done/CN-0000-0000",
            f"/ref/{reference}",
            "/ref/nonsense",
        ):
            answer = await stranger.goto(path)
            assert answer is not None
            looks.add((answer.status, await stranger.locator("main").inner_text()))
    assert len(looks) == 1
    assert "Sign in to see this page" in looks.pop()[1]


def _actor() -> Actor:
    return Actor(ActorKind.PERSON, id="mem_dana", name="Dana Okafor")
