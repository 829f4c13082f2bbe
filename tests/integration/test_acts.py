"""No act without its record, whoever acts and wherever (SR-72, FG-19)."""

from __future__ import annotations

import httpx
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.sql.tables import metadata
from ostiary.bootstrap import Services
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM

from ..act_watch import BOOK_KEEPING, Unrecorded, watching
from ..conftest import Emulator
from ..kill.people import CarefulBrowser
from .connect_world import Company, make_company

PRIYA = "priya.nair@harbourvale.example"


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    return await make_company(app, client, site, emulator)


async def everything_a_customer_does(company: Company, api: httpx.AsyncClient) -> None:
    """An approval, a connection and its whole life, by pages and by API."""
    browser = CarefulBrowser(company.browser.client, company.browser.site)
    issued = await company.app.consent.links.create(
        organization_id="org_1", asked_by_name="Dana Okafor", actor=SYSTEM
    )
    page = await browser.open(issued.url.reveal())
    page = await browser.press(page, "Connect email and calendar - Graph")
    page = await browser.get_through(page, PRIYA)
    assert page.path.startswith("/admin-consent/done/"), page.url
    vendor_page = await company.go()
    connection = await company.confirm(vendor_page)
    path = f"/v1/connections/{connection.id}"
    for act in ("check", "pause", "resume", "disconnect"):
        answer = await api.post(f"{path}/{act}")
        assert answer.status_code == 200, (act, answer.text)
    await company.app.organizations.take_licences(
        organization_id="org_1", member_ids=[company.tom.id], actor=SYSTEM
    )
    await company.app.organizations.give_licences(
        organization_id="org_1", member_ids=[company.tom.id], actor=SYSTEM
    )
    await company.app.erasure.erase_organization("org_1", actor=SYSTEM)


async def test_each_act_of_a_customers_life_writes_its_record(
    company: Company, app: Services, client: httpx.AsyncClient, migrated_engine: AsyncEngine
) -> None:
    async with watching(migrated_engine) as watch:
        _, key = await app.access.create_api_key(name="tests", permissions=API_PERMISSIONS, actor=SYSTEM)
        client.headers["Authorization"] = f"Bearer {key.reveal()}"
        await everything_a_customer_does(company, client)
        unrecorded, acts = await watch.unrecorded(), await watch.acts()
        print(f"\nFG-19: {len(unrecorded)} kinds of acts without a record, {acts} acts")
        assert unrecorded == [], "\n".join(str(each) for each in unrecorded)
        assert acts >= 12


async def test_the_watch_sees_an_act_without_a_record(database: AsyncEngine) -> None:
    async with watching(database) as watch:
        async with database.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO freezes (scope, target_id, at, by, note) VALUES ('instance', '', now(), 'nobody', '')"
                )
            )
        assert await watch.unrecorded() == [Unrecorded("freezes", "INSERT", 1)]


async def test_what_a_test_sows_is_no_act(company: Company, migrated_engine: AsyncEngine) -> None:
    async with watching(migrated_engine) as watch:
        await company.approve()
        assert await watch.acts() == 0


def test_every_table_of_book_keeping_exists() -> None:
    assert set(BOOK_KEEPING) - set(metadata.tables) == set()
