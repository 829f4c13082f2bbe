"""What is about to be told to a subscriber, and the faults a test may put between: dropped, doubled, late, shuffled."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from m365_emulator.ews.notifications.subscriptions import Subscription
from m365_emulator.world.tenants import User
from m365_emulator.world.world import World


def resource_of(subscription: Subscription) -> str:
    """Return the name that a fault's ``route`` is compared with: ``ews/<address>/<pull, push or streaming>``."""
    return f"ews/{subscription.mailbox.address}/{subscription.kind}"


class Outbox:
    """Notifications of one subscription on their way out.

    Args:
        now: A clock in seconds that only runs forward; late notifications wait by it.
    """

    def __init__(self, world: World, subscription: Subscription, now: Callable[[], float]) -> None:
        self._world = world
        self._subscription = subscription
        self._now = now
        self._waiting: list[tuple[float, str]] = []
        self._held: list[str] = []

    def put(self, notification: str) -> None:
        """Take a notification, and do to it what the world's faults say."""
        owner = cast("User", self._subscription.mailbox.owner)
        tenant = owner.tenant
        fault = self._world.faults.for_notification(
            resource_of(self._subscription), {tenant.id, *tenant.domains}, {owner.oid, *owner.addresses}
        )
        match fault.notification if fault is not None else None:
            case "drop":
                return
            case "double":
                self._waiting += [(0.0, notification), (0.0, notification)]
            case "late":
                late_seconds = fault.late_seconds if fault is not None else 0.0
                self._waiting.append((self._now() + late_seconds, notification))
            case "shuffle":
                self._held.append(notification)
            case _:
                self._waiting += [(0.0, notification), *((0.0, held) for held in self._held)]
                self._held.clear()

    def take(self) -> list[str]:
        """Return what is due, in order."""
        now = self._now()
        due = [notification for at, notification in self._waiting if at <= now]
        self._waiting = [(at, notification) for at, notification in self._waiting if at > now]
        return due
