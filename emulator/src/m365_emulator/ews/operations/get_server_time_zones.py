"""GetServerTimeZones: the Windows time zones the server knows."""

from __future__ import annotations

from functools import lru_cache

from m365_emulator.ews import xml
from m365_emulator.ews.batch import one, respond
from m365_emulator.ews.call import Call
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.ews.soap import elements
from m365_emulator.ews.zone_definition import definition
from m365_emulator.world.mailbox.timezones import iana_name, windows_zones


def get_server_time_zones(call: Call) -> str:
    """Answer with all zones, or with those asked for; names that do not exist are left out.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getservertimezones-operation
    """
    listed = call.body.find(f"{xml.M}Ids")
    wanted = None if listed is None else {(node.text or "").strip() for node in elements(listed)}
    full = read_boolean(call.body.get("ReturnFullTimeZoneData"), default=False)
    year = call.world.clock.now().year
    operation = "GetServerTimeZones"

    def answer() -> str:
        inner = "".join(
            _full(name, year)
            if full
            else xml.element("t:TimeZoneDefinition", "", {"Id": name, "Name": zone.display_name})
            for name, zone in windows_zones().items()
            if wanted is None or name in wanted
        )
        return f"<m:TimeZoneDefinitions>{inner}</m:TimeZoneDefinitions>"

    return respond(operation, [one(operation, answer)])


@lru_cache(maxsize=1024)
def _full(windows_id: str, year: int) -> str:
    return definition(windows_id, windows_zones()[windows_id].display_name, iana_name(windows_id), year)
