"""What the service does by the clock is on record, too: every periodic job, over a year (SR-72, FG-19)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.errors import OstiaryError
from ostiary.entrypoints.worker import jobs

from ..act_watch import watching
from ..conftest import Emulator
from .connect_world import Company, make_company

DISTANCES = (
    timedelta(0),
    timedelta(minutes=6),
    timedelta(hours=2),
    timedelta(days=8),
    timedelta(days=31),
    timedelta(days=400),
)
"""From each round to the next: what is short-lived ends, is reminded of, is retired, and is forgotten at last."""


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    made = await make_company(app, client, site, emulator)
    await made.approve()
    return made


async def some_life(company: Company) -> None:
    """A sign-in that nobody confirms, a connection that works, a link nobody opens, a licence taken away."""
    app = company.app
    await company.go()
    await company.confirm(await company.go())
    await app.consent.links.create(organization_id="org_1", asked_by_name="Dana Okafor", actor=SYSTEM)
    await app.access.create_operator_link(name="Sam", actor=SYSTEM)
    await app.organizations.take_licences(organization_id="org_1", member_ids=["mem_2"], actor=SYSTEM)


async def test_each_job_by_the_clock_writes_its_record(
    company: Company, app: Services, migrated_engine: AsyncEngine, move_time: Callable[[timedelta], None]
) -> None:
    await some_life(company)
    periodic = [job for job in jobs.JOBS if job.cron is not None]
    async with watching(migrated_engine) as watch:
        for distance in DISTANCES:
            move_time(distance)
            for job in periodic:
                try:
                    await job.run(app, {})
                except OstiaryError:
                    # Nobody answers at the vendor's endpoint, for example; what was written until then counts.
                    continue
        unrecorded, acts = await watch.unrecorded(), await watch.acts()
        print(
            f"\nFG-19: {len(unrecorded)} kinds of acts without a record, {acts} acts of {len(periodic)} jobs"
        )
        assert unrecorded == [], "\n".join(str(each) for each in unrecorded)
        assert acts >= 3
