"""What EWS remembers between requests: subscriptions, and how it was told to behave."""

from __future__ import annotations

from dataclasses import dataclass, field

from m365_emulator.ews.notifications.subscriptions import STATE_KEY, Subscriptions
from m365_emulator.ews.throttle import Throttle
from m365_emulator.world.world import World


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
    found = world.state.get(STATE_KEY)
    if not isinstance(found, EWSState):
        found = EWSState(Subscriptions(world))
        world.state[STATE_KEY] = found
    return found
