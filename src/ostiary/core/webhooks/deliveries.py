"""What was sent, what failed, and sending it once more."""

from __future__ import annotations

from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.page import Page
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.webhooks.model import DEAD_KEPT_FOR, KEPT_FOR, Attempt, Delivery
from ostiary.core.webhooks.ports import DeliveryFilter, WebhookTransaction

TRIM_JOB: Final = "webhooks.trim"
MOST_REPLAYED: Final = 10_000
_TRIM_BATCH: Final = 5_000
_MOST_TRIM_BATCHES: Final = 100


class WebhookDeliveries:
    """Use cases of the delivery log."""

    def __init__(self, *, transactions: Transactions[WebhookTransaction], clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    async def page(
        self, wanted: DeliveryFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]:
        """Return deliveries, newest first. Raises InvalidRequest for a foreign cursor."""
        async with self._transactions() as tx:
            return await tx.webhooks.page(wanted, cursor=cursor, limit=limit)

    async def get(self, delivery_id: str) -> tuple[Delivery, tuple[Attempt, ...]]:
        """Return a delivery and its attempts, oldest first. Raises NotFound."""
        async with self._transactions() as tx:
            return await tx.webhooks.find(delivery_id), await tx.webhooks.attempts(delivery_id)

    async def replay_one(self, delivery_id: str, *, actor: Actor) -> Delivery:
        """Let a delivery go out once more, with the same id and body. One that is on its way stays so.

        Raises:
            NotFound: No such delivery.
        """
        async with self._transactions() as tx:
            delivery = await tx.webhooks.find(delivery_id)
            wanted = DeliveryFilter(endpoint_id=delivery.endpoint_id, event_id=delivery.event_id)
            if await tx.webhooks.replay(wanted, now=self._clock.now(), limit=1):
                await tx.audit.record(
                    "webhook.replayed",
                    "A webhook delivery was sent again.",
                    actor=actor,
                    organization_id=delivery.organization_id,
                    object_id=delivery.id,
                )
            return await tx.webhooks.find(delivery_id)

    async def replay(self, endpoint_id: str, wanted: DeliveryFilter, *, actor: Actor) -> int:
        """Let an endpoint's finished deliveries go out once more, the oldest first; return how many.

        At most :data:`MOST_REPLAYED` at a time: repeat until it returns 0 with a narrower range.

        Raises:
            NotFound: No such endpoint.
            InvalidRequest: The range ends before it begins.
        """
        if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
            raise InvalidRequest("The range ends before it begins.", field="until")
        async with self._transactions() as tx:
            endpoint = await tx.webhooks.get(endpoint_id)
            replayed = await tx.webhooks.replay(wanted, now=self._clock.now(), limit=MOST_REPLAYED)
            if replayed:
                await tx.audit.record(
                    "webhook.replayed",
                    f"{replayed} webhook deliveries were sent again.",
                    actor=actor,
                    organization_id=endpoint.organization_id,
                    object_id=endpoint.id,
                )
        return replayed

    async def trim(self) -> int:
        """Delete finished deliveries after their time; return how many."""
        now, deleted = self._clock.now(), 0
        for _ in range(_MOST_TRIM_BATCHES):
            async with self._transactions() as tx:
                batch = await tx.webhooks.trim(
                    delivered_before=now - KEPT_FOR, dead_before=now - DEAD_KEPT_FOR, limit=_TRIM_BATCH
                )
            deleted += batch
            if batch < _TRIM_BATCH:
                break
        return deleted
