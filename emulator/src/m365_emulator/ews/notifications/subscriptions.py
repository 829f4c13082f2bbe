"""The subscriptions of one world, and what has happened for each of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.notifications.events import Scope, events_of, read_watermark, write_watermark
from m365_emulator.world.mailbox import Change, Mailbox
from m365_emulator.world.mailbox.errors import ChangesForgotten
from m365_emulator.world.world import World

STATE_KEY = "ews"
"""Where the world keeps the state of EWS."""

Kind = Literal["pull", "push", "streaming"]

# Exchange Online's EWSMaxSubscriptions, per account and application.
MAX_SUBSCRIPTIONS = 20
# How long a streaming subscription outlives its last connection.
STREAMING_LIFETIME = timedelta(minutes=30)
# The most changes one GetEvents answer tells; the rest follows with MoreEvents.
MAX_CHANGES = 100


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription.

    Args:
        position: Changes up to this number have been told (streaming and push) or were there at the start (pull).
        lifetime: The subscription ends when nobody asked for so long.
        replaced: Ends an open streaming connection in favour of a newer one.
    """

    id: str
    kind: Kind
    mailbox: Mailbox
    app_id: str
    scope: Scope
    position: int
    lifetime: timedelta
    used_at: datetime
    url: str = ""
    caller_data: str = ""
    replaced: Callable[[], object] | None = None
    stop: Callable[[], object] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a snapshot keeps: everything but the connection or task that serves the subscription now."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _SERVING}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back from a snapshot, served by nobody."""
        for name, value in (state | dict.fromkeys(_SERVING)).items():
            setattr(self, name, value)


_SERVING = ("replaced", "stop")


@dataclass(slots=True, frozen=True)
class Batch:
    """What GetEvents, a push or a stream has to tell: event elements, and up to where they go."""

    events: str
    position: int
    more: bool


@dataclass(slots=True, eq=False)
class Subscriptions:
    """Keeps the subscriptions of a world.

    Args:
        limit: The most subscriptions one application may hold on one mailbox.
    """

    world: World
    limit: int = MAX_SUBSCRIPTIONS
    connections: dict[str, int] = field(default_factory=dict[str, int])
    """Open streams by mailbox GUID."""
    _by_id: dict[str, Subscription] = field(default_factory=dict[str, Subscription])

    def __getstate__(self) -> dict[str, Any]:
        """Return what a snapshot keeps; no connection outlives it."""
        return {"world": self.world, "limit": self.limit, "_by_id": self._by_id}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back from a snapshot."""
        for name, value in (state | {"connections": {}}).items():
            setattr(self, name, value)

    def create(
        self,
        kind: Kind,
        mailbox: Mailbox,
        app_id: str,
        scope: Scope,
        *,
        lifetime: timedelta = STREAMING_LIFETIME,
        watermark: str = "",
        url: str = "",
        caller_data: str = "",
    ) -> Subscription:
        """Make a subscription.

        Raises:
            ResponseError: ErrorExceededSubscriptionCount, or ErrorInvalidWatermark.
        """
        self._forget_expired()
        held = sum(1 for one in self._by_id.values() if one.mailbox is mailbox and one.app_id == app_id)
        if held >= self.limit:
            raise ResponseError(
                "ErrorExceededSubscriptionCount",
                "The maximum number of subscriptions for this account is reached.",
            )
        position = read_watermark(mailbox, watermark) if watermark else mailbox.change_number
        subscription = Subscription(
            id=self._new_id(mailbox),
            kind=kind,
            mailbox=mailbox,
            app_id=app_id,
            scope=scope,
            position=position,
            lifetime=lifetime,
            used_at=self.world.clock.now(),
            url=url,
            caller_data=caller_data,
        )
        self._by_id[subscription.id] = subscription
        return subscription

    def get(self, subscription_id: str, app_id: str) -> Subscription:
        """Return a living subscription of an application.

        Raises:
            ResponseError: ErrorSubscriptionNotFound (also: expired), or ErrorSubscriptionAccessDenied.
        """
        self._forget_expired()
        found = self._by_id.get(subscription_id)
        if found is None:
            raise ResponseError("ErrorSubscriptionNotFound")
        if found.app_id != app_id:
            raise ResponseError(
                "ErrorSubscriptionAccessDenied", "The subscription belongs to another caller."
            )
        return found

    def remove(self, subscription: Subscription) -> None:
        """End a subscription and whatever serves it."""
        self._by_id.pop(subscription.id, None)
        for end in (subscription.replaced, subscription.stop):
            if end is not None:
                end()

    def all(self) -> list[Subscription]:
        """Return every living subscription."""
        self._forget_expired()
        return list(self._by_id.values())

    def lose_all(self) -> int:
        """Forget every subscription, as when a mailbox moves to another server; return how many there were."""
        lost = list(self._by_id.values())
        for subscription in lost:
            self.remove(subscription)
        return len(lost)

    def unserved_pushes(self) -> list[Subscription]:
        """Return the push subscriptions that came back from a snapshot and are served by no task yet."""
        return [one for one in self._by_id.values() if one.kind == "push" and one.stop is None]

    def touch(self, subscription: Subscription) -> None:
        """Note that the subscription was asked for, so that it lives on."""
        subscription.used_at = self.world.clock.now()

    def is_alive(self, subscription: Subscription) -> bool:
        """Return whether a subscription has not been removed, neither by itself nor together with its whole world."""
        current = self.world.state.get(STATE_KEY)
        return subscription.id in self._by_id and getattr(current, "subscriptions", None) is self

    def pending(self, subscription: Subscription, since: int, *, with_watermarks: bool) -> Batch:
        """Return what happened after a change number.

        Raises:
            ResponseError: ErrorEventNotFound when the change log no longer reaches back so far; subscribe again.
        """
        mailbox = subscription.mailbox
        try:
            changes = mailbox.log.since(since)
        except ChangesForgotten as error:
            raise ResponseError(
                "ErrorEventNotFound", "The event that the watermark names was not found."
            ) from error
        told = changes[:MAX_CHANGES]
        events = "".join(
            self._event(subscription, change, with_watermarks=with_watermarks) for change in told
        )
        position = told[-1].number if told else since
        return Batch(events, position, len(changes) > MAX_CHANGES)

    def _event(self, subscription: Subscription, change: Change, *, with_watermarks: bool) -> str:
        watermark = write_watermark(subscription.mailbox, change.number) if with_watermarks else ""
        return events_of(subscription.mailbox, change, subscription.scope, watermark=watermark)

    def _new_id(self, mailbox: Mailbox) -> str:
        server = b"emulator01"
        number = self.world.rng.getrandbits(128).to_bytes(16, "big")
        raw = (
            len(server).to_bytes(2, "little") + server + b"\x10\x00\x00\x00" + number + mailbox.guid.encode()
        )
        return base64.b64encode(raw).decode("ascii")

    def _forget_expired(self) -> None:
        now = self.world.clock.now()
        for subscription in list(self._by_id.values()):
            if subscription.kind != "push" and now - subscription.used_at > subscription.lifetime:
                self.remove(subscription)
