"""What webhooks need from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.page import Page
from ostiary.core.organizations.ports import OrganizationStore
from ostiary.core.webhooks.model import Answer, Attempt, Delivery, DeliveryState, WebhookEndpoint, Work


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event as it goes out to every endpoint that wants it."""

    event_id: str
    organization_id: str
    connection_id: str | None
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one attempt."""

    work: Work
    attempt: Attempt
    state: DeliveryState
    next_at: datetime | None
    """When to try again; None once it is delivered or dead."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are meant; None leaves a field open."""

    endpoint_id: str | None = None
    event_id: str | None = None
    connection_id: str | None = None
    organization_id: str | None = None
    states: Collection[DeliveryState] = ()
    """Empty for all."""
    types: Collection[str] = ()
    """Empty for all."""
    since: datetime | None = None
    until: datetime | None = None


class WebhookStore(Protocol):
    """Endpoints and deliveries inside one transaction."""

    async def add(self, endpoint: WebhookEndpoint) -> None: ...

    async def get(self, endpoint_id: str, *, for_update: bool = False) -> WebhookEndpoint:
        """Raises NotFound."""
        ...

    async def list_endpoints(self) -> tuple[WebhookEndpoint, ...]:
        """All of them, oldest first; there are few."""
        ...

    async def save(self, endpoint: WebhookEndpoint) -> None: ...

    async def delete(self, endpoint_id: str) -> None:
        """Delete an endpoint with everything that was to go there."""
        ...

    async def add_deliveries(self, events: Sequence[Outgoing], *, now: datetime) -> int:
        """Write one delivery per event and endpoint that wants it, and wake the senders; return how many.

        A delivery that is there already stays as it is.
        """
        ...

    async def claim(
        self,
        *,
        holder: str,
        now: datetime,
        lease: timedelta,
        each: int,
        most: int,
        without: Collection[str],
    ) -> Sequence[Work]:
        """Take what is due: at most ``each`` of one endpoint, none of the endpoints in ``without``.

        What it claimed is due again after ``lease``, or once ``holder`` is known to be dead.
        """
        ...

    async def release_all(self, *, holder: str, but: Collection[str], now: datetime) -> None:
        """Free what is claimed by ``holder`` but for these deliveries: claims whose answer was lost."""
        ...

    async def record(self, results: Sequence[Result]) -> None:
        """Write what came of attempts. A claim that ran out meanwhile is another sender's: nothing is written."""
        ...

    async def succeeded(self, endpoint_ids: Collection[str]) -> None:
        """Note that endpoints answer; forgets since when they failed."""
        ...

    async def find(self, delivery_id: str) -> Delivery:
        """Raises NotFound."""
        ...

    async def page(
        self, wanted: DeliveryFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]:
        """Deliveries, newest first. Raises InvalidRequest for a foreign cursor."""
        ...

    async def attempts(self, delivery_id: str) -> tuple[Attempt, ...]:
        """All attempts that are kept, oldest first."""
        ...

    async def replay(self, wanted: DeliveryFilter, *, now: datetime, limit: int) -> int:
        """Let finished deliveries go out once more, with the same ids; return how many."""
        ...

    async def counts(self) -> Mapping[str, Mapping[DeliveryState, int]]:
        """How many deliveries each endpoint has in each state."""
        ...

    async def trim(self, *, delivered_before: datetime, dead_before: datetime, limit: int) -> int:
        """Delete old finished deliveries; return how many."""
        ...


class WebhookTransaction(Protocol):
    """What one transaction of webhooks can reach."""

    @property
    def webhooks(self) -> WebhookStore: ...
    @property
    def organizations(self) -> OrganizationStore: ...
    @property
    def audit(self) -> AuditTrail: ...


class WebhookPost(Protocol):
    """Sends one request to an address that somebody else chose."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post within 15 s of wall clock, from the name's resolution to the end of the answer.

        Never raises for what the other side does: no answer is an :class:`Answer` too. No redirect is followed;
        addresses that are not public are refused at every attempt (SR-78).
        """
        ...
