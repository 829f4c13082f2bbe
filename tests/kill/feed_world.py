"""A mailbox that is followed by a process of its own, which is killed; and the judge of what is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.failpoints import Failpoint
from ostiary.core.sync.keeping import AUDIT_JOB, KEEP_JOB

from ..faults.following import Followed
from ..faults.oracle import Mailbox
from ..faults.oracle import Oracle as FeedOracle
from ..faults.receiver import Receiver
from .people import Crowd
from .processes import Served

CONVERGING_SECONDS = 60
LISTED = 230
"""Messages of the inbox: more than one page holds."""


@dataclass
class FeedWorld:
    """What the kill tests of the feed share."""

    crowd: Crowd
    served: Served
    receiver: Receiver
    oracle: FeedOracle
    endpoint_id: str
    followed: Followed
    copies_before: int = 0

    @property
    def connection_id(self) -> str:
        return self.followed.connection_id

    async def until(self, done: Callable[[], Awaitable[Any]], *, seconds: float = CONVERGING_SECONDS) -> None:
        async with asyncio.timeout(seconds):
            while not await done():
                await asyncio.sleep(0.1)

    async def killed_at(self, point: Failpoint, doing: Awaitable[object]) -> None:
        """Have the process die at a step while something is done that leads there, and start it again."""
        self.served.folder.arm(point)
        await doing
        await self.served.died()
        await self.served.start()

    async def let_leases_pass(self) -> None:
        """Time passes for what was put off. What a dead process held is free without that."""
        await self.until(self._is_free)
        # Postponed because the database was away, or because another process had the mailbox.
        await self.oracle.change(
            "UPDATE sync_states SET not_before = NULL, due_at = now(), subscribe_tried_at = NULL"
            " WHERE failures > 0 OR subscribe_tried_at IS NOT NULL"
        )
        await self.oracle.change(
            "UPDATE webhook_deliveries SET next_at = now() WHERE state = 'pending' AND claimed_by IS NULL"
        )
        await self.oracle.change("SELECT pg_notify('ostiary_feed', 'webhooks')")
        await self.oracle.change(
            "UPDATE graph_subscriptions SET created_at = created_at - interval '6 minutes'"
            " WHERE state = 'creating'"
        )

    async def job(self, name: str) -> None:
        """Have a worker do what it does by the clock."""
        async with self.crowd.services.transactions() as tx:
            await tx.jobs.enqueue(name, {})

    async def require_whole(self) -> None:
        """Wait until everything is known, told and taken; then ask the oracle for the rest."""
        await self.let_leases_pass()
        try:
            await self.until(self._is_known)
        except TimeoutError:
            # Says what is missing, and where the reading stands.
            await self.oracle.require_known(self.connection_id, self.followed.mailbox)
            raise AssertionError(self.served.log_file.read_text()[-3000:]) from None
        try:
            await self.until(self._is_taken)
        except TimeoutError:
            waiting = await self.oracle.rows("SELECT * FROM webhook_deliveries WHERE state = 'pending'")
            raise AssertionError(
                f"not taken: {waiting}\n{self.served.log_file.read_text()[-3000:]}"
            ) from None
        await self.oracle.require_known(self.connection_id, self.followed.mailbox)
        await self.oracle.require_told(self.connection_id, self.followed.mailbox, self.followed.written)
        await self.oracle.require_delivered("/hook", self.endpoint_id)
        status, ours, stored = await self.oracle.grant(self.connection_id)
        assert (status, ours) == ("connected", stored)

    async def require_few_copies(self, kills: int) -> None:
        """At most one copy too many of any message for each kill."""
        most = max((len(copies) for copies in self.receiver.bodies["/hook"].values()), default=1)
        assert most <= 1 + kills

    async def require_subscribed_once(self) -> None:
        """After a sweep: one subscription for each source here, just those at Microsoft, and no orphan."""
        await self.let_leases_pass()
        await self.job(KEEP_JOB)
        await self.until(self._is_subscribed)
        await self.oracle.change("UPDATE sync_states SET subscriptions_audited_at = NULL")
        await self.job(AUDIT_JOB)
        await self.until(self._has_no_orphan)

    async def ours(self) -> list[dict[str, Any]]:
        return await self.oracle.rows(
            "SELECT microsoft_id, source, state FROM graph_subscriptions WHERE connection_id = :c",
            c=self.connection_id,
        )

    def theirs(self) -> list[dict[str, Any]]:
        """What Microsoft has; each of our customers has a mailbox of its own, so the address tells whose it is."""
        return list(self.crowd.emulator.control("GET", "/subscriptions")["graph"])

    async def send_lifecycle(self, event: str) -> None:
        """Have Microsoft say something about the mail subscription."""
        (mail,) = [each for each in await self.ours() if each["source"] == "mail"]
        await asyncio.to_thread(
            self.crowd.emulator.control,
            "POST",
            f"/subscriptions/{mail['microsoft_id']}/lifecycle",
            {"event": event},
        )

    async def _is_known(self) -> bool:
        if await self.oracle.value(
            "SELECT count(*) FROM sync_states WHERE connection_id = :c AND"
            " (mark > done_mark OR lease_holder IS NOT NULL OR stage <> 'live')",
            c=self.connection_id,
        ):
            return False
        known = await self.oracle.projection(self.connection_id, "mail")
        return known == await self.followed.mailbox.messages()

    async def _is_free(self) -> bool:
        """Nothing is claimed but by the process that lives."""
        return (
            await self.oracle.value(
                "SELECT count(*) FROM (SELECT lease_holder FROM sync_states UNION"
                " SELECT claimed_by FROM webhook_deliveries WHERE state = 'pending') AS by (process)"
                " WHERE process <> (SELECT id FROM processes ORDER BY started_at DESC LIMIT 1)"
            )
            == 0
        )

    async def _is_taken(self) -> bool:
        return not await self.oracle.value(
            "SELECT count(*) FROM webhook_deliveries WHERE state = 'pending' AND endpoint_id = :e",
            e=self.endpoint_id,
        )

    async def _is_subscribed(self) -> bool:
        found = await self.ours()
        return len(found) == 2 and all(each["state"] == "live" for each in found)

    async def _has_no_orphan(self) -> bool:
        known = {
            row["microsoft_id"]
            for row in await self.oracle.rows("SELECT microsoft_id FROM graph_subscriptions")
        }
        return {each["id"] for each in self.theirs()} == known


async def make_feed_world(crowd: Crowd, served: Served, receiver: Receiver, oracle: FeedOracle) -> FeedWorld:
    """A connected person whose mailbox is read and subscribed to."""
    customer = await crowd.customer(approved=True)
    mailbox = Mailbox(crowd.client, crowd.emulator.url, customer.person, tenant_id=customer.tenant_id)
    await fill(mailbox, LISTED)
    connection_id = await crowd.connected(customer)
    world = FeedWorld(
        crowd,
        served,
        receiver,
        oracle,
        "",
        Followed(customer, connection_id, mailbox, random.Random(5)),
    )
    await world.until(world._is_subscribed)
    await world.until(world._is_known)
    # Only now: a first reading tells of hundreds of messages, and nobody has to be told of them here.
    endpoints = crowd.services.webhooks.endpoints
    issued = await endpoints.add(f"{receiver.url}/hook", actor=SYSTEM)
    await endpoints.prove(issued.endpoint.id, actor=SYSTEM)
    world.endpoint_id = issued.endpoint.id
    return world


async def fill(mailbox: Mailbox, count: int) -> None:
    """Write many messages into the inbox, twenty in one call."""
    for start in range(0, count, 20):
        requests = [
            {
                "id": str(number),
                "method": "POST",
                "url": "/me/mailFolders/inbox/messages",
                "headers": {"Content-Type": "application/json"},
                "body": {"subject": f"listed {start + number}"},
            }
            for number in range(min(20, count - start))
        ]
        await mailbox.ask("POST", f"{mailbox.url}/v1.0/$batch", {"requests": requests})
