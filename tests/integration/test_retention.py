"""Leftovers go by age, by a job with a report, and every table is in the inventory (SR-103)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from ostiary.adapters.sql.retention import _FINISHED
from ostiary.adapters.sql.tables import metadata
from ostiary.bootstrap import Services, application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.retention import KEPT_FOR, LATE_AFTER, Leftover
from ostiary.core.kernel.clock import MovableClock
from ostiary.settings import Settings

from .console_world import Customer, make_customer

INVENTORY = Path(__file__).parents[2] / "docs" / "data-inventory.md"


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    async with application(settings, clock=clock) as services:
        yield services


@pytest_asyncio.fixture
async def harbour(running: Services) -> Customer:
    """With one of everything that is finished now."""
    customer = await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")
    now = running.clock.now()
    await running.incidents.note()
    await running.access.create_admin_link(
        organization_id=customer.organization.id, member_id=customer.admin.id, actor=SYSTEM
    )
    await running.connections.sessions.create(
        organization_id=customer.organization.id, member_id=customer.people[6].id, actor=SYSTEM
    )
    async with running.transactions() as transaction:
        await transaction.approval_requests.save(
            replace(customer.request, state=type(customer.request.state).CANCELLED, resolved_at=now)
        )
        session = await transaction.console_sessions.live_of(customer.admin.id, now=now)
        await transaction.console_sessions.end(session[0].id, at=now)
        for connection in customer.connections:
            incident = await transaction.incidents.find_open(connection.id)
            if incident is not None:
                await transaction.incidents.save(replace(incident, closed_at=now))
    return customer


async def left(running: Services, leftover: Leftover) -> int:
    table, _ = _FINISHED[leftover]
    async with running.transactions() as transaction:
        return int(
            await transaction.retention._connection.scalar(select(func.count()).select_from(table)) or 0
        )


@pytest.mark.parametrize("leftover", [each for each in Leftover if each is not Leftover.APPROVAL_ATTEMPTS])
async def test_what_is_finished_is_kept_for_its_time_and_no_longer(
    running: Services, harbour: Customer, clock: MovableClock, leftover: Leftover
) -> None:
    before = await left(running, leftover)
    assert before > 0
    clock.advance(KEPT_FOR[leftover] - timedelta(hours=1))
    await running.retention.enforce()
    assert await left(running, leftover) == before
    # The longest-lived link or session ends a week after it was made.
    clock.advance(timedelta(days=8))
    deleted = await running.retention.enforce()
    assert deleted[leftover] == before
    assert await left(running, leftover) == 0


async def test_nothing_unfinished_ever_goes(running: Services, clock: MovableClock) -> None:
    customer = await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")
    await running.incidents.note()
    clock.advance(timedelta(days=3650))
    await running.retention.enforce()
    assert await left(running, Leftover.INCIDENTS) == 2
    assert await left(running, Leftover.APPROVAL_REQUESTS) == 1
    async with running.transactions() as transaction:
        kept = await transaction.members.count(customer.organization.id)
    assert kept == 9


async def test_each_round_is_on_record_and_the_report_says_when_the_job_does_not_run(
    running: Services, harbour: Customer, clock: MovableClock
) -> None:
    await running.retention.enforce()
    async with running.transactions() as transaction:
        (record,) = (await transaction.audit.page(organization_id=None, what_prefix="retention.")).items
    assert set(record.detail) == {each.value for each in Leftover}
    assert not any(each.is_late for each in await running.retention.report())
    clock.advance(KEPT_FOR[Leftover.SIGN_IN_LINKS] + timedelta(days=7) + LATE_AFTER + timedelta(hours=1))
    late = {each.leftover for each in await running.retention.report() if each.is_late}
    assert Leftover.SIGN_IN_LINKS in late
    assert Leftover.INCIDENTS not in late
    await running.retention.enforce()
    assert not any(each.is_late for each in await running.retention.report())


def test_every_table_is_in_the_inventory() -> None:
    page = INVENTORY.read_text()
    missing = [table.name for table in metadata.sorted_tables if f"`{table.name}`" not in page]
    assert missing == [], "say in docs/data-inventory.md what they hold, for how long, and what ends it"


def test_the_inventory_tells_the_days_the_job_goes_by() -> None:
    page = INVENTORY.read_text()
    for leftover, kept_for in KEPT_FOR.items():
        table, _ = _FINISHED[leftover]
        (line,) = [line for line in page.splitlines() if re.search(rf"`{table.name}`", line)]
        assert f"{kept_for.days} days after" in line, leftover


async def test_the_command_reports_and_fails_when_something_is_late(
    running: Services,
    harbour: Customer,
    clock: MovableClock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ostiary.entrypoints.cli import retention

    lines = await running.retention.report()
    monkeypatch.setattr(retention, "run_with_services", lambda use, as_json: lines)
    printed: list[str] = []
    monkeypatch.setattr(retention, "print_json", lambda document: printed.append(json.dumps(document)))
    retention.report(as_json=True)
    document = json.loads(printed[0])
    assert document["ok"] is True
    assert {each["class"]: each["kept_days"] for each in document["classes"]}["incidents"] == 365
    lines = tuple(replace(each, is_late=True) for each in lines)
    with pytest.raises(retention.typer.Exit):
        retention.report(as_json=True)
