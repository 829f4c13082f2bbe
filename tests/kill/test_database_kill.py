"""PostgreSQL dies by SIGKILL at random moments of each flow: whole or not at all, and everything recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import httpx
import pytest
import pytest_asyncio

from ostiary.adapters.sql.embedded import EmbeddedServer

from .conftest import KILLS
from .database import DatabaseProcess
from .oracle import Oracle
from .people import Crowd, Customer
from .processes import Served
from .test_consent_kill import NOTHING, WHOLE, what_is_bound
from .test_disconnect_kill import tokens_of

CYCLES = KILLS or 1
LONGEST_FLOW_SECONDS = 0.8
RECOVERY_SECONDS = 30
"""What RR-9 allows after the cause has ended."""


@pytest.fixture(scope="module")
def chance() -> random.Random:
    return random.Random(8)


@pytest.fixture(scope="module")
def database_process(own_database: EmbeddedServer, chance: random.Random) -> DatabaseProcess:
    return DatabaseProcess(own_database, chance=chance)


Strike = Callable[[Awaitable[object]], Awaitable[None]]


@pytest_asyncio.fixture
async def strike(
    database_process: DatabaseProcess, chance: random.Random, served: Served, oracle: Oracle
) -> Strike:
    async def during(doing: Awaitable[object]) -> None:
        """Kill the database while something is done, however that ends, and wait until all serve again."""

        async def whatever() -> None:
            # What people and the vendor's server see of it: an error page, an error, or nothing at all.
            with contextlib.suppress(AssertionError, httpx.HTTPError, KeyError):
                await doing

        under_way = asyncio.create_task(whatever())
        await asyncio.sleep(chance.uniform(0, LONGEST_FLOW_SECONDS))
        await database_process.kill()
        await under_way
        async with asyncio.timeout(RECOVERY_SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while await served.status(client) != 200:
                await asyncio.sleep(0.05)
        # The judge's own connections died, too.
        await oracle.engine.dispose()

    return during


@pytest.mark.timeout(3600)
async def test_an_approval_is_bound_whole_or_not_at_all(crowd: Crowd, oracle: Oracle, strike: Strike) -> None:
    for _ in range(CYCLES):
        customer = await crowd.customer()
        browser, link = crowd.browser(), await crowd.approval_link(customer)
        await strike(crowd.go_and_approve(browser, link, customer))
        bound = await what_is_bound(oracle, customer)
        assert bound in {NOTHING, WHOLE}
        if bound == NOTHING:
            page = await crowd.go_and_approve(browser, link, customer)
            assert page.path.startswith("/admin-consent/done/"), page.url
        assert await what_is_bound(oracle, customer) == WHOLE
    oracle.require_no_code_twice()
    await oracle.require_whole_chain()


async def connect_whole(crowd: Crowd, customer: Customer) -> None:
    _, link = await crowd.connect_link(customer)
    await crowd.confirm(await crowd.go_and_connect(crowd.browser(), link, customer))


@pytest.mark.timeout(3600)
async def test_a_connection_is_confirmed_whole_or_not_at_all(
    crowd: Crowd, oracle: Oracle, strike: Strike
) -> None:
    live = "SELECT id FROM connections WHERE member_id = :m AND status = 'connected'"
    for _ in range(CYCLES):
        customer = await crowd.customer(approved=True)
        await strike(connect_whole(crowd, customer))
        for row in await oracle.rows(
            "SELECT id, status FROM connections WHERE member_id = :m", m=customer.member.id
        ):
            usable = (await crowd.read_mail(row["id"])).status_code == 200
            assert usable == (row["status"] == "connected")
            assert await oracle.audited("connect.signed_in", row["id"]) == 1
            assert await oracle.audited("connection.connected", row["id"]) == int(usable)
        if not await oracle.rows(live, m=customer.member.id):
            await connect_whole(crowd, customer)
        (connected,) = await oracle.rows(live, m=customer.member.id)
        await oracle.require_one_working_version(connected["id"])
    oracle.require_no_code_twice()
    await oracle.require_whole_chain()
    assert oracle.secrets_on_disk() == []


@pytest.mark.timeout(3600)
async def test_a_refresh_loses_no_grant(crowd: Crowd, oracle: Oracle, served: Served, strike: Strike) -> None:
    connection_id = await crowd.connected(await crowd.customer(approved=True))
    for _ in range(CYCLES):
        # A new process holds no token, so that asking for mail means refreshing.
        await served.kill()
        await served.start()
        await oracle.change("DELETE FROM access_tokens WHERE connection_id = :c", c=connection_id)
        await strike(crowd.read_mail(connection_id))
        await oracle.require_one_working_version(connection_id)
    await oracle.require_whole_chain()
    assert oracle.secrets_on_disk() == []


@pytest.mark.timeout(3600)
async def test_a_disconnect_is_whole_or_not_begun(crowd: Crowd, oracle: Oracle, strike: Strike) -> None:
    for _ in range(CYCLES):
        connection_id = await crowd.connected(await crowd.customer(approved=True))
        path = f"/v1/connections/{connection_id}/disconnect"
        await strike(crowd.api.post(path))
        state = (
            await tokens_of(oracle, connection_id),
            await oracle.audited("connection.disconnected", connection_id),
        )
        assert state in {(2, 0), (0, 1)}
        assert (await crowd.api.post(path)).status_code == 200
        assert await tokens_of(oracle, connection_id) == 0
        assert await oracle.audited("connection.disconnected", connection_id) == 1
    await oracle.require_whole_chain()
