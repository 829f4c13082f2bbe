"""Exchange Web Services over the world's mailboxes, and Autodiscover that leads there.

Owns SOAP, the access gates of Exchange Online, shapes, operations and notifications; what mail and calendars do is
left to ``world.mailbox``. The server mounts `routes`.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from m365_emulator.ews.autodiscover.json_v2 import AutodiscoverV2
from m365_emulator.ews.autodiscover.pox import PlainXML
from m365_emulator.ews.autodiscover.user_settings import UserSettings
from m365_emulator.ews.caseless_route import CaselessRoute
from m365_emulator.ews.endpoint import ExchangeEndpoint
from m365_emulator.world.world import World


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of EWS and Autodiscover."""
    exchange = ExchangeEndpoint(world)
    json_v2 = AutodiscoverV2(world)
    return [
        CaselessRoute("/EWS/Exchange.asmx", exchange.__call__, methods=["GET", "POST"]),
        CaselessRoute("/autodiscover/autodiscover.json", json_v2.__call__, methods=["GET"]),
        CaselessRoute("/autodiscover/autodiscover.json/v1.0/{address}", json_v2.__call__, methods=["GET"]),
        CaselessRoute("/autodiscover/autodiscover.svc", UserSettings(world).__call__, methods=["POST"]),
        CaselessRoute("/autodiscover/autodiscover.xml", PlainXML(world).__call__, methods=["POST"]),
    ]
