"""Extended properties: how requests name them, which ones every item has by nature, how they are written.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/extendedfielduri
Source: MS-OXPROPS for the property tags.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from m365_emulator.ews import xml
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.fields.values import display_names
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox import CalendarEvent, Folder, Item, Message, PropertyKey, PropertyType
from m365_emulator.world.mailbox.properties import read_property as read_stored
from m365_emulator.world.mailbox.threads import bare_subject

PROPERTY_SETS: Mapping[str, str] = {
    "Meeting": "6ed8da90-450b-101b-98da-00aa003f1305",
    "Appointment": "00062002-0000-0000-c000-000000000046",
    "Common": "00062008-0000-0000-c000-000000000046",
    "PublicStrings": "00020329-0000-0000-c000-000000000046",
    "Address": "00062004-0000-0000-c000-000000000046",
    "InternetHeaders": "00020386-0000-0000-c000-000000000046",
    "CalendarAssistant": "11000e07-b51b-40d6-af21-caa85edab1d0",
    "UnifiedMessaging": "4442858e-a9e3-4e80-b900-317a210cc15b",
    "Task": "00062003-0000-0000-c000-000000000046",
    "Sharing": "00062040-0000-0000-c000-000000000046",
}
_TYPES = {kind.value: kind for kind in PropertyType}
_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")

# Properties in this range are custom by definition and must be named through a property set.
_FIRST_CUSTOM_TAG = 0x8000


@dataclass(frozen=True, slots=True)
class ExtendedField:
    """One ExtendedFieldURI of a request: what it names, and how it was written (answers repeat it)."""

    key: PropertyKey
    path: str

    def element(self, view: View, item: Item | Folder) -> str:
        """Return ``t:ExtendedProperty``, or nothing when the item does not have it."""
        value = self.value(view, item)
        if value is None:
            return ""
        if isinstance(value, list):
            inner = "".join(f"<t:Value>{xml.text(one)}</t:Value>" for one in value)
            return (
                f"<t:ExtendedProperty>{self.path}<t:Values>{inner}</t:Values></t:ExtendedProperty>"
                if inner
                else ""
            )
        return f"<t:ExtendedProperty>{self.path}<t:Value>{xml.text(value)}</t:Value></t:ExtendedProperty>"

    def value(self, view: View, item: Item | Folder) -> str | list[str] | None:
        """Return the stored value, or the one the item has by nature."""
        if isinstance(item, Folder):
            return _folder_value(item, self.key)
        stored = item.properties.get(self.key) if item.properties else None
        if stored is not None:
            return stored
        natural = _NATURAL.get(self.key.tag) if self.key.tag is not None else None
        if natural is not None:
            return natural(view, item)
        if self.key.number in _GLOBAL_OBJECT_IDS and self.key.set_id == PROPERTY_SETS["Meeting"]:
            return _global_object_id(item)
        return read_stored(item, self.key)


def read_path(node: Node) -> ExtendedField:
    """Read ``t:ExtendedFieldURI``.

    Raises:
        ResponseError: It does not name a property.
        SoapFault: An attribute does not follow the schema.
    """
    attributes = {name: value for name in _ATTRIBUTES if (value := node.get(name)) is not None}
    return ExtendedField(_key(attributes), xml.element("t:ExtendedFieldURI", "", attributes))


_ATTRIBUTES = (
    "DistinguishedPropertySetId",
    "PropertySetId",
    "PropertyTag",
    "PropertyName",
    "PropertyId",
    "PropertyType",
)


def _key(attributes: Mapping[str, str]) -> PropertyKey:
    kind = _TYPES.get(attributes.get("PropertyType", ""))
    if kind is None:
        raise schema_violation("The 'PropertyType' attribute is invalid.")
    set_id = _property_set(attributes)
    tag = _number(attributes.get("PropertyTag"))
    name, number = attributes.get("PropertyName"), _number(attributes.get("PropertyId"))
    if tag is not None:
        if set_id or name or number is not None:
            raise ResponseError(
                "ErrorInvalidExtendedProperty", "PropertyTag cannot be combined with a property set."
            )
        if tag >= _FIRST_CUSTOM_TAG:
            raise ResponseError(
                "ErrorNoPropertyTagForCustomProperties", "Custom properties have no property tag."
            )
        return PropertyKey(kind, tag=tag)
    if not set_id or (name is None) == (number is None):
        raise ResponseError(
            "ErrorInvalidExtendedProperty",
            "Name one property set, and in it one property by name or by number.",
        )
    return PropertyKey(kind, set_id=set_id, name=name, number=number)


def _property_set(attributes: Mapping[str, str]) -> str | None:
    """Return the GUID of the property set that is named, by name or by GUID but not by both."""
    name, guid = attributes.get("DistinguishedPropertySetId"), attributes.get("PropertySetId")
    if name is not None and name not in PROPERTY_SETS:
        raise schema_violation("The 'DistinguishedPropertySetId' attribute is invalid.")
    if guid is not None and not _GUID.match(guid):
        raise schema_violation("The 'PropertySetId' attribute is invalid.")
    if name is not None and guid is not None:
        raise ResponseError("ErrorInvalidExtendedProperty", "Name the property set once.")
    return PROPERTY_SETS[name] if name is not None else guid.lower() if guid is not None else None


def read_property(node: Node) -> tuple[PropertyKey, str | list[str]]:
    """Read ``t:ExtendedProperty``: the key and the value to store.

    Raises:
        ResponseError: The value does not fit the type.
    """
    children = elements(node)
    if len(children) != 2 or local_name(children[0]) != "ExtendedFieldURI":
        raise schema_violation("The element 'ExtendedProperty' needs an ExtendedFieldURI and a value.")
    key = read_path(children[0]).key
    if local_name(children[1]) == "Values":
        if not key.is_array:
            raise ResponseError("ErrorInvalidExtendedPropertyValue", "Values are for array types only.")
        values = [child.text or "" for child in elements(children[1])]
        for value in values:
            _check(key.kind.value.removesuffix("Array"), value)
        return key, values
    if key.is_array:
        raise ResponseError("ErrorInvalidExtendedPropertyValue", "An array type needs Values.")
    value = children[1].text or ""
    _check(key.kind.value, value)
    return key, value


def _check(kind: str, value: str) -> None:
    try:
        match kind:
            case "Integer" | "Long" | "Short" | "Currency":
                int(value)
            case "Double" | "Float" | "ApplicationTime":
                float(value)
            case "Boolean":
                if value.lower() not in {"true", "false", "1", "0"}:
                    raise ValueError
            case "Binary":
                base64.b64decode(value, validate=True)
            case "SystemTime":
                datetime.fromisoformat(value)
            case "CLSID":
                if not _GUID.match(value):
                    raise ValueError
            case _:
                pass
    except (ValueError, binascii.Error) as error:
        raise ResponseError(
            "ErrorInvalidExtendedPropertyValue", f"The value is not of the type {kind} that the property has."
        ) from error


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        number = int(text, 16) if text[:2].lower() == "0x" else int(text)
    except ValueError as error:
        raise schema_violation("A property tag or id is not a number.") from error
    return number


# -- properties every item has by nature ---------------------------------------------------------------------------

_GLOBAL_OBJECT_IDS = frozenset({0x03, 0x23})


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _of_message(get: Callable[[Message], str]) -> Callable[[View, Item], str | None]:
    def value(view: View, item: Item) -> str | None:
        return (get(item) or None) if isinstance(item, Message) else None

    return value


def _search_key(view: View, item: Item) -> str:
    return _b64(view.mailbox.replica[:8] + item.identity.to_bytes(8, "big"))


_NATURAL: Mapping[int, Callable[[View, Item], str | None]] = {
    0x0070: lambda view, item: bare_subject(item.subject),
    0x0E1D: lambda view, item: bare_subject(item.subject),
    0x0E03: _of_message(lambda item: display_names(item.cc)),
    0x0E04: _of_message(lambda item: display_names(item.to)),
    0x0E1B: lambda view, item: "true" if item.has_attachments else "false",
    0x0FFF: lambda view, item: _b64(view.mailbox.ids.item_entry(item.folder.number, item.entry)),
    0x1000: lambda view, item: View.body_text(item.body, as_html=False),
    0x0C1A: _of_message(lambda item: item.sender.name if item.sender else ""),
    0x0C1F: _of_message(lambda item: item.sender.address if item.sender else ""),
    0x0042: _of_message(lambda item: item.from_.name if item.from_ else ""),
    0x5D01: _of_message(lambda item: item.sender.address if item.sender else ""),
    0x300B: _search_key,
}


def _global_object_id(item: Item) -> str | None:
    uid = item.uid if isinstance(item, CalendarEvent) else ""
    if isinstance(item, Message) and item.meeting is not None:
        uid = item.meeting.uid
    try:
        return _b64(bytes.fromhex(uid)) if uid else None
    except ValueError:
        # A foreign UID is wrapped as MS-OXOCAL 2.2.12.1 says: the fixed head, no date, "vCal-Uid" and the text.
        wrapped = b"vCal-Uid\x01\x00\x00\x00" + uid.encode() + b"\x00"
        head = bytes.fromhex("040000008200E00074C5B7101A82E008") + bytes(20)
        return _b64(head + len(wrapped).to_bytes(4, "little") + wrapped)


def _folder_value(folder: Folder, key: PropertyKey) -> str | None:
    match key.tag:
        case 0x3001:
            return folder.display_name
        case 0x3613:
            return folder.folder_class or None
        case 0x10F4:
            return "true" if folder.is_hidden else "false"
        case 0x3602:
            return str(folder.total_count)
        case 0x3603:
            return str(folder.unread_count)
        case _:
            return None
