"""IT administrators: cancel, lack the role, come from elsewhere, approve."""

from __future__ import annotations

from typing import Final

from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.cli.demo import sample
from ostiary.entrypoints.cli.demo.browser import Browser
from ostiary.entrypoints.cli.demo.walk import Walk, expect, sign_in

GRAPH_BUTTON: Final = "Connect email and calendar - Graph"
EWS_BUTTON: Final = "Connect email and calendar - EWS"

PRIYA: Final = "priya.nair@harbourvale.example"
DANA: Final = "dana.okafor@harbourvale.example"


async def cancelled(walk: Walk) -> str:
    """Priya presses Cancel on Microsoft's page."""
    async with walk.browser() as browser:
        await _start(walk, browser, "hv", DANA, GRAPH_BUTTON)
        await sign_in(browser, PRIYA)
        await browser.press("Cancel")
        expect("/admin-consent/problem/" in browser.page.url, f"ended at {browser.page.path}")
        expect(browser.page.heading == "You chose not to approve", browser.page.heading)
        expect("Nothing was approved" in browser.page.text, "the page does not reassure")
        walk.seen["cancelled reference"] = browser.page.path.rpartition("/")[2]
        await _expect_approved(walk, "hv", AccessMethod.GRAPH, wanted=False)
        return f"“{browser.page.heading}”"


async def not_an_administrator(walk: Walk) -> str:
    """The Exchange administrator may not approve apps; Microsoft says so."""
    async with walk.browser() as browser:
        await _start(walk, browser, "hv", DANA, GRAPH_BUTTON)
        await sign_in(browser, "exchange.admin@harbourvale.example")
        await browser.follow("Return to the app without granting")
        expect(browser.page.heading.startswith("This account can’t approve apps"), browser.page.heading)
        await _expect_approved(walk, "hv", AccessMethod.GRAPH, wanted=False)
        return f"“{browser.page.heading}”"


async def wrong_tenant(walk: Walk) -> str:
    """The administrator of another company accepts for their own directory; ours stays unapproved."""
    async with walk.browser() as browser:
        await _start(walk, browser, "hv", DANA, GRAPH_BUTTON)
        await sign_in(browser, "other.admin@other-company.example")
        await browser.press("Accept")
        seen = browser.page.heading
        expect("People at Harbour & Vale can now connect" not in seen, f"it was approved: {seen}")
        await _expect_approved(walk, "hv", AccessMethod.GRAPH, wanted=False)
        return f"“{seen}”"


async def over_graph(walk: Walk) -> str:
    """Priya approves, and we confirm it with Microsoft before saying so."""
    async with walk.browser() as browser:
        walk.seen["approval link"] = walk.seen["mailed link"]
        await browser.open(walk.seen["mailed link"])
        await browser.press(GRAPH_BUTTON)
        await sign_in(browser, PRIYA)
        await browser.press("Accept")
        expect(
            browser.page.heading == "Approved. People at Harbour & Vale can now connect.",
            browser.page.heading,
        )
        expect("Priya Nair" in browser.page.text, "the record does not name who approved")
        again = (await browser.reload()).heading
        expect(again == "Approved. People at Harbour & Vale can now connect.", f"after a reload: {again}")
    await _expect_approved(walk, "hv", AccessMethod.GRAPH, wanted=True)
    return "“Approved. People at Harbour & Vale can now connect.”"


async def over_ews(walk: Walk) -> str:
    """The Labs tenant has EWS on and lists the app."""
    async with walk.browser() as browser:
        await _start(walk, browser, "hv-labs", "labs.one@hv-labs.example", EWS_BUTTON)
        await sign_in(browser, "labs.admin@hv-labs.example")
        await browser.press("Accept")
        heading = browser.page.heading
        expect(heading.startswith("Approved. People at Harbour & Vale Labs can now connect"), heading)
    await _expect_approved(walk, "hv-labs", AccessMethod.EWS, wanted=True)
    return f"“{heading}”"


async def used_link(walk: Walk) -> str:
    """A link that led to an approval is used up, also for the one who has it."""
    async with walk.browser() as browser:
        await browser.open(walk.seen["approval link"])
        heading = browser.page.heading
        expect(heading == "This link doesn’t work any more", heading)
        return f"“{heading}”"


async def _start(walk: Walk, browser: Browser, organization: str, asked_by: str, button: str) -> str:
    link = await sample.approval_link(walk.services, organization, asked_by=asked_by)
    await browser.open(link)
    expect("/admin-consent/l/" not in browser.page.url, "the link's secret stayed in the address bar")
    expect(button in browser.page.buttons, f"“{browser.page.heading}” does not offer “{button}”")
    await browser.press(button)
    return link


async def _expect_approved(walk: Walk, organization: str, method: AccessMethod, *, wanted: bool) -> None:
    found = await walk.services.organizations.resolve(organization)
    consents = await walk.services.consent.consents_of(found.id)
    approved = any(each.method is method and each.state is ConsentState.VERIFIED for each in consents)
    expect(approved is wanted, f"{method.value} is {'' if approved else 'not '}on record as approved")
