"""Webhook endpoints and the log of deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ostiary_client.models.changes import ChangeType

EndpointStatus = Literal["unproven", "active", "disabled"]
DeliveryState = Literal["pending", "delivered", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """An address that gets events."""

    id: str
    url: str
    description: str
    organization_id: str | None
    """Only this customer's events; None for all."""
    types: tuple[ChangeType, ...]
    """Only these types; empty for all."""
    status: EndpointStatus
    disabled_because: Literal["by_hand", "gone", "failed"] | None
    created_at: datetime
    old_secret_until: datetime | None
    failing_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedEndpoint:
    """An endpoint and its signing secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint."""

    id: str
    endpoint_id: str
    organization_id: str
    connection_id: str | None
    event_id: str
    """The ``webhook-id``: the same over every attempt and replay."""
    type: str
    created_at: datetime
    state: DeliveryState
    """``dead``: all attempts failed; it can be replayed for 60 days."""
    attempts: int
    next_at: datetime | None
    last_at: datetime | None
    last_status: int | None
    last_trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a delivery."""

    at: datetime
    status: int | None
    milliseconds: int
    trouble: str | None
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDetail(Delivery):
    """A delivery with what was sent and every attempt."""

    body: str
    attempts_made: tuple[Attempt, ...]
