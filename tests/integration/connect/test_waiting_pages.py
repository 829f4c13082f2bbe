"""Pages on which people wait: what their script is told, and that they work without it (UX §4.2, §6.3, §7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod

Company = Any
DOMAIN = "harbourvale.example"


async def test_the_status_page_tells_today_and_the_days_before(app, client, clock) -> None:
    page = await client.get("/status")
    assert "Nothing is recorded yet." in page.text
    for _ in range(3):
        await app.status.look()
        clock.advance(timedelta(minutes=5))
    clock.advance(timedelta(days=1))
    page = await client.get("/status")
    words = " ".join(page.text.split())
    assert "Today" in words
    assert "24 November 2026" in words
    assert "Microsoft’s sign-in" in words
    assert "about 11 hours 45 minutes not working" in words


async def test_trying_again_is_offered_thirty_seconds_after_microsoft_failed(company: Company, clock) -> None:
    await company.approve()
    company.emulator.control("POST", "/faults", {"route": "GET /v1.0/me", "status": 503})
    page = await company.go()
    assert page.h1 == "Microsoft isn’t answering properly"
    assert "Try again" not in page.steps
    assert page.tree.xpath("//*[@data-count-down]/text()") == ["30"]
    again = await company.browser.press(page, "Look again")
    assert again.h1 == page.h1
    clock.advance(timedelta(seconds=30))
    again = await company.browser.press(page, "Look again")
    assert again.steps[0] == "Try again"
    assert not again.tree.xpath("//*[@data-count-down]")


async def test_the_page_of_people_waiting_hears_of_the_answer(company: Company) -> None:
    await company.browser.open(await company.session())
    form = await company.browser.open("/connect/approval")
    page = await company.browser.press(form, "Send request", administrator_email="priya@harbourvale.example")
    (live,) = page.tree.xpath("//main/@data-live-from")
    quiet = await company.browser.open(live)
    assert quiet.text == '{"done":false}'
    await company.app.approvals.resolve(organization_id="org_1", method=AccessMethod.GRAPH)
    changed = await company.browser.open(live)
    assert changed.text == '{"reload":true}'
    over = await company.browser.open(page.path)
    assert over.h1 == "Approved. You can connect now."
    assert not over.tree.xpath("//main/@data-live-from")


async def test_nobody_elses_script_is_told_anything_of_a_request(company: Company) -> None:
    await company.browser.open(await company.session())
    form = await company.browser.open("/connect/approval")
    page = await company.browser.press(form, "Send request", administrator_email="priya@harbourvale.example")
    (live,) = page.tree.xpath("//main/@data-live-from")
    company.browser.cookies.clear()
    assert (await company.browser.open(live)).text == '{"reload":true}'
    assert (await company.browser.open("/connect/approval/none/live")).text == '{"reload":true}'


async def test_the_waiting_pages_of_a_sign_in_lead_on_by_script(company: Company) -> None:
    await company.approve()
    back = await company.go()
    waiting = await company.browser.open(await company.waiting_path(back))
    (live,) = waiting.tree.xpath("//main/@data-live-from")
    assert '"as_of":"12:00 UTC"' in (await company.browser.open(live)).text
    await company.confirm(back)
    assert '"go_to":"/connect/done/' in (await company.browser.open(live)).text


async def test_the_checking_page_of_an_approval_leads_on_by_script(company: Company, clock) -> None:
    company.emulator.set_scenario(DOMAIN, "not_confirmed")
    page = await company.browser.open("/admin-consent")
    page = await company.browser.press(page, "Connect email and calendar - Graph")
    page = await company.browser.sign_in(page, "priya.nair@harbourvale.example")
    assert page.h1 == "Checking the approval with Microsoft"
    (live,) = page.tree.xpath("//main/@data-live-from")
    told = (await company.browser.open(live)).text
    assert '"still":"Still checking"' in told
    assert '"slow":""' in told
    clock.advance(timedelta(seconds=30))
    assert "Microsoft can take up to half an hour" in (await company.browser.open(live)).text
    reference = page.path.rpartition("/")[2]
    async with company.app.transactions() as tx:
        attempt = await tx.consent_attempts.find_by_reference(reference)
    assert attempt.state is ConsentState.VERIFYING
    await company.app.consent.watch.verify(attempt.id)
    company.browser.cookies.clear()
    assert (await company.browser.open(live)).text == '{"reload":true}'
