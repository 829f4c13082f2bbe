"""Members beside what they connected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from ostiary.bootstrap import Services, application
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.settings import Settings

from .console_world import STATUSES, Customer, make_customer


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    async with application(settings, clock=clock) as services:
        yield services


@pytest_asyncio.fixture
async def harbour(running: Services) -> Customer:
    return await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")


@pytest.mark.parametrize(
    ("status", "count"),
    [
        (ConnectionStatus.CONNECTED, 1),
        (ConnectionStatus.NEEDS_SIGN_IN, 1),
        (ConnectionStatus.FAILING, 1),
        (ConnectionStatus.PAUSED, 1),
        # The admin, three people without a connection, and one who disconnected.
        (ConnectionStatus.NOT_CONNECTED, 5),
        (None, 9),
    ],
)
async def test_status_narrows_the_list_and_its_count_alike(
    running: Services, harbour: Customer, status: ConnectionStatus | None, count: int
) -> None:
    await make_customer(running, "other", "Other", "Other Admin")
    own = harbour.organization.id
    async with running.transactions() as transaction:
        page = await transaction.roster.page(organization_id=own, status=status)
        counted = await transaction.roster.count(organization_id=own, status=status)
    assert len(page.items) == counted == count
    assert {entry.member.organization_id for entry in page.items} == {own}
    if status is not None:
        assert {entry.status for entry in page.items} == {status}


async def test_newest_live_connection_counts(running: Services, harbour: Customer) -> None:
    gone = harbour.connections[STATUSES.index(ConnectionStatus.DISCONNECTED)]
    newer = replace(
        gone,
        id=new_id("cnn", running.entropy),
        reference=new_reference(ReferenceKind.CONNECT, running.entropy),
        status=ConnectionStatus.FAILING,
        created_at=gone.created_at + timedelta(days=1),
    )
    async with running.transactions() as transaction:
        await transaction.connections.add(newer)
        page = await transaction.roster.page(
            organization_id=harbour.organization.id, status=ConnectionStatus.FAILING
        )
    assert newer.id in {entry.connection.id for entry in page.items if entry.connection}


async def test_pages_follow_each_other_and_keep_to_the_filters(running: Services, harbour: Customer) -> None:
    own = harbour.organization.id
    seen: list[str] = []
    cursor: str | None = None
    async with running.transactions() as transaction:
        while True:
            page = await transaction.roster.page(
                organization_id=own, licensed=True, search="person", cursor=cursor, limit=3
            )
            seen.extend(entry.member.display_name for entry in page.items)
            cursor = page.next_cursor
            if cursor is None:
                break
    assert seen == [f"Person {number} of hv" for number in range(1, 8)]


async def test_cursor_of_another_customer_is_refused(running: Services, harbour: Customer) -> None:
    other = await make_customer(running, "other", "Other", "Other Admin")
    async with running.transactions() as transaction:
        with pytest.raises(InvalidRequest):
            await transaction.roster.page(organization_id=harbour.organization.id, cursor=other.people[0].id)
