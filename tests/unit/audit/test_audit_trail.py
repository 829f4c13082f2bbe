"""The audit trail in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.core.audit.model import SYSTEM, Actor, ActorKind
from ostiary.core.audit.service import AuditService
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import InvalidRequest

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

DANA = Actor(ActorKind.PERSON, id="mem_dana", name="Dana Okafor", ip="192.0.2.7", request_id="RQ-1")


@pytest.fixture
def service(transactions: SQLTransactions, clock: MovableClock) -> AuditService:
    return AuditService(transactions=transactions, clock=clock, checkpoint_seed=bytes(32))


async def _fill(transactions: SQLTransactions, count: int, *, organization_id: str | None) -> None:
    async with transactions() as transaction:
        for number in range(count):
            await transaction.audit.record(
                "member.added", f"Person {number}", actor=DANA, organization_id=organization_id
            )


CHANGES = (
    "UPDATE audit_records SET sentence = 'nothing happened'",
    "DELETE FROM audit_records",
    "TRUNCATE audit_records",
)


@pytest.mark.parametrize("statement", CHANGES)
async def test_past_cannot_be_changed_by_the_service(transactions: SQLTransactions, statement: str) -> None:
    await _fill(transactions, 1, organization_id="org_a")
    with pytest.raises(DBAPIError, match=r"only grow|permission denied"):
        async with transactions() as transaction:
            await transaction._connection.execute(text(statement))
    async with transactions() as transaction:
        assert len((await transaction.audit.page(organization_id=None)).items) == 1


@pytest.mark.parametrize("statement", CHANGES)
async def test_past_cannot_be_changed_even_by_the_owner_of_the_table(
    transactions: SQLTransactions, database: AsyncEngine, statement: str
) -> None:
    await _fill(transactions, 1, organization_id="org_a")
    with pytest.raises(DBAPIError, match="only grow"):
        async with database.begin() as owner:
            await owner.execute(text(statement))
    async with database.connect() as owner:
        assert await owner.scalar(text("SELECT count(*) FROM audit_records")) == 1


async def test_record_goes_with_the_act_that_failed(
    transactions: SQLTransactions, service: AuditService
) -> None:
    async def act_and_fail() -> None:
        async with transactions() as transaction:
            await transaction.audit.record("member.added", "x", actor=DANA)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await act_and_fail()
    assert (await service.list_records(organization_id=None)).items == ()


async def test_record_comes_back_whole(
    transactions: SQLTransactions, service: AuditService, clock: MovableClock
) -> None:
    async with transactions() as transaction:
        await transaction.audit.record(
            "consent.verified",
            "Graph approved.",
            actor=DANA,
            outcome="refused",
            organization_id="org_a",
            object_id="ten_1",
            reference="CN-5H2R-9WTB",
            reason="not_admin",
            detail={"how": "token_scope"},
        )
    (record,) = (await service.list_records(organization_id="org_a")).items
    assert record.actor == DANA
    assert record.at == clock.now()
    assert (record.what, record.outcome, record.reason) == ("consent.verified", "refused", "not_admin")
    assert dict(record.detail) == {"how": "token_scope"}


async def test_newest_first_in_pages_without_repeats_or_gaps(
    transactions: SQLTransactions, service: AuditService
) -> None:
    await _fill(transactions, 7, organization_id="org_a")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await service.list_records(organization_id="org_a", cursor=cursor, limit=3)
        seen.extend(record.sentence for record in page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"Person {number}" for number in reversed(range(7))]


async def test_organization_sees_only_its_own_and_no_cursor_leads_elsewhere(
    transactions: SQLTransactions, service: AuditService
) -> None:
    await _fill(transactions, 2, organization_id="org_a")
    await _fill(transactions, 3, organization_id="org_b")
    await _fill(transactions, 1, organization_id=None)
    assert len((await service.list_records(organization_id="org_a")).items) == 2
    everything = (await service.list_records(organization_id=None)).items
    assert len(everything) == 6
    foreign = next(record for record in everything if record.organization_id == "org_b")
    with pytest.raises(InvalidRequest):
        await service.list_records(organization_id="org_a", cursor=foreign.id)


async def test_filters_narrow_the_list(
    transactions: SQLTransactions, service: AuditService, clock: MovableClock
) -> None:
    async with transactions() as transaction:
        await transaction.audit.record("consent.verified", "a", actor=DANA, object_id="ten_1")
        await transaction.audit.record("member.added", "b", actor=SYSTEM, reference="CN-5H2R-9WTB")
        await transaction.audit.record("member.added", "c", actor=DANA, outcome="failed")
    clock.advance(timedelta(hours=1))
    async with transactions() as transaction:
        await transaction.audit.record("api_key.created", "d", actor=SYSTEM)

    async def found(**filters: object) -> str:
        page = await service.list_records(organization_id=None, **filters)  # type: ignore[arg-type]
        return "".join(sorted(record.sentence for record in page.items))

    assert await found(what_prefix="member.") == "bc"
    assert await found(what_prefix="%") == ""
    assert await found(who="dana") == "ac"
    assert await found(reference="CN-5H2R-9WTB") == "b"
    assert await found(outcome="failed") == "c"
    assert await found(object_id="ten_1") == "a"
    assert await found(since=clock.now()) == "d"
    assert await found(until=clock.now()) == "abc"


async def test_trail_is_followed_in_order_from_the_last_seen(
    transactions: SQLTransactions, service: AuditService
) -> None:
    await _fill(transactions, 2, organization_id="org_a")
    last = (await service.list_records(organization_id=None, limit=1)).items[0]
    assert await service.newer_than(last.id, organization_id=None) == ()
    await _fill(transactions, 3, organization_id="org_a")
    newer = await service.newer_than(last.id, organization_id=None)
    assert [record.sentence for record in newer] == ["Person 0", "Person 1", "Person 2"]
    assert len(await service.newer_than(None, organization_id=None)) == 5
    await _fill(transactions, 1, organization_id="org_b")
    (other,) = await service.newer_than(None, organization_id="org_b")
    assert other.organization_id == "org_b"
