"""The call a subscriber would have made to read what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m365_emulator.graph.call import Call
from m365_emulator.graph.odata.options import QueryOptions
from m365_emulator.graph.prefer import Preferences

from .model import Subscription

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def call_for(world: World, subscription: Subscription) -> Call:
    """Return a call in the subscriber's name, with the selection of the resource and the id form of the subscription."""
    watched = subscription.watched
    return Call(
        world=world,
        method="GET",
        base_url=subscription.base_url,
        path="",
        options=QueryOptions(select=watched.select),
        headers={},
        content=b"",
        token=subscription.token,
        preferences=Preferences(immutable_ids=subscription.immutable_ids),
        arguments={},
        parameters={},
        target=watched.target,
    )
