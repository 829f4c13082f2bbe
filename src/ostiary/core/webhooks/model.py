"""Endpoints, deliveries, and when the next attempt is due. Pure, no I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ostiary.core.feed.model import FeedEventType

VERIFY_TYPE: Final = "webhook.verify"
"""Type of the message that asks an endpoint whether it belongs to us (SR-82)."""

PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
    timedelta(hours=20),
    timedelta(hours=28),
    timedelta(hours=36),
)
"""Between one attempt and the next: ten attempts over 94 hours, and no less than 75 with the jitter (SR-80)."""

MOST_ATTEMPTS: Final = len(PAUSES) + 1
JITTER: Final = 0.2
LONGEST_ASKED_PAUSE: Final = timedelta(hours=24)
"""What an endpoint's ``Retry-After`` may ask for."""

DISABLED_AFTER: Final = timedelta(days=5)
"""Of failures without one success."""

FAILING_LONG: Final = timedelta(days=1)
"""An endpoint that failed for longer is the vendor's to look at: a short outage mends itself."""

KEPT_FOR: Final = timedelta(days=30)
"""How long what was delivered can be replayed; dead letters are kept a month longer (SR-81)."""
DEAD_KEPT_FOR: Final = timedelta(days=60)

OLD_SECRET_LIFE: Final = timedelta(hours=24)
"""After a rotation, how long messages are signed with the old secret, too."""

MOST_BODY_BYTES: Final = 20 * 1024
SHOWN_OF_ANSWER: Final = 200
"""Printable characters of an endpoint's answer that are kept (SR-79)."""


class EndpointStatus(StrEnum):
    """Whether an endpoint gets events."""

    UNPROVEN = "unproven"
    """It has not yet answered the signed challenge: no event goes there."""
    ACTIVE = "active"
    DISABLED = "disabled"
    """Events that happen meanwhile wait, and go out once it is enabled."""


class DisabledBecause(StrEnum):
    """Why an endpoint is disabled."""

    BY_HAND = "by_hand"
    GONE = "gone"
    """It answered 410."""
    FAILED = "failed"
    """Five days of failures."""


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """One address of the vendor's that gets events."""

    id: str
    url: str
    description: str
    organization_id: str | None
    """Only this customer's events; None for all."""
    types: tuple[FeedEventType, ...]
    """Only these types; empty for all."""
    status: EndpointStatus
    disabled_because: DisabledBecause | None
    created_at: datetime
    secret_number: int
    """Counts rotations; the secret is derived from it and from a key that is not in the database."""
    old_secret_until: datetime | None
    failing_since: datetime | None
    """Since when no attempt succeeded; None after a success."""

    def has_trouble(self, now: datetime) -> bool:
        """Whether somebody has to look: it was disabled by itself, or has failed for more than a day."""
        if self.status is EndpointStatus.DISABLED:
            return self.disabled_because is not DisabledBecause.BY_HAND
        return self.failing_since is not None and now - self.failing_since > FAILING_LONG


class DeliveryState(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Every attempt failed; it stays to be replayed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint."""

    id: str
    endpoint_id: str
    organization_id: str
    connection_id: str | None
    event_id: str
    """Also the ``webhook-id``: the same over every attempt and replay (SR-77)."""
    type: str
    body: str
    """Exactly what is signed and sent."""
    created_at: datetime
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    last_at: datetime | None = None
    last_status: int | None = None
    last_trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a delivery, as the log shows it."""

    at: datetime
    status: int | None
    """None when there was no answer."""
    milliseconds: int
    trouble: str | None
    """What went wrong, in a sentence; None after a success."""
    answer: str
    """The first printable characters of what came back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered, or why there is no answer."""

    status: int | None
    text: str
    """As far as it was read."""
    retry_after: timedelta | None
    trouble: str | None
    """Why there is no answer; None when there is one."""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Work:
    """A delivery that this sender claimed, with what it needs to send it."""

    delivery: Delivery
    url: str
    secret_number: int
    signs_with_old: bool
    """The old secret is still good: sign with both."""


def delivery_id(endpoint_id: str, event_id: str) -> str:
    """Return the id of the delivery of one event to one endpoint; there is at most one."""
    digest = hashlib.sha256(f"{endpoint_id}\x1f{event_id}".encode()).hexdigest()
    return f"whd_{digest[:32]}"


def next_attempt(attempts: int, *, now: datetime, asked: timedelta | None, chance: float) -> datetime | None:
    """Return when to try again after ``attempts`` failed ones, or None when that was the last.

    Args:
        asked: What the endpoint's ``Retry-After`` asked for.
        chance: Between 0 and 1; spreads retries by a fifth in both directions.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    pause = PAUSES[attempts - 1] * (1 - JITTER + 2 * JITTER * chance)
    if asked is not None:
        pause = max(pause, min(asked, LONGEST_ASKED_PAUSE))
    return now + pause


def printable(text: str) -> str:
    """Return what of an endpoint's answer may be kept and shown."""
    flat = " ".join(text.split())
    return "".join(letter for letter in flat if letter.isprintable())[:SHOWN_OF_ANSWER]
