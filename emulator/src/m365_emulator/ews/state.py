"""What EWS remembers between requests: subscriptions, and how it was told to behave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from m365_emulator.ews.throttle import Throttle

if TYPE_CHECKING:
    from m365_emulator.ews.notifications.subscriptions import Subscriptions
    from m365_emulator.world.world import World

_KEY = "ews"


@dataclass(slots=True)
class EWSState:
    """EWS's own state in one world; a reset of the world drops it.

    Args:
        throttle: How many requests an application may make on a mailbox.
        strict_schema: Refuse requests whose elements are unknown, missing or out of order, as Exchange does.
    """

    subscriptions: Subscriptions
    strict_schema: bool = False
    throttle: Throttle = field(default_factory=Throttle)


def state_of(world: World) -> EWSState:
    """Return the state of EWS in a world, made on first use."""
    from m365_emulator.ews.notifications.subscriptions import Subscriptions

    found = world.state.get(_KEY)
    if not isinstance(found, EWSState):
        found = EWSState(Subscriptions(world))
        world.state[_KEY] = found
    return found
