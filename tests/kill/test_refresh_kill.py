"""SIGKILL at each step of a token refresh: one version, which works; the lease ends by itself (RR-8, SR-46, SR-48)."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import httpx
import pytest

from ostiary.core.connections.tokens import LEASE_LIFE
from ostiary.core.kernel.failpoints import Failpoint

from .conftest import KILLS, steps
from .oracle import Oracle
from .people import Crowd
from .processes import Served

BEFORE_REQUEST = (Failpoint.REFRESH_LEASE_TAKEN,)
BEFORE_STORED = (
    Failpoint.TOKEN_REQUEST_SENT,
    Failpoint.TOKEN_RESPONSE_READ,
    Failpoint.REFRESH_RESPONSE_IN_MEMORY,
)
STORED = (Failpoint.REFRESH_STORED, Failpoint.REFRESH_LEASE_RELEASED)
SAMPLE = (Failpoint.REFRESH_RESPONSE_IN_MEMORY, Failpoint.REFRESH_STORED)


async def refresh_and_die(
    point: Failpoint, connection_id: str, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    """Take away the access token, as if it had expired, ask for mail, and let the process die on the way."""
    await oracle.change("DELETE FROM access_tokens WHERE connection_id = :c", c=connection_id)
    served.folder.arm(point)
    with pytest.raises(httpx.TransportError):
        await crowd.read_mail(connection_id)
    await served.died()
    await served.start()


async def lease_seconds_left(oracle: Oracle, connection_id: str) -> float:
    return await oracle.value(
        "SELECT extract(epoch FROM held_until - now())::float FROM refresh_leases WHERE connection_id = :c",
        c=connection_id,
    )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps((*BEFORE_REQUEST, *BEFORE_STORED, *STORED), SAMPLE))
async def test_killed_while_refreshing_one_version_works_and_the_lease_ends(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    customer = await crowd.customer(approved=True)
    connection_id = await crowd.connected(customer)
    version = "SELECT version FROM refresh_tokens WHERE connection_id = :c"
    # The connecting process still holds the token of the sign-in.
    await served.kill()
    await served.start()
    for _ in range(KILLS or 1):
        before = await oracle.value(version, c=connection_id)
        asked = oracle.tap.refreshes[customer.tenant_id]
        await refresh_and_die(point, connection_id, crowd, served, oracle)
        # One expiry, one request; none where it died before.
        assert oracle.tap.refreshes[customer.tenant_id] - asked == int(point not in BEFORE_REQUEST)
        # The old token stays until the newer one is stored.
        assert await oracle.value(version, c=connection_id) == before + int(point in STORED)
        left = await lease_seconds_left(oracle, connection_id)
        assert left <= (0 if point is Failpoint.REFRESH_LEASE_RELEASED else LEASE_LIFE.total_seconds())
        if point in STORED:
            # What was stored is used; nobody has to wait for the dead process's lease.
            assert (await crowd.read_mail(connection_id)).status_code == 200
            assert oracle.tap.refreshes[customer.tenant_id] - asked == 1
            # That process holds the token now; the next expiry needs one that does not.
            await served.kill()
            await served.start()
        # Microsoft saw no refresh that is not on record: it was durable before the token was opened.
        opened = await oracle.value(
            "SELECT count(*) FROM audit_records WHERE what = 'vault.opened' AND object_id = :c"
            " AND detail->>'kind' = 'refresh_token'",
            c=connection_id,
        )
        assert opened >= oracle.tap.refreshes[customer.tenant_id]
        await oracle.require_one_working_version(connection_id)
    assert max(oracle.tap.refresh_tokens_used.values()) <= 2, "a token was tried again after one crash, once"
    await oracle.require_whole_chain()
    assert oracle.secrets_on_disk() == []


@pytest.mark.kill
@pytest.mark.skipif("KILLS" not in os.environ, reason="waits out a lease: `make test-kill`")
@pytest.mark.timeout(600)
async def test_a_lease_of_a_killed_process_holds_up_nobody_beyond_its_life(
    crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    """The same with real time: the mailbox is readable again as soon as the lease has run out."""
    connection_id = await crowd.connected(await crowd.customer(approved=True))
    await served.kill()
    await served.start()
    await refresh_and_die(Failpoint.REFRESH_RESPONSE_IN_MEMORY, connection_id, crowd, served, oracle)
    left = await lease_seconds_left(oracle, connection_id)
    answers: list[int] = []
    async with asyncio.timeout(left + timedelta(seconds=60).total_seconds()):
        while not answers or answers[-1] != 200:
            answers.append((await crowd.read_mail(connection_id)).status_code)
    assert set(answers) <= {200, 503}
