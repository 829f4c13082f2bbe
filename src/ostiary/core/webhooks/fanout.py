"""From the feed to the endpoints: deliveries are written in the transaction that appends their events (RR-4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from ostiary.core.feed.model import FeedEvent
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.webhooks.model import MOST_BODY_BYTES
from ostiary.core.webhooks.ports import Outgoing, WebhookTransaction


class WebhookFanout:
    """Satisfies the feed's ``Fanout``."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    async def enqueue(self, tx: WebhookTransaction, events: Sequence[FeedEvent]) -> None:
        """Write a delivery of each event for each endpoint that wants it."""
        await tx.webhooks.add_deliveries([outgoing(event) for event in events], now=self._clock.now())
        await hit(Failpoint.DELIVERY_QUEUED)


def outgoing(event: FeedEvent) -> Outgoing:
    """Return an event as it goes out: ids, versions and states, no content (SR-77)."""
    return Outgoing(
        event_id=event.id,
        organization_id=event.organization_id,
        connection_id=event.connection_id,
        type=event.type.value,
        body=message_body(
            event.id,
            event.type.value,
            event.occurred_at,
            {
                "organization_id": event.organization_id,
                "connection_id": event.connection_id,
                "sequence": event.sequence,
                **event.data,
            },
        ),
    )


def message_body(message_id: str, kind: str, at: datetime, data: dict[str, object]) -> str:
    """Return a message as JSON: ``id``, ``type``, ``timestamp`` and ``data``, as Standard Webhooks advise.

    Raises:
        ValueError: Larger than any event of ours can be.
    """
    moment = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    body = json.dumps(
        {"id": message_id, "type": kind, "timestamp": moment, "data": data},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    if len(body.encode()) > MOST_BODY_BYTES:
        raise ValueError("a webhook message has at most 20 KB")
    return body
