"""The connect pages against the emulator, walked by a browser without scripts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod

APP_ID = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
DOMAIN = "harbourvale.example"
TOM = "tom.ellis@harbourvale.example"
RETURN_URL = "https://app.larkspur.example/connected"
Company = Any


async def test_a_member_connects_over_graph_and_the_vendor_confirms(company: Company) -> None:
    await company.approve()
    page = await company.browser.open(await company.session())
    assert page.path == "/connect"
    assert page.h1 == "Connect your email and calendar"
    assert "Harbour & Vale has approved Larkspur." in page.tree.text_content()
    back = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    assert back.url.startswith(RETURN_URL + "?connect_session=")
    connection = await company.confirm(back)
    assert connection.status is ConnectionStatus.CONNECTED
    assert (connection.method, connection.address) == (AccessMethod.GRAPH, TOM)
    folders = await company.app.mail.list_folders(connection.id, organization_id="org_1")
    assert any(folder.name == "Inbox" for folder in folders.items)


async def test_a_member_connects_over_ews_where_only_that_is_approved(company: Company) -> None:
    company.emulator.set_scenario(DOMAIN, "ews_listed")
    await company.approve(AccessMethod.EWS)
    page = await company.browser.open(await company.session())
    assert "Exchange Web Services (EWS)" in page.tree.text_content()
    back = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    connection = await company.confirm(back)
    assert (connection.method, connection.address.lower()) == (AccessMethod.EWS, TOM)
    folders = await company.app.mail.list_folders(connection.id, organization_id="org_1")
    assert any(folder.name == "Inbox" for folder in folders.items)


async def test_neither_secret_nor_code_stays_in_an_address_that_shows_a_page(company: Company) -> None:
    await company.approve()
    link = await company.session(return_url=None)
    page = await company.browser.open(link)
    assert link.rpartition("/")[2] not in page.url + page.text
    back = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    assert back.path.startswith("/connect/done/")
    assert back.h1 == "Connected"
    assert urlsplit(back.url).query == ""
    assert f"{TOM} is connected." in back.tree.text_content()


@pytest.mark.parametrize(
    ("mail", "calendar"), [("on", None), (None, "on"), ("on", "on")], ids=["mail", "calendar", "both"]
)
async def test_email_calendar_or_both(company: Company, mail: str | None, calendar: str | None) -> None:
    await company.approve()
    page = await company.browser.open(await company.session())
    page = await company.browser.press(page, "Continue to Microsoft", mail=mail, calendar=calendar)
    connection = await company.confirm(await company.browser.sign_in(page, TOM))
    assert (connection.mail, connection.calendar) == (bool(mail), bool(calendar))


async def test_nothing_ticked_is_said_beside_the_question_and_everything_is_kept(company: Company) -> None:
    page = await company.browser.open(await company.session())
    page = await company.browser.press(
        page, "Continue to Microsoft", mail=None, calendar=None, login_hint="someone@harbourvale.example"
    )
    assert page.status == 400
    assert page.tree.findtext(".//title").startswith("Error:")
    assert "Choose email, calendar or both." in page.text
    assert page.tree.get_element_by_id("login_hint").value == "someone@harbourvale.example"


async def test_opening_a_link_changes_nothing_and_starts_nothing(company: Company) -> None:
    link = await company.session()
    for _ in range(3):
        await company.browser.open(link)
    assert company.emulator.requests("/authorize") == []
    async with company.app.transactions() as tx:
        page = await tx.audit.page(organization_id="org_1")
    assert [record.what for record in page.items] == ["connect_session.created"]


async def test_connect_alone_says_where_to_start(company: Company) -> None:
    alone = await company.browser.open("/connect")
    assert "Start from Larkspur: Settings › Email and calendar › Connect." in alone.tree.text_content()
    mistyped = await company.browser.open("/connect/s/mistyped")
    assert mistyped.path == "/connect"
    assert "Start from Larkspur" in mistyped.tree.text_content()


async def test_an_unlicensed_member_is_refused_before_microsoft(company: Company) -> None:
    async with company.app.transactions() as tx:
        await tx.members.save(replace(company.tom, licensed=False))
    page = await company.browser.open(await company.session())
    assert page.h1 == "You don’t have a Larkspur licence yet"
    assert "Licences are given out by Dana Okafor." in page.tree.text_content()
    assert page.steps == ["Ask for a licence"]


async def test_before_an_approval_the_member_is_offered_the_request(company: Company) -> None:
    page = await company.browser.open(await company.session())
    assert "Harbour & Vale hasn’t approved Larkspur yet." in page.tree.text_content()
    stopped = await company.browser.press(page, "Continue to Microsoft")
    stopped = await company.browser.sign_in(stopped, TOM)
    assert "localhost" not in stopped.url or stopped.path.startswith("/connect/problem/")


@pytest.mark.parametrize(
    ("scenario", "headline", "primary"),
    [
        ("declined", "You chose not to connect", "Try again"),
        ("mailbox_missing", f"We couldn’t find a mailbox for {TOM}", "Try again"),
        ("our_fault", "Something is wrong on our side", "Tell me when it’s fixed"),
        ("unknown", "That didn’t work, and Microsoft didn’t say why", "Try again"),
        ("missing_permission", "Approved, but 1 permission is missing", "Approve the missing ones"),
        ("session_lost", "We lost track of this sign-in", "Start again"),
        ("account_mismatch", "That’s a different mailbox", f"Try again as {TOM}"),
    ],
)
async def test_failures_that_come_back_have_their_own_page(
    company: Company, scenario: str, headline: str, primary: str
) -> None:
    company.emulator.set_scenario(DOMAIN, scenario)
    if scenario == "declined":
        company.emulator.control("PATCH", f"/tenants/{DOMAIN}/policies", {"user_consent": "open"})
    else:
        await company.approve()
    page = await company.go()
    assert page.h1 == headline, page.url
    assert page.steps[0].startswith(primary)
    assert page.tree.findtext(".//title").startswith("Not connected: ")
    assert all(each.status is ConnectionStatus.UNCONFIRMED for each in await company.connections())


async def test_an_account_of_another_organization_is_refused_by_name(company: Company) -> None:
    await company.approve()
    async with company.app.transactions() as tx:
        (tenant,) = await tx.tenants.list_for("org_1")
        # With two tenants nobody can know beforehand which one a person comes from.
        await tx.tenants.add(replace(tenant, id="ten_2", tenant_id="c8d3f6a1-94b7-4e50-8d12-2f6b0e9a7c06"))
    page = await company.browser.open(await company.session())
    stranger = "partner.one@other-company.example"
    page = await company.browser.press(page, "Continue to Microsoft", login_hint=stranger)
    page = await company.browser.sign_in(page, stranger)
    assert page.h1 == "That account belongs to another organization"
    assert f"You signed in as {stranger}. This link is only for Harbour & Vale." in page.tree.text_content()
    assert page.steps[0] == "Try again with a Harbour & Vale account"
    assert await company.connections() == ()


async def test_ews_that_is_off_offers_graph(company: Company) -> None:
    company.emulator.set_scenario(DOMAIN, "ews_off")
    await company.approve(AccessMethod.EWS)
    page = await company.go()
    assert page.h1 in {"EWS is switched off at Harbour & Vale", "Larkspur isn’t on your EWS allow list"}
    assert "Get-OrganizationConfig" in page.text
    assert APP_ID in page.text
    await company.approve(AccessMethod.GRAPH)
    back = await company.browser.sign_in(await company.browser.press(page, "Use Graph instead"), TOM)
    assert (await company.confirm(back)).method is AccessMethod.GRAPH


async def test_a_return_in_another_browser_completes_nothing(company: Company) -> None:
    await company.approve()
    page = await company.browser.open(await company.session())
    microsoft = await company.browser.press(page, "Continue to Microsoft")
    assert company.browser.cookies.pop("localhost")
    lost = await company.browser.sign_in(microsoft, TOM)
    assert lost.h1 == "We lost track of this sign-in"
    assert company.emulator.requests("/token") == []
    assert await company.connections() == ()


async def test_a_reload_of_the_return_address_shows_the_same_page(company: Company) -> None:
    await company.approve()
    done = await company.go(return_url=None)
    returned = next(url for url in company.browser.visited if "/connect/return/" in url)
    again = await company.browser.open(returned)
    assert (again.path, again.h1) == (done.path, "Connected")


async def test_a_session_that_did_its_work_leads_back_to_the_vendor(company: Company) -> None:
    await company.approve()
    await company.go(return_url=None)
    page = await company.browser.open("/connect")
    assert "This one is over." in page.tree.text_content()


async def test_reconnect_shows_the_same_page_and_keeps_the_id(company: Company) -> None:
    await company.approve()
    first = await company.confirm(await company.go())
    page = await company.browser.open(await company.session(connection_id=first.id))
    assert page.h1 == "Sign in again"
    assert page.tree.get_element_by_id("login_hint").value == TOM
    done = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    assert done.url.startswith(RETURN_URL)
    (only,) = await company.connections()
    assert (only.id, only.token_version) == (first.id, 2)


async def test_the_reconnect_address_works_through_a_session_of_the_same_member(company: Company) -> None:
    await company.approve()
    first = await company.confirm(await company.go())
    assert "Start from Larkspur" in (await company.browser.open(f"/connect/reconnect/{first.id}")).text
    await company.browser.open(await company.session(return_url=None))
    page = await company.browser.open(f"/connect/reconnect/{first.id}")
    assert page.h1 == "Sign in again"
    done = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    assert done.h1 == "Connected"
    await company.browser.open(await company.session(return_url=None, member_id="mem_2"))
    strange = await company.browser.open(f"/connect/reconnect/{first.id}")
    assert (strange.status, strange.h1) == (404, "We lost track of this sign-in")


async def test_connected_already_says_so_and_lets_a_person_reconnect(company: Company) -> None:
    await company.approve()
    first = await company.confirm(await company.go())
    page = await company.browser.open(await company.session(return_url=None))
    assert page.h1 == "You’re already connected"
    assert "Nothing was connected." not in page.text
    page = await company.browser.press(page, "Reconnect anyway")
    done = await company.browser.sign_in(await company.browser.press(page, "Continue to Microsoft"), TOM)
    assert done.h1 == "Connected"
    assert [each.id for each in await company.connections()] == [first.id]


async def test_waiting_for_the_vendor_reads_as_finishing_and_then_as_not_finished(
    company: Company, move_time
) -> None:
    await company.approve()
    waiting = await company.browser.open(await company.waiting_path(await company.go()))
    assert waiting.h1 == "Finishing with Larkspur …"
    move_time(timedelta(minutes=5))
    over = await company.browser.open(waiting.path)
    assert over.h1 == "We couldn’t finish with Larkspur"
    await company.app.connections.confirmation.expire_unconfirmed()
    over = await company.browser.open(waiting.path)
    assert (over.path.startswith("/connect/problem/"), over.h1) == (True, "We couldn’t finish with Larkspur")


async def test_another_address_asks_before_it_goes_on(company: Company) -> None:
    await company.approve()
    async with company.app.transactions() as tx:
        await tx.members.save(replace(company.tom, email="t.ellis@partner.example"))
    page = await company.browser.open(await company.session())
    page = await company.browser.press(page, "Continue to Microsoft", login_hint=TOM)
    page = await company.browser.sign_in(page, TOM)
    assert page.h1 == "That’s a different mailbox"
    assert page.steps == [f"Use {TOM}", "Try again as t.ellis@partner.example"]
    back = await company.browser.press(page, f"Use {TOM}")
    assert (await company.confirm(back)).status is ConnectionStatus.CONNECTED


async def test_a_disconnect_destroys_the_token_and_says_what_it_did(company: Company) -> None:
    await company.approve()
    connection = await company.confirm(await company.go())
    receipt = await company.app.connections.disconnect(connection.id, organization_id="org_1", actor=SYSTEM)
    assert receipt.tokens_destroyed
    assert receipt.connection.status is ConnectionStatus.DISCONNECTED
    async with company.app.transactions() as tx:
        assert await tx.refresh_tokens.find(connection.id) is None
        assert await tx.access_tokens.find(connection.id) is None


@pytest.mark.parametrize(
    ("label", "headline", "primary"),
    [
        (
            "“Need admin approval”",
            "Your organization wants an administrator to approve Larkspur first",
            "Ask my administrator",
        ),
        ("not assigned", "You haven’t been given access to Larkspur yet", "Copy steps"),
        ("“The app is disabled”", "Larkspur is switched off in your organization", "Copy steps"),
    ],
)
async def test_what_microsofts_page_said_leads_to_the_same_page_as_a_return(
    company: Company, label: str, headline: str, primary: str
) -> None:
    page = await company.browser.open(await company.session())
    page = await company.browser.press(page, "Tell us what its page said")
    (wanted,) = [
        element.get("for")
        for element in page.tree.xpath("//label")
        if label in " ".join(element.text_content().split())
    ]
    said = page.tree.get_element_by_id(wanted).get("value")
    page = await company.browser.press(page, "Show me what to do", said=said)
    assert page.h1 == headline
    assert page.steps[0] == primary
    assert "Nothing was connected." in page.tree.text_content()


async def test_a_person_goes_on_with_email_where_calendars_were_not_granted(company: Company) -> None:
    company.emulator.set_scenario(DOMAIN, "missing_permission")
    await company.approve()
    page = await company.go(return_url=None)
    assert page.h1 == "Approved, but 1 permission is missing"
    assert "Continue without calendar" in page.steps
    done = await company.browser.sign_in(await company.browser.press(page, "Continue without calendar"), TOM)
    assert done.h1 == "Email is connected"
    text = " ".join(done.tree.text_content().split())
    assert (
        "Calendar isn’t: Microsoft returned fewer permissions than Larkspur needs: Calendars.ReadWrite."
        in text
    )
    (connection,) = await company.connections()
    assert (connection.mail, connection.calendar) == (True, False)
    # Mended at Microsoft, the rest follows by one press, on the same connection.
    company.emulator.control("PATCH", f"/tenants/{DOMAIN}/policies", {"withheld_scopes": []})
    company.emulator.control("POST", f"/tenants/{DOMAIN}/grants", {"app_id": APP_ID})
    whole = await company.browser.sign_in(await company.browser.press(done, "Connect calendar"), TOM)
    assert whole.h1 == "Connected"
    (same,) = await company.connections()
    assert (same.id, same.mail, same.calendar) == (connection.id, True, True)


async def test_a_calendar_that_does_not_answer_leaves_the_email_connected(company: Company) -> None:
    await company.approve()
    company.emulator.control("POST", "/faults", {"route": "GET /v1.0/me/calendar", "status": 503})
    done = await company.go(return_url=None)
    assert done.h1 == "Email is connected"
    assert "Calendar isn’t: The problem is on Microsoft’s side." in " ".join(done.tree.text_content().split())
    page = await company.browser.open(await company.session(return_url=None))
    assert page.h1 == "Connect your email and calendar"
    assert "Email is connected. Calendar isn’t:" in " ".join(page.tree.text_content().split())
    assert page.tree.get_element_by_id("cal-h").getparent().xpath("./input/@checked")


async def test_an_incomplete_approval_is_said_and_only_the_approved_part_is_ticked(company: Company) -> None:
    await company.approve()
    async with company.app.transactions() as tx:
        (consent,) = await tx.consents.list_for_organization("org_1")
        granted = ("Mail.ReadWrite", "Mail.Send", "MailboxSettings.Read", "User.Read")
        await tx.consents.save(replace(consent, state=ConsentState.PARTIAL, granted_scopes=granted))
    page = await company.browser.open(await company.session())
    text = " ".join(page.tree.text_content().split())
    assert "Harbour & Vale has approved Larkspur for email, but not for calendar yet." in text
    ticked = page.tree.xpath("//input[@type='checkbox'][@checked]/@name")
    assert ticked == ["mail"]
