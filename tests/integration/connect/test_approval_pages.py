"""Asking for the approval and following the request, without scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from ostiary.core.approvals.model import ApprovalRequestState
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.kernel.access_method import AccessMethod

from ..connect_world import HARBOUR, Browser

TOM = "tom.ellis@harbourvale.example"
PRIYA = "priya.nair@harbourvale.example"
Company = Any


async def ask(company: Company, *, email: str = PRIYA, reason: str = "I book customer meetings."):
    """Open a session, go to the form, send it; returns the tracking page."""
    page = await company.browser.open(await company.session())
    page = await company.browser.press(page, "Ask your administrator")
    return await company.browser.press(page, "Send request", administrator_email=email, reason=reason)


async def requests(company: Company):
    return await company.app.approvals.list_for("org_1")


async def test_asking_makes_a_message_with_a_fresh_link_to_send(company: Company) -> None:
    page = await ask(company)
    assert page.h1 == "Send this to your IT administrator"
    message = page.tree.get_element_by_id("message").text_content()
    assert message.startswith("Subject: Please approve Larkspur for Microsoft 365\n\nHello,")
    assert "/admin-consent/l/" in message
    assert "1 person is waiting. Why I need it: “I book customer meetings.”" in message
    assert message.endswith("Thank you, Tom Ellis")
    (only,) = await requests(company)
    assert (only.state, only.sent_to) == (ApprovalRequestState.WAITING, PRIYA)


async def test_a_reload_shows_the_same_message_and_makes_no_second_link(company: Company) -> None:
    page = await ask(company)
    again = await company.browser.open(page.url)
    assert again.tree.get_element_by_id("message").text_content() == (
        page.tree.get_element_by_id("message").text_content()
    )
    assert len(await company.app.consent.links.live("org_1")) == 1


async def test_a_reminder_carries_a_link_of_its_own(company: Company) -> None:
    page = await ask(company)
    reminded = await company.browser.press(page, "Copy a reminder to send")
    assert reminded.tree.get_element_by_id("message").text_content() != (
        page.tree.get_element_by_id("message").text_content()
    )


async def test_the_steps_follow_what_really_happened(company: Company) -> None:
    page = await ask(company)
    assert current_step(page) == f"Send it to {PRIYA}"
    page = await company.browser.press(page, "I’ve sent it")
    assert page.h1 == "Your request is with your IT administrator"
    assert current_step(page) == "Administrator reviews and approves"
    assert "send a reminder on 27 November 2026" in page.tree.text_content()
    async with company.app.transactions() as tx:
        (link,) = await tx.admin_consent_links.live_for("org_1", now=company.app.clock.now())
        await tx.admin_consent_links.bind_to_browser(link.id, browser_hash=b"b" * 32)
    page = await company.browser.open(page.url)
    assert "Started, not finished yet." in page.tree.text_content()


async def test_everyone_who_waits_is_told_and_goes_on_with_one_click(company: Company) -> None:
    page = await ask(company)
    await company.approve()
    await company.app.approvals.resolve(organization_id="org_1", method=AccessMethod.GRAPH)
    page = await company.browser.open(page.url)
    assert page.h1 == "Approved. You can connect now."
    back = await company.browser.sign_in(await company.browser.press(page, "Connect now"), TOM)
    connection = await company.confirm(back)
    assert connection.status is ConnectionStatus.CONNECTED


async def test_a_persons_word_is_enough_to_try_and_a_success_tells_the_others(company: Company) -> None:
    page = await ask(company)
    company.emulator.control(
        "POST", "/tenants/harbourvale.example/grants", {"app_id": "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"}
    )
    back = await company.browser.press(page, "I’ve been told it’s approved")
    await company.confirm(await company.browser.sign_in(back, TOM))
    await company.app.approvals.resolve(
        organization_id="org_1", method=AccessMethod.GRAPH, member_id=company.tom.id
    )
    (only,) = await requests(company)
    assert only.state is ApprovalRequestState.APPROVED


async def test_the_page_stays_open_to_the_browser_after_the_session_is_over(
    company: Company, move_time
) -> None:
    page = await ask(company)
    move_time(timedelta(hours=20))
    assert (await company.browser.open(page.url)).h1 == "Send this to your IT administrator"
    company.browser.cookies.pop("localhost")
    stranger = await company.browser.open(page.url)
    assert stranger.status == 404


async def test_fourteen_days_without_an_answer_ask_for_somebody_else(company: Company, move_time) -> None:
    page = await ask(company)
    move_time(timedelta(days=14))
    over = await company.browser.open(page.url)
    assert over.h1 == "No answer after 14 days"
    await company.app.approvals.expire()
    page = await company.browser.press(over, "Ask someone else")
    page = await company.browser.press(
        page, "Make the message", administrator_email="global.admin@harbourvale.example"
    )
    assert page.h1 == "Send this to your IT administrator"
    newest, oldest = await requests(company)
    assert (oldest.state, newest.sent_to) == (
        ApprovalRequestState.EXPIRED,
        "global.admin@harbourvale.example",
    )


async def test_asking_someone_else_keeps_the_request(company: Company) -> None:
    page = await company.browser.press(await ask(company), "I’ve sent it")
    page = await company.browser.press(page, "Ask someone else")
    page = await company.browser.press(
        page, "Make the message", administrator_email="global.admin@harbourvale.example"
    )
    assert current_step(page) == "Send it to global.admin@harbourvale.example"
    assert len(await requests(company)) == 1


async def test_cancelling_the_last_request_ends_it(company: Company) -> None:
    page = await company.browser.press(await ask(company), "Cancel my request")
    assert page.h1 == "Your request is cancelled"
    (only,) = await requests(company)
    assert only.state is ApprovalRequestState.CANCELLED


async def test_a_decline_shows_the_administrators_reason(company: Company) -> None:
    from dataclasses import replace

    page = await ask(company)
    async with company.app.transactions() as tx:
        (link,) = await tx.admin_consent_links.live_for("org_1", now=company.app.clock.now())
        await tx.admin_consent_links.save(
            replace(link, declined_at=company.app.clock.now(), decline_reason="Not before the audit.")
        )
    assert await company.app.approvals.decline(link_id=link.id) == 1
    page = await company.browser.open(page.url)
    assert page.h1 == "Your administrator declined"
    assert "Not before the audit." in page.tree.text_content()


async def test_a_form_that_does_not_fit_says_so_and_keeps_the_values(company: Company) -> None:
    page = await ask(company, email="not an address", reason="Because.")
    assert page.status == 400
    assert page.tree.findtext(".//title").startswith("Error:")
    assert page.tree.get_element_by_id("reason").text_content() == "Because."
    page = await ask(company, email="", reason="x" * 281)
    assert "Use at most 280 characters." in page.text
    assert await requests(company) == ()


async def test_the_form_needs_a_session_and_a_lack_of_approval(company: Company) -> None:
    assert urlsplit((await company.browser.open("/connect/approval")).url).path == "/connect"
    await company.approve()
    await company.browser.open(await company.session())
    assert (await company.browser.open("/connect/approval")).path == "/connect"


def current_step(page) -> str:
    (step,) = page.tree.xpath("//li[@aria-current='step']//h3")
    return " ".join(step.text_content().split())


async def test_an_administrator_goes_on_without_the_calendar_and_those_who_wait_may_too(
    company: Company,
) -> None:
    waiting = await ask(company)
    company.emulator.set_scenario("harbourvale.example", "missing_permission")
    link = next(
        word
        for word in waiting.tree.get_element_by_id("message").text_content().split()
        if "/admin-consent/l/" in word
    )
    priya = Browser(company.browser.client, company.browser.site)
    page = await priya.press(await priya.open(link), "Connect email and calendar - Graph")
    done = await priya.sign_in(page, PRIYA)
    assert done.h1 == "Approved, but 1 permission is missing"
    assert "can connect email already. Only calendar has to wait." in " ".join(done.text.split())
    went_on = await priya.press(done, "Continue without calendar")
    assert "We go on without calendar." in went_on.text
    assert (await priya.open(went_on.url)).status == 200
    # The one who waits sees it, goes on, and waits for the rest.
    page = await company.browser.open(waiting.url)
    text = " ".join(page.tree.text_content().split())
    assert "Harbour & Vale has approved Larkspur for email, but not for calendar yet." in text
    back = await company.browser.sign_in(await company.browser.press(page, "Continue without calendar"), TOM)
    connection = await company.confirm(back)
    assert (connection.mail, connection.calendar) == (True, False)
    assert connection.left_out_reason == "missing_permission"
    (request,) = await requests(company)
    assert request.is_open
    async with company.app.transactions() as tx:
        records = await tx.audit.page(organization_id="org_1", what_prefix="consent.went_on_without")
    assert len(records.items) == 1


async def test_going_on_without_needs_the_browser_that_approved(company: Company) -> None:
    await company.browser.open("/admin-consent")
    page = await company.browser.open("/admin-consent/own-way")
    form = next(form for form in page.tree.forms if "check-now" in form.get("action"))
    token = {name: value for name, value in form.form_values() if name != "api"}
    answer = await company.browser.open(
        "/admin-consent/without/CN-0000-0001", data=token, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status == 404


async def test_an_approval_that_was_only_for_the_administrator_can_be_asked_for_again(
    company: Company,
) -> None:
    # On our record it stands; at Microsoft there is none for this person.
    async with company.app.transactions() as tx:
        await tx.consents.save(
            Consent(
                id="cns_1",
                cloud="global",
                tenant_id=HARBOUR,
                organization_id="org_1",
                method=AccessMethod.GRAPH,
                state=ConsentState.VERIFIED,
                reference="CN-0000-0001",
            )
        )
    page = await company.browser.open(await company.session())
    page = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    page = await company.browser.press(page, "Return to the app without granting")
    assert page.h1 == "Harbour & Vale has approved Larkspur, but not for you"
    form = await company.browser.press(page, "Ask my administrator")
    assert form.h1 == "Ask your IT administrator to approve Larkspur"
