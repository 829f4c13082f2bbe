"""Mails for real: PostgreSQL, the worker, SMTP, and the mailboxes in which people find them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from lxml import html
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.http_session import trusted
from ostiary.bootstrap import Services, application
from ostiary.core.approvals.model import ApprovalRequestState
from ostiary.core.connections.machine import ConnectionEvent, transition
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import Misconfigured, OstiaryError, TemporarilyUnavailable
from ostiary.core.reasons.catalogue import CATALOGUE
from ostiary.core.reasons.model import Fixer, Where
from ostiary.entrypoints.worker.runner import Worker
from ostiary.settings import Settings

from .connect_world import TOM, Browser, Company, Emulator, Page, make_company

PRIYA = "priya.nair@harbourvale.example"
GRAPH_BUTTON = "Connect email and calendar - Graph"


@pytest.fixture
def emulator_settings(emulator_settings: Settings, emulator: Any) -> Settings:
    """With a mail server: the emulator's."""
    return emulator_settings.model_copy(
        update={"smtp_url": SecretStr(emulator.smtp_url), "mail_from": "connect@larkspur.example"}
    )


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    return await make_company(app, client, site, emulator)


async def work(app: Services, database: AsyncEngine) -> None:
    """Let the worker do what is due now, and what that queues in turn."""
    due = text(
        "SELECT count(*) FROM procrastinate_jobs"
        " WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())"
    )
    for _ in range(10):
        await asyncio.wait_for(Worker(app).run(until_idle=True), 60)
        async with database.connect() as connection:
            if not await connection.scalar(due):
                return
    raise AssertionError("the worker finds no end")


async def inbox(company: Company, address: str) -> dict[str, Page]:
    """The newest mail of each subject from our product, as the webmail shows it."""
    url: str = company.emulator.url  # type: ignore[attr-defined]
    mails: dict[str, Page] = {}
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=trusted(), timeout=20) as webmail:
        listed = html.fromstring((await webmail.get(f"/mailboxes/{address}")).text)
        for row in listed.xpath("//tbody/tr"):
            if row.xpath("string(td[1])") != "Larkspur":
                continue
            (link,) = row.xpath(".//a")
            answer = await webmail.get(link.get("href"))
            mails.setdefault(
                " ".join(link.text_content().split()),
                Page(str(answer.url), answer.status_code, answer.text, answer.headers),
            )
    return mails


def links(mail: Page) -> list[str]:
    return list(mail.tree.xpath("//pre//a/@href"))


async def ask(company: Company) -> Page:
    page = await company.browser.open(await company.session())
    page = await company.browser.press(page, "Ask your administrator")
    return await company.browser.press(
        page, "Send request", administrator_email=PRIYA, reason="I book meetings."
    )


async def test_asked_by_mail_approved_by_its_link_and_told_by_mail(
    company: Company, site: str, database: AsyncEngine
) -> None:
    async with company.app.transactions() as tx:
        organization = await tx.organizations.get("org_1")
        await tx.organizations.save(replace(organization, it_contact_email=PRIYA))
    asked = await ask(company)
    assert asked.h1 == "Your request is with your IT administrator"
    assert (
        "We remind them on 27 November 2026 and 3 December 2026, never more often."
        in asked.tree.text_content()
    )
    await work(company.app, database)
    mail = (await inbox(company, PRIYA))["Please approve Larkspur for Microsoft 365"]
    (link,) = links(mail)

    async with httpx.AsyncClient(timeout=20, trust_env=False, verify=trusted()) as other:
        priya = Browser(other, site)
        page = await priya.press(await priya.open(link), GRAPH_BUTTON)
        await work(company.app, database)
        (request,) = await company.app.approvals.list_for("org_1")
        assert request.state is ApprovalRequestState.STARTED
        page = await priya.sign_in(page, PRIYA)
        assert page.h1 == "Approved. People at Harbour & Vale can now connect."
        assert "We have emailed the 1 person who was waiting, and Tom Ellis who asked you." in page.text
        page = await priya.press(page, "Email me this record")
        assert f"We are emailing this record to {PRIYA}." in page.text
        assert "Email me this record" not in page.text

    await work(company.app, database)
    told = (await inbox(company, TOM))["You can connect now"]
    assert links(told) == [asked.url]
    connect = await company.browser.open(links(told)[0])
    assert connect.h1 == "Approved. You can connect now."
    arrived = await inbox(company, PRIYA)
    assert "Larkspur was approved for Harbour & Vale" in arrived
    (record,) = [mail for subject, mail in arrived.items() if subject.startswith("Larkspur: approval CN-")]
    assert "Organization: Harbour & Vale" in record.tree.text_content()


async def test_a_refusal_reaches_the_page_and_the_mailbox(
    company: Company, site: str, database: AsyncEngine
) -> None:
    asked = await ask(company)
    await work(company.app, database)
    (link,) = links((await inbox(company, PRIYA))["Please approve Larkspur for Microsoft 365"])
    async with httpx.AsyncClient(timeout=20, trust_env=False, verify=trusted()) as other:
        priya = Browser(other, site)
        page = await priya.open(link)
        page = await priya.press(page, "Decline")
        await priya.press(page, "Decline", reason="We use another product.")
    await work(company.app, database)
    told = (await inbox(company, TOM))["Your administrator declined"]
    assert "They wrote: “We use another product.”" in told.tree.text_content()
    assert "We use another product." in (await company.browser.open(asked.url)).text


async def test_an_address_without_a_mailbox_gives_the_message_back_to_the_person(
    company: Company, database: AsyncEngine
) -> None:
    page = await company.browser.open(await company.session())
    page = await company.browser.press(page, "Ask your administrator")
    page = await company.browser.press(
        page, "Send request", administrator_email="nobody@harbourvale.example", reason=""
    )
    await work(company.app, database)
    page = await company.browser.open(page.url)
    assert page.h1 == "Send this to your IT administrator"
    assert "Our email to nobody@harbourvale.example couldn’t be delivered." in page.text
    async with company.app.transactions() as tx:
        records = (await tx.audit.page(organization_id="org_1", what_prefix="notice.")).items
    assert [record.what for record in records] == ["notice.given_up"]


async def test_who_would_rather_send_it_themselves_gets_the_text_and_nobody_is_written_to(
    company: Company, database: AsyncEngine
) -> None:
    page = await company.browser.open(await company.session())
    page = await company.browser.press(page, "Ask your administrator")
    page = await company.browser.press(page, "I’d rather send it myself", administrator_email=PRIYA)
    assert page.h1 == "Send this to your IT administrator"
    assert page.tree.get_element_by_id("message") is not None
    await work(company.app, database)
    assert await inbox(company, PRIYA) == {}


@pytest.mark.parametrize(
    "reason",
    sorted(each.id for each in CATALOGUE.values() if Where.HEALTH in each.where and each.fixer is Fixer.YOU),
)
async def test_a_lost_sign_in_is_told_once_for_each_incident(
    company: Company, clock: MovableClock, reason: str, database: AsyncEngine
) -> None:
    await company.approve()
    connection = await company.confirm(await company.go())
    tell = company.app.connection_notices.tell_sign_in
    assert await tell() == 0
    for incident in (1, 1, 2):
        async with company.app.transactions() as tx:
            current = await tx.connections.get(connection.id, for_update=True)
            if incident == 2:
                clock.advance(timedelta(hours=1))
                current = transition(current, ConnectionEvent.WORKED, now=clock.now())
            await tx.connections.save(
                transition(current, ConnectionEvent.SIGN_IN_LOST, now=clock.now(), reason=reason)
            )
        assert await tell() == (1 if (incident, current.reason) != (1, reason) else 0)
    await work(company.app, database)
    mail = (await inbox(company, TOM))["Please sign in again"]
    assert f"Larkspur can’t reach {TOM} any more" in mail.tree.text_content()
    assert connection.reference in mail.tree.text_content()


async def test_an_attempt_without_an_answer_is_on_record_as_unfinished_after_ten_minutes(
    company: Company, site: str, clock: MovableClock, database: AsyncEngine
) -> None:
    asked = await ask(company)
    await work(company.app, database)
    (link,) = links((await inbox(company, PRIYA))["Please approve Larkspur for Microsoft 365"])
    async with httpx.AsyncClient(timeout=20, trust_env=False, verify=trusted()) as other:
        priya = Browser(other, site)
        await priya.press(await priya.open(link), GRAPH_BUTTON)
        (attempt,) = await company.app.consent.attempts_of("org_1")
        assert not await company.app.consent.watch.note_unfinished(attempt.id)
        clock.advance(timedelta(minutes=10))
        assert await company.app.consent.watch.note_unfinished(attempt.id)
        assert "didn’t finish" in (await priya.open("/admin-consent")).text
    async with company.app.transactions() as tx:
        (record,) = (await tx.audit.page(organization_id="org_1", what_prefix="consent.unfinished")).items
    assert record.outcome != "failed"
    page = await company.browser.open(asked.url)
    assert "nobody came back from Microsoft" in page.text
    assert "/help/microsoft-page" in page.text


async def test_the_mail_server_can_be_checked_before_anybody_needs_it(app: Services) -> None:
    await app.notices.check()


async def test_without_a_mail_server_the_check_says_which_setting_is_missing(
    settings: Settings,
) -> None:
    expected: tuple[tuple[SecretStr | None, type[OstiaryError]], ...] = (
        (None, Misconfigured),
        (SecretStr("smtp://127.0.0.1:9"), TemporarilyUnavailable),
    )
    for url, raised in expected:
        changed = settings.model_copy(update={"smtp_url": url, "mail_from": "connect@larkspur.example"})
        async with application(changed) as services:
            with pytest.raises(raised):
                await services.notices.check()
