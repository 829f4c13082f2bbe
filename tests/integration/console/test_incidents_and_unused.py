"""Incidents and unused permissions in the console (UX §10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from lxml import html

from ostiary.bootstrap import Services
from ostiary.core.connections.mailboxes import Part
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.consent.permissions import PERMISSIONS
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.console import incidents, unused_permissions

from ..console_world import Customer
from .conftest import OpenAs


def rows(answer: httpx.Response) -> list[list[str]]:
    assert answer.status_code == 200, answer.text
    page = html.fromstring(answer.text)
    return [
        [" ".join(cell.text_content().split()) for cell in row.xpath("./th | ./td")]
        for row in page.xpath("//tbody/tr")
    ]


def text_of(answer: httpx.Response) -> str:
    return " ".join(html.fromstring(answer.text).xpath("//main")[0].text_content().split())


def link(answer: httpx.Response, words: str) -> str:
    return str(html.fromstring(answer.text).xpath(f"//a[contains(., '{words}')]/@href")[0])


async def mend(running: Services, customer: Customer, number: int) -> None:
    async with running.transactions() as transaction:
        connection = await transaction.connections.get(customer.connections[number].id, for_update=True)
        await transaction.connections.save(
            replace(connection, status=ConnectionStatus.CONNECTED, reason=None)
        )
    await running.incidents.note()


async def test_incidents_say_what_why_who_and_since_when_and_go_over_to_solved(
    open_as: OpenAs, running: Services, harbour: Customer, other: Customer, clock: MovableClock
) -> None:
    await running.incidents.note()
    failing = harbour.connections[2]
    async with open_as(harbour.session) as dana:
        listed = rows(await dana.open("/console/incidents"))
        assert sorted(row[1] for row in listed) == [
            "Please sign in again",
            f"We couldn’t find a mailbox for {failing.address}",
        ]
        (row,) = [row for row in listed if row[0].startswith(failing.address)]
        assert row[2] == "Your IT administrator"
        assert row[3] == "24 November 2026, 12:00 UTC"
        assert row[4] == "Not solved"
        assert "2 incidents not solved" in text_of(await dana.open("/console"))
        clock.advance(timedelta(minutes=5))
        await mend(running, harbour, 2)
        assert len(rows(await dana.open("/console/incidents"))) == 1
        (over,) = rows(await dana.open("/console/incidents?show=over"))
        assert over[4] == "Works again24 November 2026, 12:05 UTC"
        page = await dana.open("/console/incidents?show=all")
        assert len(rows(page)) == 2
        assert other.organization.name not in page.text
        assert link(page, failing.address) == f"/console/connections/{failing.id}"


async def test_incidents_are_paged_and_keep_their_filter(
    open_as: OpenAs, running: Services, harbour: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "PAGE_SIZE", 1)
    await running.incidents.note()
    async with open_as(harbour.session) as dana:
        first = await dana.open("/console/incidents?show=all")
        second = await dana.open(link(first, "Next page"))
        assert len(rows(first)) == len(rows(second)) == 1
        assert rows(first) != rows(second)
        assert link(second, "First page") == "/console/incidents?show=all"
        assert "Next page" not in second.text
        assert (await dana.open("/console/incidents?show=sideways")).status_code == 400


async def test_without_incidents_the_page_says_so(
    open_as: OpenAs, harbour: Customer, operator: Secret
) -> None:
    async with open_as(harbour.session) as dana:
        assert "Everything works." in text_of(await dana.open("/console/incidents"))
        assert "No incident fits this filter." in text_of(await dana.open("/console/incidents?show=over"))
        assert "Nothing has stopped working so far." in text_of(
            await dana.open("/console/incidents?show=all")
        )
    async with open_as(operator) as vik:
        assert "Everything works." in text_of(await vik.open("/operator/incidents"))


async def test_an_operator_sees_incidents_of_all_customers_and_an_admin_is_kept_out(
    open_as: OpenAs, running: Services, harbour: Customer, other: Customer, operator: Secret
) -> None:
    await running.incidents.note()
    async with open_as(operator) as vik:
        page = await vik.open("/operator/incidents")
        assert len(rows(page)) == 4
        assert {"Harbour & Vale", "Other Company"} <= set(
            html.fromstring(page.text).xpath("//tbody//td[@data-label='Customer']/a/text()")
        )
    async with open_as(harbour.session) as dana:
        assert (await dana.open("/operator/incidents")).status_code == 403


async def grant(running: Services, customer: Customer, *numbers: int) -> None:
    scopes = tuple(each.name for each in PERMISSIONS[AccessMethod.GRAPH])
    async with running.transactions() as transaction:
        for number in numbers:
            await transaction.connections.save(replace(customer.connections[number], granted_scopes=scopes))


async def test_permissions_nobody_used_for_the_period_are_listed_with_their_last_use(
    open_as: OpenAs, running: Services, harbour: Customer, other: Customer, clock: MovableClock
) -> None:
    await grant(running, harbour, 0)
    await grant(running, other, 0)
    tom = harbour.connections[0]
    await running.permission_usage.note(tom.id, AccessMethod.GRAPH, Part.MAIL)
    clock.advance(timedelta(days=45))
    await running.permission_usage.note(tom.id, AccessMethod.GRAPH, Part.CALENDAR)
    async with open_as(await again(running, harbour)) as dana:
        (row,) = rows(await dana.open("/console/unused-permissions"))
        assert row[0].startswith(tom.address)
        assert "Mail.ReadWrite last used 24 November 2026" in row[1]
        assert "Mail.Send no use on record" in row[1]
        assert "Calendars.ReadWrite" not in row[1]
        sixty = await dana.open("/console/unused-permissions?days=60")
        assert "Nothing is unused" in text_of(sixty)
        assert (await dana.open("/console/unused-permissions?days=31")).status_code == 400


async def test_a_page_of_unused_permissions_looks_on_until_it_finds_some(
    open_as: OpenAs,
    running: Services,
    harbour: Customer,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unused_permissions, "PAGE_SIZE", 1)
    await grant(running, harbour, 0)
    clock.advance(timedelta(days=45))
    async with open_as(await again(running, harbour)) as dana:
        path, seen = "/console/unused-permissions", 0
        page = await dana.open(path)
        assert rows(page)
        while "Next page" in page.text:
            seen += len(rows(page))
            page = await dana.open(link(page, "Next page"))
        assert seen + len(rows(page)) == 1
        assert "There is nothing more." in page.text or rows(page)


async def again(running: Services, customer: Customer) -> Secret:
    """Sign the admin in anew: the session of weeks ago is over."""
    from ostiary.core.access.model import Role
    from ostiary.core.access.sessions import begin_session

    async with running.transactions() as transaction:
        signed_in = await begin_session(
            transaction,
            role=Role.ORGANIZATION_ADMIN,
            subject_id=customer.admin.id,
            name=customer.admin.display_name,
            organization_id=customer.organization.id,
            entropy=running.entropy,
            now=running.clock.now(),
            authenticated_at=None,
            replaces=None,
        )
    return signed_in.secret
