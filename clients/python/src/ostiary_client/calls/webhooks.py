"""Webhook endpoints, and the log of what was sent to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ostiary_client.call import (
    Call,
    Listing,
    body_of,
    create,
    items_of,
    listing,
    nothing,
    number,
    one,
    path_of,
)
from ostiary_client.call import get as read
from ostiary_client.models.changes import ChangeType
from ostiary_client.models.webhooks import (
    Delivery,
    DeliveryDetail,
    DeliveryState,
    IssuedEndpoint,
    WebhookEndpoint,
)
from ostiary_client.operations import D, Noun, listed, operation


class Webhooks(Noun[D]):
    """Addresses of yours that get events. What arrives there, :mod:`ostiary_client.webhooks` verifies."""

    @operation
    def add(
        self,
        url: str,
        *,
        description: str = "",
        organization_id: str | None = None,
        types: Sequence[ChangeType] = (),
        idempotency_key: str | None = None,
    ) -> Call[IssuedEndpoint]:
        """Add an endpoint. Keep its secret, then :meth:`verify` it: no event goes there before.

        Args:
            organization_id: Only this customer's events.
            types: Only these types; empty for all.
        """
        body = {
            "url": url,
            "description": description,
            "organization_id": organization_id,
            "types": list(types),
        }
        path = path_of("webhook-endpoints")
        return create("POST", path, one(IssuedEndpoint), body_of(body), idempotency_key)

    @operation
    def list(self) -> Call[tuple[WebhookEndpoint, ...]]:
        """Return all endpoints, oldest first."""
        return read(path_of("webhook-endpoints"), items_of(WebhookEndpoint))

    @operation
    def get(self, endpoint_id: str) -> Call[WebhookEndpoint]:
        """Return one endpoint."""
        return read(path_of("webhook-endpoints", endpoint_id), one(WebhookEndpoint))

    @operation
    def change(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        description: str | None = None,
        types: Sequence[ChangeType] | None = None,
    ) -> Call[WebhookEndpoint]:
        """Change what is given. Another address has to be verified again."""
        body = {"url": url, "description": description, "types": None if types is None else tuple(types)}
        return Call(
            "PATCH", path_of("webhook-endpoints", endpoint_id), one(WebhookEndpoint), body=body_of(body)
        )

    @operation
    def verify(self, endpoint_id: str) -> Call[WebhookEndpoint]:
        """Have the signed challenge sent; an endpoint that repeats it gets events from now on.

        Raises:
            Conflict: It did not (``endpoint_not_proven``); the text says what it did.
        """
        return Call("POST", path_of("webhook-endpoints", endpoint_id, "verify"), one(WebhookEndpoint))

    @operation
    def disable(self, endpoint_id: str) -> Call[WebhookEndpoint]:
        """Stop sending; events wait until it is verified again."""
        return Call("POST", path_of("webhook-endpoints", endpoint_id, "disable"), one(WebhookEndpoint))

    @operation
    def rotate_secret(self, endpoint_id: str, *, idempotency_key: str | None = None) -> Call[IssuedEndpoint]:
        """Get a new secret. For 24 hours messages carry signatures of both."""
        path = path_of("webhook-endpoints", endpoint_id, "rotate-secret")
        return create("POST", path, one(IssuedEndpoint), None, idempotency_key)

    @operation
    def delete(self, endpoint_id: str) -> Call[None]:
        """Delete an endpoint and what was to go there."""
        return Call("DELETE", path_of("webhook-endpoints", endpoint_id), nothing)

    @operation
    def replay(
        self,
        endpoint_id: str,
        *,
        states: Sequence[DeliveryState] = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Call[int]:
        """Send finished deliveries once more, with the same ids, at most 10,000; return how many."""
        body = {"states": tuple(states), "since": since, "until": until}
        path = path_of("webhook-endpoints", endpoint_id, "replay")
        return Call("POST", path, number("replayed"), body=body_of(body))

    @listed
    def deliveries(
        self,
        *,
        endpoint_id: str | None = None,
        event_id: str | None = None,
        connection_id: str | None = None,
        organization_id: str | None = None,
        state: DeliveryState | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing[Delivery]:
        """List deliveries, newest first."""
        return listing(
            path_of("webhook-deliveries"),
            Delivery,
            endpoint_id=endpoint_id,
            event_id=event_id,
            connection_id=connection_id,
            organization_id=organization_id,
            state=state,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        )

    @operation
    def delivery(self, delivery_id: str) -> Call[DeliveryDetail]:
        """Return one delivery with what was sent, and every attempt."""
        return read(path_of("webhook-deliveries", delivery_id), one(DeliveryDetail))

    @operation
    def replay_delivery(self, delivery_id: str) -> Call[Delivery]:
        """Send a finished delivery once more, with the same id and body."""
        return Call("POST", path_of("webhook-deliveries", delivery_id, "replay"), one(Delivery))
