"""SIGKILL at each step of disconnecting and erasing: only forward, and to the end (RR-8, SR-101, SR-102)."""

from __future__ import annotations

import asyncio
import signal

import httpx
import pytest

from ostiary.core.kernel.failpoints import Failpoint

from .conftest import KILLS, steps
from .oracle import Oracle
from .people import Crowd
from .processes import Served

DISCONNECTING = (
    Failpoint.DISCONNECT_LEFT,
    Failpoint.DISCONNECT_MARKED,
    Failpoint.DISCONNECT_PURGED,
    Failpoint.DISCONNECT_RECEIPT_SENT,
)
ERASING = (
    Failpoint.ERASE_MARKED,
    Failpoint.ERASE_KEYS_SHREDDED,
    Failpoint.ERASE_ROWS_DELETED,
    Failpoint.ERASE_PURGED,
)


async def tokens_of(oracle: Oracle, connection_id: str) -> int:
    return await oracle.value(
        "SELECT (SELECT count(*) FROM refresh_tokens WHERE connection_id = :c)"
        " + (SELECT count(*) FROM access_tokens WHERE connection_id = :c)",
        c=connection_id,
    )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(DISCONNECTING, [Failpoint.DISCONNECT_MARKED]))
async def test_killed_while_disconnecting_it_is_whole_or_not_begun_and_saying_it_again_ends_it(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    for _ in range(KILLS or 1):
        connection_id = await crowd.connected(await crowd.customer(approved=True))
        path = f"/v1/connections/{connection_id}/disconnect"
        served.folder.arm(point)
        if point is Failpoint.DISCONNECT_RECEIPT_SENT:
            assert (await crowd.api.post(path)).status_code == 200
        else:
            with pytest.raises(httpx.TransportError):
                await crowd.api.post(path)
        await served.died()
        await served.start()
        done = point not in {Failpoint.DISCONNECT_LEFT, Failpoint.DISCONNECT_MARKED}
        assert await tokens_of(oracle, connection_id) == (0 if done else 2)
        assert await oracle.audited("connection.disconnected", connection_id) == int(done)
        assert (await crowd.read_mail(connection_id)).status_code == (409 if done else 200)
        receipt = await crowd.api.post(path)
        assert receipt.status_code == 200
        assert await tokens_of(oracle, connection_id) == 0
        assert await oracle.audited("connection.disconnected", connection_id) == 1
        assert (await crowd.read_mail(connection_id)).status_code == 409
    await oracle.require_whole_chain()
    assert oracle.secrets_on_disk() == []


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(ERASING, [Failpoint.ERASE_KEYS_SHREDDED]))
async def test_killed_while_erasing_the_worker_ends_what_was_begun(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle
) -> None:
    for _ in range(KILLS or 1):
        customer = await crowd.customer(approved=True)
        organization_id = customer.organization.id
        connection_id = await crowd.connected(customer)
        served.folder.arm(point)
        code = await served.run("erase", "--org", customer.organization.external_id, "--yes")
        assert code == -signal.SIGKILL, "the command did not come to this step"
        served.folder.disarm()
        # From the first commit on nothing can be opened, whatever is still to do; what another process holds in
        # memory ends with its next look at the freezes, within a minute (SR-50).
        assert await tokens_of(oracle, connection_id) == 0
        async with asyncio.timeout(60):
            while (answer := await crowd.read_mail(connection_id)).status_code == 200:
                await asyncio.sleep(0.2)
        assert answer.status_code in {404, 409}
        if point is not Failpoint.ERASE_PURGED:
            assert await oracle.audited("organization.erased", organization_id) == 0
            # A minute passes; the worker of the serving process takes the job that the first step left.
            await oracle.change(
                "UPDATE procrastinate_jobs SET scheduled_at = now()"
                " WHERE task_name = 'organizations.erase' AND args->>'organization_id' = :o",
                o=organization_id,
            )
        async with asyncio.timeout(60):
            while await oracle.audited("organization.erased", organization_id) == 0:
                await asyncio.sleep(0.1)
        left = await oracle.value(
            "SELECT (SELECT count(*) FROM organizations WHERE id = :o)"
            " + (SELECT count(*) FROM members WHERE organization_id = :o)"
            " + (SELECT count(*) FROM connections WHERE organization_id = :o)"
            " + (SELECT count(*) FROM consents WHERE organization_id = :o)",
            o=organization_id,
        )
        assert left == 0
        assert await oracle.audited("organization.erasing", organization_id) == 1
        assert await oracle.audited("organization.erased", organization_id) == 1
    await oracle.require_whole_chain()
