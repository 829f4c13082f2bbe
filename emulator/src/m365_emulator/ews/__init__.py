"""Exchange Web Services over the world's mailboxes, and Autodiscover that leads there.

Owns SOAP, the access gates of Exchange Online, shapes, operations and notifications; what mail and calendars do is
left to ``world.mailbox``. The server mounts `routes`.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from m365_emulator.ews.caseless_route import CaselessRoute
from m365_emulator.ews.endpoint import ExchangeEndpoint
from m365_emulator.world.world import World


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of EWS and Autodiscover."""
    exchange = ExchangeEndpoint(world)
    return [
        CaselessRoute("/EWS/Exchange.asmx", exchange.__call__, methods=["GET", "POST"]),
    ]
