"""One file per EWS operation; `OPERATIONS` is the list of what the endpoint answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import Response

from m365_emulator.ews.call import Call
from m365_emulator.ews.operations.convert_id import convert_id
from m365_emulator.ews.operations.find_folder import find_folder
from m365_emulator.ews.operations.find_item import find_item
from m365_emulator.ews.operations.get_events import get_events
from m365_emulator.ews.operations.get_folder import get_folder
from m365_emulator.ews.operations.get_item import get_item
from m365_emulator.ews.operations.get_server_time_zones import get_server_time_zones
from m365_emulator.ews.operations.get_streaming_events import get_streaming_events
from m365_emulator.ews.operations.subscribe import subscribe
from m365_emulator.ews.operations.sync_folder_hierarchy import sync_folder_hierarchy
from m365_emulator.ews.operations.sync_folder_items import sync_folder_items
from m365_emulator.ews.operations.unsubscribe import unsubscribe

OPERATIONS: Mapping[str, Callable[[Call], str | Response]] = {
    "ConvertId": convert_id,
    "FindFolder": find_folder,
    "FindItem": find_item,
    "GetEvents": get_events,
    "GetFolder": get_folder,
    "GetItem": get_item,
    "GetServerTimeZones": get_server_time_zones,
    "GetStreamingEvents": get_streaming_events,
    "Subscribe": subscribe,
    "SyncFolderHierarchy": sync_folder_hierarchy,
    "SyncFolderItems": sync_folder_items,
    "Unsubscribe": unsubscribe,
}
