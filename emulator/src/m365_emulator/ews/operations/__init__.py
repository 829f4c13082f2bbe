"""What the endpoint answers, by the name of the request element; about one file per operation or family of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import Response

from m365_emulator.ews.call import Call
from m365_emulator.ews.operations.attachments import create_attachment, delete_attachment, get_attachment
from m365_emulator.ews.operations.convert_id import convert_id
from m365_emulator.ews.operations.create_item import create_item
from m365_emulator.ews.operations.delete_item import delete_item
from m365_emulator.ews.operations.find_folder import find_folder
from m365_emulator.ews.operations.find_item import find_item
from m365_emulator.ews.operations.folders import (
    copy_folder,
    create_folder,
    delete_folder,
    empty_folder,
    mark_all_items_as_read,
    move_folder,
    update_folder,
)
from m365_emulator.ews.operations.get_events import get_events
from m365_emulator.ews.operations.get_folder import get_folder
from m365_emulator.ews.operations.get_item import get_item
from m365_emulator.ews.operations.get_server_time_zones import get_server_time_zones
from m365_emulator.ews.operations.get_streaming_events import get_streaming_events
from m365_emulator.ews.operations.get_user_availability import get_user_availability
from m365_emulator.ews.operations.move_item import copy_item, move_item
from m365_emulator.ews.operations.oof_settings import get_user_oof_settings, set_user_oof_settings
from m365_emulator.ews.operations.resolve_names import resolve_names
from m365_emulator.ews.operations.send_item import send_item
from m365_emulator.ews.operations.subscribe import subscribe
from m365_emulator.ews.operations.sync_folder_hierarchy import sync_folder_hierarchy
from m365_emulator.ews.operations.sync_folder_items import sync_folder_items
from m365_emulator.ews.operations.unsubscribe import unsubscribe
from m365_emulator.ews.operations.update_item import update_item

OPERATIONS: Mapping[str, Callable[[Call], str | Response]] = {
    "ConvertId": convert_id,
    "CopyFolder": copy_folder,
    "CopyItem": copy_item,
    "CreateAttachment": create_attachment,
    "CreateFolder": create_folder,
    "CreateItem": create_item,
    "DeleteAttachment": delete_attachment,
    "DeleteFolder": delete_folder,
    "DeleteItem": delete_item,
    "EmptyFolder": empty_folder,
    "FindFolder": find_folder,
    "FindItem": find_item,
    "GetAttachment": get_attachment,
    "GetEvents": get_events,
    "GetFolder": get_folder,
    "GetItem": get_item,
    "GetServerTimeZones": get_server_time_zones,
    "GetStreamingEvents": get_streaming_events,
    "GetUserAvailabilityRequest": get_user_availability,
    "GetUserOofSettingsRequest": get_user_oof_settings,
    "MarkAllItemsAsRead": mark_all_items_as_read,
    "MoveFolder": move_folder,
    "MoveItem": move_item,
    "ResolveNames": resolve_names,
    "SendItem": send_item,
    "SetUserOofSettingsRequest": set_user_oof_settings,
    "Subscribe": subscribe,
    "SyncFolderHierarchy": sync_folder_hierarchy,
    "SyncFolderItems": sync_folder_items,
    "Unsubscribe": unsubscribe,
    "UpdateFolder": update_folder,
    "UpdateItem": update_item,
}
