"""ConvertId: ids between the formats EWS knows.

Clients use it, with a dummy id, to learn the server's version; that answer is an ordinary error message.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import quote, unquote

from m365_emulator.ews import xml
from m365_emulator.ews.batch import each
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.soap import Node, local_name
from m365_emulator.ews.targets import listed, open_mailbox
from m365_emulator.world.mailbox import IdFormat, Mailbox, ObjectKey
from m365_emulator.world.mailbox.errors import MailboxError

_FORMATS = frozenset({"EwsLegacyId", "EwsId", "EntryId", "HexEntryId", "StoreId", "OwaId"})
# A StoreId is an EntryID behind its length, followed by a byte that says folder or item.
_LENGTH_BYTES = 4
_FOLDER_KIND, _ITEM_KIND = b"\x01", b"\x09"


def convert_id(call: Call) -> str:
    """Answer one message per id, in order.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/convertid
    """
    destination = call.body.get("DestinationFormat")
    if destination not in _FORMATS:
        raise schema_violation("The 'DestinationFormat' attribute is invalid.")

    def answer(node: Node) -> str:
        if local_name(node) != "AlternateId":
            raise ResponseError("ErrorInvalidIdMalformed", "There are no public folders here.")
        source, text, address = node.get("Format"), node.get("Id"), node.get("Mailbox")
        if source not in _FORMATS or text is None or not address:
            raise schema_violation("The element 'AlternateId' needs Format, Id and Mailbox.")
        if not text:
            raise ResponseError("ErrorInvalidIdEmpty")
        raw = _entry_id_shape(source, text)
        mailbox = open_mailbox(call, address)
        key = _read(mailbox, source, text, raw)
        attributes = {
            "xsi:type": "t:AlternateIdType",
            "Format": destination,
            "Id": _write(mailbox, key, destination),
            "Mailbox": address,
        }
        return xml.element("m:AlternateId", "", attributes)

    return each("ConvertId", listed(call, "SourceIds"), answer)


def _entry_id_shape(source: str, text: str) -> bytes:
    """Return the bytes of an id, which shows a malformed one before anyone asks for its mailbox."""
    try:
        if source == "HexEntryId":
            return bytes.fromhex(text)
        raw = base64.b64decode(unquote(text) if source == "OwaId" else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResponseError("ErrorInvalidIdMalformed") from error
    if len(raw) < 46:
        raise ResponseError("ErrorInvalidIdMalformed")
    return raw


def _read(mailbox: Mailbox, source: str, text: str, raw: bytes) -> ObjectKey:
    try:
        match source:
            case "EntryId" | "HexEntryId":
                return mailbox.ids.read_entry(raw)
            case "StoreId":
                length = int.from_bytes(raw[:_LENGTH_BYTES], "little")
                return mailbox.ids.read_entry(raw[_LENGTH_BYTES : _LENGTH_BYTES + length])
            case _:
                key = mailbox.ids.read(unquote(text) if source == "OwaId" else text, IdFormat.EWS)
    except MailboxError as error:
        raise ResponseError("ErrorInvalidIdMalformed") from error
    if key.identity is not None:
        raise ResponseError("ErrorInvalidIdMalformed")
    return key


def _write(mailbox: Mailbox, key: ObjectKey, destination: str) -> str:
    folder, entry = key.folder or 0, key.entry
    if destination in {"EwsId", "EwsLegacyId", "OwaId"}:
        ews_id = (
            mailbox.ids.folder_ews_id(folder)
            if entry is None
            else mailbox.ids.ews_id(folder, entry, occurrence=key.occurrence, attachment=key.attachment)
        )
        return quote(ews_id, safe="") if destination == "OwaId" else ews_id
    raw = mailbox.ids.folder_entry(folder) if entry is None else mailbox.ids.item_entry(folder, entry)
    if destination == "HexEntryId":
        return raw.hex().upper()
    if destination == "StoreId":
        raw = (
            len(raw).to_bytes(_LENGTH_BYTES, "little") + raw + (_FOLDER_KIND if entry is None else _ITEM_KIND)
        )
    return base64.b64encode(raw).decode("ascii")
