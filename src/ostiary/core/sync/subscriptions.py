"""Graph's subscriptions: what makes Microsoft tell us when to read. Pure rules and the ports they need.

Each has its own unguessable path and a random client state of which only a hash is kept (SR-83).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.secret import Secret
from ostiary.core.sync.model import Source

LIFE: Final = timedelta(days=6, hours=23)
"""Just under Microsoft's longest, 10,080 minutes (graph.md §8), so that a clock that differs does not matter."""

CREATING_LIFE: Final = timedelta(minutes=5)
"""A creation that is not saved after this long died with its process."""

PATH: Final = "/notifications/graph"
CLIENT_STATE_BYTES: Final = 32
_JITTER: Final = 0.1


class SubscriptionState(StrEnum):
    """How far one subscription has come."""

    CREATING = "creating"
    """Microsoft is being asked; its handshakes are answered."""
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One registration at Microsoft for one source of one connection."""

    id: str
    connection_id: str
    organization_id: str
    tenant_id: str
    source: Source
    client_state_hash: bytes
    state: SubscriptionState
    created_at: datetime
    microsoft_id: str | None = None
    expires_at: datetime | None = None
    """As Microsoft's answer says: only that counts (SR-88)."""
    renew_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source that should be subscribed to."""

    connection_id: str
    organization_id: str
    tenant_id: str
    source: Source


@dataclass(frozen=True, slots=True)
class RemoteSubscription:
    """A subscription as Microsoft lists it."""

    microsoft_id: str
    notification_url: str
    expires_at: datetime


RESOURCES: Final = {Source.MAIL: "me/messages", Source.CALENDAR: "me/events"}


class SubscriptionGateway(Protocol):
    """Asks Graph for subscriptions. Raises what :class:`ChangeSource` raises."""

    async def create(
        self,
        mailbox: MailboxAccess,
        *,
        source: Source,
        url: str,
        client_state: Secret,
        expires_at: datetime,
    ) -> RemoteSubscription: ...

    async def renew(
        self, mailbox: MailboxAccess, microsoft_id: str, *, expires_at: datetime
    ) -> RemoteSubscription:
        """Raises NotFound when Microsoft has it no more."""
        ...

    async def remove(self, mailbox: MailboxAccess, microsoft_id: str) -> None:
        """Removing what is gone is no fault."""
        ...

    async def list_own(self, mailbox: MailboxAccess) -> tuple[RemoteSubscription, ...]:
        """Those that this app has for this person."""
        ...


class SubscriptionStore(Protocol):
    """Keeps subscriptions, inside one transaction."""

    async def add(self, subscription: Subscription) -> bool:
        """False when the source has one already."""
        ...

    async def save(self, subscription: Subscription) -> bool:
        """False when it was removed meanwhile."""
        ...

    async def find(self, subscription_id: str) -> Subscription | None: ...
    async def remove(self, subscription_id: str) -> None: ...
    async def leave(self, subscription_id: str, *, now: datetime) -> None:
        """Remove one for good: its source counts as tried just now, so that nobody makes another one soon."""
        ...

    async def count_telling(self, connection_id: str) -> int:
        """Return how many subscriptions and streams tell us of a mailbox."""
        ...

    async def look_soon(self, connection_ids: Collection[str]) -> None:
        """Have these connections compared with Microsoft's list at the next audit, whenever the last one was."""
        ...

    async def of_connection(self, connection_id: str) -> tuple[Subscription, ...]: ...
    async def missing(self, *, now: datetime, retry_before: datetime, limit: int) -> tuple[Wanted, ...]:
        """Followed sources over Graph without a subscription, not tried since ``retry_before``; marked as tried."""
        ...

    async def due(self, *, now: datetime, until: datetime, limit: int) -> tuple[Subscription, ...]:
        """Take subscriptions that are to be renewed; nobody else takes them before ``until``."""
        ...

    async def stale(self, *, created_before: datetime, limit: int) -> tuple[Subscription, ...]:
        """Creations that nobody finished."""
        ...

    async def expired(self, *, now: datetime, limit: int) -> tuple[Subscription, ...]:
        """Those that Microsoft has ended by now because nobody renewed them."""
        ...

    async def bring_forward(self, subscription_ids: Sequence[str], *, to: datetime) -> None:
        """Have subscriptions renewed at once."""
        ...

    async def due_for_audit(self, *, before: datetime, now: datetime, limit: int) -> tuple[str, ...]:
        """Connections with subscriptions that were not compared with Microsoft's list since; marked as compared."""
        ...


def renewal(expires_at: datetime, *, now: datetime, entropy: Entropy) -> datetime:
    """Return when to renew: at half life, up to a tenth sooner or later, so that renewals do not gather."""
    half = (expires_at - now) / 2
    fraction = int.from_bytes(entropy.token_bytes(2), "big") / 0xFFFF
    return now + half * (1 - _JITTER + 2 * _JITTER * fraction)


class NotificationPaths:
    """Makes and checks the paths that Microsoft posts to. One that is not ours is noticed without the database (SR-89)."""

    def __init__(self, key: bytes, *, public_url: str) -> None:
        self._key = key
        self._prefix = f"{public_url.rstrip('/')}{PATH}/"

    def url(self, subscription_id: str) -> str:
        """Return the whole address for a subscription."""
        return f"{self._prefix}{subscription_id}.{self._mark(subscription_id)}"

    def subscription_id(self, segment: str) -> str | None:
        """Return the subscription that the last segment of a path names, or None for one that we never gave out."""
        subscription_id, _, mark = segment.partition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(subscription_id).encode()):
            return None
        return subscription_id

    def of_url(self, url: str) -> str | None:
        """Return the subscription that one of our addresses is for; None for a stranger's."""
        return self.subscription_id(url.removeprefix(self._prefix)) if url.startswith(self._prefix) else None

    def _mark(self, subscription_id: str) -> str:
        digest = hmac.new(self._key, subscription_id.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:24]).decode("ascii")


def state_hash(client_state: str) -> bytes:
    """Return what is kept of a client state."""
    return hashlib.sha256(client_state.encode()).digest()
