"""The weekly mail to organization admins (UX §8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.bootstrap import Services, application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.digest import Digest, write_digest
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.notices.model import Correspondent, Link, Notice, NoticeKind, Vendor
from ostiary.settings import Settings

from ..console_world import Customer, make_customer
from .conftest import OpenAs

VENDOR = Vendor(
    "Larkspur",
    "help@larkspur.example",
    "Larkspur Software Ltd",
    True,
    "https://c.example",
    {},
    console_url="https://console.example",
)


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    """Mail is on; nobody takes it, so that the outbox can be looked at."""
    with_mail = settings.model_copy(
        update={"smtp_url": SecretStr("smtp://127.0.0.1:9"), "mail_from": "no-reply@larkspur.example"}
    )
    async with application(with_mail, clock=clock) as services:
        yield services


async def mails(database: AsyncEngine) -> list[tuple[str, dict[str, str]]]:
    async with database.connect() as sql:
        rows = await sql.execute(
            text("SELECT to_address, facts FROM notices WHERE kind = 'weekly_digest' ORDER BY created_at, id")
        )
        return [(address, dict(facts)) for address, facts in rows]


async def quieten(running: Services, customer: Customer) -> None:
    """Let every connection work."""
    async with running.transactions() as transaction:
        for each in customer.connections:
            current = await transaction.connections.get(each.id, for_update=True)
            await transaction.connections.save(
                replace(current, status=ConnectionStatus.CONNECTED, reason=None)
            )


async def test_admins_hear_once_a_week_what_needs_them(
    running: Services, harbour: Customer, database: AsyncEngine, clock: MovableClock
) -> None:
    assert await running.weekly_digest.send() == 1
    assert await running.weekly_digest.send() == 0
    ((address, facts),) = await mails(database)
    assert address == harbour.admin.email
    assert (facts["organization"], facts["failing"], facts["needs_sign_in"]) == ("Harbour & Vale", "1", "1")
    clock.advance(timedelta(days=7))
    assert await running.weekly_digest.send() == 1


async def test_nothing_is_sent_when_there_is_nothing_to_say(
    running: Services, harbour: Customer, database: AsyncEngine
) -> None:
    await quieten(running, harbour)
    assert await running.weekly_digest.send() == 0
    assert await mails(database) == []


@pytest.mark.parametrize(
    ("digest", "is_worth_a_mail"),
    [
        (Digest(), False),
        (Digest(licences_left=3), False),
        (Digest(failing=1), True),
        (Digest(needs_sign_in=1), True),
        (Digest(waiting=1), True),
        (Digest(without_licence=1), True),
        (Digest(licences_left=0), True),
        (Digest(unused=1), True),
    ],
)
def test_what_is_worth_a_mail(digest: Digest, is_worth_a_mail: bool) -> None:
    assert digest.says_something is is_worth_a_mail


async def test_one_switch_in_the_settings_stops_it_and_starts_it_again(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    other = await make_customer(running, "other-company", "Other Company", "Other Admin")
    async with open_as(harbour.session) as dana:
        assert "Stop the weekly mail" in (await dana.open("/console/settings")).text
        assert (await dana.send("/console/settings/digest")).status_code == 303
        assert "It is switched off." in (await dana.open("/console/settings")).text
        assert await running.weekly_digest.send() == 1  # the other customer's
        await dana.send("/console/settings/digest", {"digest": "true"})
        assert await running.weekly_digest.send() == 1
    kept = await running.organizations.get(other.organization.id)
    assert kept.weekly_digest


async def test_without_a_mail_server_nothing_is_written_and_the_settings_do_not_speak_of_it(
    settings: Settings, clock: MovableClock, database: AsyncEngine
) -> None:
    async with application(settings, clock=clock) as services:
        await make_customer(services, "hv", "Harbour & Vale", "Dana Okafor")
        assert await services.weekly_digest.send() == 0
    assert await mails(database) == []


def test_the_mail_says_each_thing_once_with_the_page_to_go_to(clock: MovableClock) -> None:
    facts = {
        "organization": "Harbour & Vale",
        "failing": "2",
        "needs_sign_in": "1",
        "waiting": "0",
        "without_licence": "1",
        "unused": "4",
        "licences_left": "0",
    }
    notice = Notice("ntc_1", NoticeKind.WEEKLY_DIGEST, Correspondent("d@hv.example", "Dana"), clock.now())
    message = write_digest(replace(notice, facts=facts), VENDOR, None)
    assert message.subject == "3 connections need you"
    shown = [each.url.reveal() if isinstance(each, Link) else each.words for each in message.paragraphs]
    assert [each for each in shown if each.startswith("https://")] == [
        "https://console.example/console/incidents",
        "https://console.example/console/members",
        "https://console.example/console/unused-permissions?days=90",
        "https://console.example/console/settings#digest",
    ]
    said = "\n".join(shown)
    assert "2 × can’t be reached" in said
    assert "0 ×" not in said
    assert "All licences are given out." in said
    quiet = {**facts, "failing": "0", "needs_sign_in": "0"}
    assert write_digest(replace(notice, facts=quiet), VENDOR, None).subject == (
        "Licences and permissions at Harbour & Vale"
    )
    one = {**quiet, "failing": "1"}
    assert write_digest(replace(notice, facts=one), VENDOR, None).subject == "1 connection needs you"


async def test_what_the_job_counts(running: Services, harbour: Customer) -> None:
    digest = await running.weekly_digest.read(harbour.organization.id)
    assert (digest.failing, digest.needs_sign_in, digest.waiting, digest.without_licence) == (1, 1, 0, 0)
    assert digest.licences_left is None
    await running.organizations.take_licences(
        [harbour.people[0].id], organization_id=harbour.organization.id, actor=SYSTEM
    )
    await running.connections.pause(
        harbour.connections[0].id,
        organization_id=harbour.organization.id,
        actor=SYSTEM,
        reason="no_licence",
    )
    assert (await running.weekly_digest.read(harbour.organization.id)).without_licence == 1
