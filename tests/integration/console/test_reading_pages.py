"""How far a mailbox has been read, on the pages of an admin and of an operator."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest_asyncio
from lxml import html

from ostiary.bootstrap import Services
from ostiary.core.connections.model import Connection
from ostiary.core.governor.model import MailboxKey, Urgency
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import Throttled
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.core.kernel.secret import Secret
from ostiary.core.sync.coverage import CoverageHow
from ostiary.core.sync.model import HIERARCHY, Claim, FolderPage, FolderSeen, Source

from ..console_world import Customer
from .conftest import OpenAs


def text_of(answer: httpx.Response) -> str:
    return " ".join(html.fromstring(answer.text).xpath("//main")[0].text_content().split())


@pytest_asyncio.fixture
async def tom(running: Services, harbour: Customer) -> Connection:
    """A connection whose mail begins to be followed."""
    connection = harbour.connections[0]
    with declared(instance_wide(Duty.WORKER)):
        async with running.transactions() as tx:
            await tx.sync.ensure(
                connection_id=connection.id,
                organization_id=connection.organization_id,
                source=Source.MAIL,
                method=connection.method,
                backfill_since=None,
                now=running.clock.now(),
            )
    return connection


async def claimed(running: Services) -> Claim:
    (claim,) = await running.sync.claim(limit=10)
    return claim


async def finish(
    running: Services, clock: MovableClock, claim: Claim, how: CoverageHow, why: str | None
) -> None:
    """A whole round ends well."""
    now = clock.now()
    async with running.transactions() as tx:
        assert await tx.sync.finish(
            claim, next_at=now + timedelta(minutes=1), covered=True, live=True, now=now
        )
        await tx.coverage.extend(
            connection_id=claim.connection_id,
            organization_id=claim.organization_id,
            source=claim.source,
            until=now,
            how=how,
            reason=why,
            begins_at=claim.started_at,
        )


async def test_a_first_reading_is_told_live_and_its_end_draws_the_page_anew(
    open_as: OpenAs,
    running: Services,
    clock: MovableClock,
    harbour: Customer,
    operator: Secret,
    tom: Connection,
) -> None:
    with declared(instance_wide(Duty.WORKER)):
        claim = await claimed(running)
        async with running.transactions() as tx:
            seen = (FolderSeen("inbox", 1_500), FolderSeen("archive", 7))
            page = FolderPage(seen=seen, removed=(), cursor="c1", is_last=True, is_complete=True)
            await tx.sync.keep_tree(claim, page, before=None, seen=())
        async with running.transactions() as tx:
            inbox = next(each for each in await tx.sync.folders(tom.id, Source.MAIL) if each.id == "inbox")
            assert inbox.id != HIERARCHY
            await tx.sync.advance(
                claim,
                inbox,
                cursor="c2",
                is_open=False,
                is_baselined=True,
                round=inbox.round,
                counted=1_500,
                window_end=None,
            )
    clock.advance(timedelta(minutes=1))
    sentence = "Reading the mailbox: 1 of 2 folders, 1,500 messages"
    path = f"/console/connections/{tom.id}"
    operator_path = f"/operator/reference?ref={tom.reference}"
    async with open_as(harbour.session) as dana, open_as(operator) as vik:
        for person, address in ((dana, path), (vik, operator_path)):
            shown = await person.open(address)
            assert sentence in text_of(shown)
            assert "Nothing is missing" not in shown.text
            assert "The first reading isn’t done yet." in shown.text
            page_of = html.fromstring(shown.text)
            (live_from,) = page_of.xpath("//@data-live-from")
            assert page_of.xpath("//a[text()='Refresh']/@href") == [address]
            facts = (await person.open(live_from)).json()
            assert facts["mail"] == sentence
            assert facts["mail_folders"] == 1
            assert not facts["done"]

        clock.advance(timedelta(minutes=2))
        with declared(instance_wide(Duty.WORKER)):
            await finish(running, clock, claim, CoverageHow.INITIAL, None)
        assert (await dana.open(f"{path}/reading?shown=f")).json() == {"reload": True}
        shown = await dana.open(path)
        assert "Read up to" in text_of(shown)
        assert "Nothing is missing between" in text_of(shown)
        assert not html.fromstring(shown.text).xpath("//@data-live-from")


async def test_what_was_compared_and_what_cannot_be_read_is_listed_with_its_reason(
    open_as: OpenAs, running: Services, clock: MovableClock, harbour: Customer, tom: Connection
) -> None:
    with declared(instance_wide(Duty.WORKER)):
        await finish(running, clock, await claimed(running), CoverageHow.INITIAL, None)
        clock.advance(timedelta(minutes=10))
        claim = await claimed(running)
        await finish(running, clock, claim, CoverageHow.RECONCILED, "cursor_expired")
        clock.advance(timedelta(minutes=5))
        claim = await claimed(running)
        async with running.transactions() as tx:
            await tx.sync.postpone(
                claim, next_at=clock.now() + timedelta(hours=1), reason="sign_in_needed", failures=1
            )
    async with open_as(harbour.session) as dana:
        shown = text_of(await dana.open(f"/console/connections/{tom.id}"))
    assert "Nothing is missing between" not in shown
    assert "Read again and compared." in shown
    assert "Please sign in again. It can’t be read at the moment." in shown


async def test_a_mailbox_that_rests_is_said_to_catch_up(
    open_as: OpenAs, running: Services, harbour: Customer, operator: Secret, tom: Connection
) -> None:
    key = MailboxKey(tom.method, tom.tenant_id, tom.object_id)
    path = f"/console/connections/{tom.id}"
    async with open_as(harbour.session) as dana, open_as(operator) as vik:
        assert "Catching up" not in (await dana.open(path)).text
        try:
            async with running.governor.turn(key, Urgency.BACKGROUND):
                raise Throttled("later", retry_after_seconds=120)
        except Throttled:
            pass
        for shown in (await dana.open(path), await vik.open(f"/operator/reference?ref={tom.reference}")):
            assert "Catching up" in text_of(shown)
            assert "Microsoft asked us to slow down." in text_of(shown)
        assert (await dana.open(f"{path}/reading?shown=f")).json() == {"reload": True}


async def test_what_was_left_out_is_said_with_its_reason(
    open_as: OpenAs, running: Services, harbour: Customer, operator: Secret
) -> None:
    connection = replace(harbour.connections[0], calendar=False, left_out_reason="missing_permission")
    with declared(instance_wide(Duty.WORKER)):
        async with running.transactions() as tx:
            await tx.connections.save(connection)
    async with open_as(harbour.session) as dana, open_as(operator) as vik:
        for shown in (
            await dana.open(f"/console/connections/{connection.id}"),
            await vik.open(f"/operator/reference?ref={connection.reference}"),
        ):
            assert "Email is connected. Calendar isn’t:" in text_of(shown)


async def test_reading_of_another_organization_looks_like_none(
    open_as: OpenAs, harbour: Customer, other: Customer, operator: Secret
) -> None:
    async with open_as(harbour.session) as dana, open_as(operator) as vik:
        foreign = await dana.open(f"/console/connections/{other.connections[0].id}/reading")
        assert foreign.status_code == 404
        assert (await vik.open("/operator/reading?ref=CO-0000-0000")).status_code == 404
