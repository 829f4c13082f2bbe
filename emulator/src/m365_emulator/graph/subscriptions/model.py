"""A subscription and the resource it watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from cryptography.x509 import Certificate

from m365_emulator.entra.tokens import AccessToken
from m365_emulator.graph.access import Target

LONGEST = timedelta(minutes=10_080)
LONGEST_WITH_DATA = timedelta(minutes=1_440)
SHORTEST = timedelta(minutes=45)
"""Shorter wishes are raised to this. Source: subscription resource, maximum lengths per resource type."""
MAX_PER_MAILBOX = 1000
LIFECYCLE_EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")


@dataclass(frozen=True, slots=True)
class Watched:
    """What a subscription watches in a mailbox: messages (of one folder, if given) or events."""

    target: Target
    kind: str
    folder: int | None = None
    select: tuple[str, ...] | None = None
    filter: str | None = None


@dataclass(slots=True)
class Subscription:
    """One subscription. `matching` holds who passed the resource's filter when last looked at."""

    id: str
    token: AccessToken = field(repr=False)
    watched: Watched
    resource: str
    change_types: tuple[str, ...]
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None = field(repr=False)
    expires_at: datetime
    created_at: datetime
    base_url: str
    immutable_ids: bool
    include_data: bool = False
    certificate: Certificate | None = field(default=None, repr=False)
    certificate_text: str | None = field(default=None, repr=False)
    certificate_id: str | None = None
    tls_version: str = "v1_2"
    query_options: str | None = None
    test: Callable[[Any], bool] | None = field(default=None, repr=False)
    """The resource's filter, ready to run."""
    matching: set[int] | None = None
    asked_to_reauthorize: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be kept in a snapshot; `resource.equip` makes it again."""
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        return kept | {"test": None, "certificate": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    @property
    def longest(self) -> timedelta:
        """How far in the future it may end."""
        return LONGEST_WITH_DATA if self.include_data else LONGEST
