"""Organizations take turns at being read, however many mailboxes of one are marked (SR-89)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest_asyncio

from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.sync.model import Source

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions
    from ostiary.core.kernel.clock import MovableClock


@pytest_asyncio.fixture
async def marked(transactions: SQLTransactions, clock: MovableClock) -> None:
    """Eight mailboxes of one organization, marked long before the one of another."""
    mailboxes = [(f"con_flood_{number}", "org_flood") for number in range(8)] + [("con_other", "org_other")]
    for connection_id, organization_id in mailboxes:
        async with transactions() as tx:
            await tx.sync.ensure(
                connection_id=connection_id,
                organization_id=organization_id,
                source=Source.MAIL,
                method=AccessMethod.GRAPH,
                backfill_since=None,
                now=clock.now(),
            )
        clock.advance(timedelta(seconds=1))


async def claimed(
    transactions: SQLTransactions, clock: MovableClock, *, limit: int, being_read: Sequence[str] = ()
) -> list[str]:
    now = clock.now()
    async with transactions() as tx:
        claims = await tx.sync.claim(
            holder="prc_1",
            now=now,
            until=now + timedelta(minutes=1),
            limit=limit,
            sweep_before=now,
            being_read=being_read,
        )
    return sorted(claim.connection_id for claim in claims)


async def test_one_of_each_organization_is_read_before_a_second_of_any(
    marked: None, transactions: SQLTransactions, clock: MovableClock
) -> None:
    assert await claimed(transactions, clock, limit=2) == ["con_flood_0", "con_other"]
    # The rest of the flood loses nothing by it.
    assert await claimed(transactions, clock, limit=100) == [f"con_flood_{number}" for number in range(1, 8)]


async def test_the_next_free_turn_goes_to_whoever_has_fewest_under_way(
    marked: None, transactions: SQLTransactions, clock: MovableClock
) -> None:
    assert await claimed(transactions, clock, limit=1) == ["con_flood_0"]
    assert await claimed(transactions, clock, limit=1, being_read=["org_flood"]) == ["con_other"]
    assert await claimed(transactions, clock, limit=1, being_read=["org_other"]) == ["con_flood_1"]
