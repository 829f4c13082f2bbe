"""Every form of an Exchange id, and the way between them.

One object has three keys:

* its *identity*: a counter that stays for life within the mailbox; immutable ids are made from it;
* its *entry*: a counter that is replaced when an item moves to another folder; entryId, ewsId and restId are made
  from it together with the number of the folder it is in;
* for one occurrence of a series, in addition the original start of the occurrence.

Folders have one number, which serves as both. The byte layouts are those of real ids::

    EntryID of a folder  flags(4) provider(16) type(2) replica(16) number(6) pad(2)                       46 bytes
    EntryID of an item   EntryID of its folder + replica(16) entry(6) pad(2)                              70 bytes
    ewsId                00 03 · 24 00 · mailbox GUID as 36 characters · 00 · length · EntryID · tail     AAMk…
    restId               the ewsId with / written as - and + as _
    immutable entry id   flags(4) provider(16) type(2) replica(16) identity(6) pad(2)                     46 bytes
    restImmutableEntryId 00 09 00 · length · immutable entry id · tail                                    AAkA…
    conversation id      00 04 · 24 00 · mailbox GUID · 00 · length · 16 bytes                            AAQk…

The tail holds a section per step below the item: `12` an attachment (16 bytes), `51` an occurrence (8 bytes of
.NET ticks), with the number of sections in front. Ids are case-sensitive.

Source: reference of ids in EWS and Graph (outlook-immutable-id, translateExchangeIds, ews-identifiers-in-exchange).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from .errors import MalformedId

FOLDER_PROVIDER = UUID("1a447390-aa66-11cd-9bc8-00aa002fc45a").bytes
FOLDER_ENTRY_BYTES = 46
ITEM_ENTRY_BYTES = 70
_FOLDER_TYPE = b"\x01\x00"
_ITEM_TYPE = b"\x07\x00"
_IMMUTABLE_TYPE = b"\x0d\x00"
# MAPI's provider id of private stores, as seen inside real immutable ids (…HYQDEapmEc2byACqAC-EWg0A…).
_PRIVATE_PROVIDER = bytes.fromhex("1d840311aa6611cd9bc800aa002fc45a")
_ATTACHMENT_SECTION = 0x12
_OCCURRENCE_SECTION = 0x51
_TICKS_EPOCH = datetime(1, 1, 1, tzinfo=UTC)

_TO_REST = str.maketrans("/+", "-_")
_FROM_REST = str.maketrans("-_", "/+")


class IdFormat(StrEnum):
    """The formats of Graph's translateExchangeIds, spelled as on the wire."""

    ENTRY = "entryId"
    EWS = "ewsId"
    REST = "restId"
    IMMUTABLE_ENTRY = "immutableEntryId"
    IMMUTABLE_REST = "restImmutableEntryId"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What an id says: exactly one of `entry`, `identity` is set for an item; neither for a folder."""

    folder: int | None = None
    entry: int | None = None
    identity: int | None = None
    occurrence: datetime | None = None
    attachment: bytes | None = None

    @property
    def is_folder(self) -> bool:
        return self.entry is None and self.identity is None


@dataclass(frozen=True, slots=True)
class ItemKey:
    """The keys of an existing item, from which any id of it can be written."""

    folder: int
    entry: int
    identity: int
    occurrence: datetime | None = None
    attachment: bytes | None = None


class IdCodec:
    """Writes and reads ids of one mailbox.

    Args:
        mailbox_guid: GUID of the mailbox, written into every EWS and REST id.
        replica: 16 bytes naming the mailbox's part of the database, written into every entry id.
    """

    def __init__(self, mailbox_guid: str, replica: bytes) -> None:
        self._guid = mailbox_guid.lower()
        self._replica = replica
        self._prefix = b"\x00\x03\x24\x00" + self._guid.encode("ascii") + b"\x00"
        self._conversation_prefix = b"\x00\x04\x24\x00" + self._guid.encode("ascii") + b"\x00\x10\x00"
        self._folder_head = b"\x00\x00\x00\x00" + FOLDER_PROVIDER + _FOLDER_TYPE + replica
        self._item_head = b"\x00\x00\x00\x00" + FOLDER_PROVIDER + _ITEM_TYPE + replica
        self._item_start = self._prefix + ITEM_ENTRY_BYTES.to_bytes(2, "little") + self._item_head
        self._immutable_head = b"\x00\x00\x00\x00" + _PRIVATE_PROVIDER + _IMMUTABLE_TYPE + replica
        self._immutable_start = (
            b"\x00\x09\x00" + FOLDER_ENTRY_BYTES.to_bytes(2, "little") + self._immutable_head
        )

    # -- writing -----------------------------------------------------------------------------------------------

    def folder_entry(self, number: int) -> bytes:
        """Return the 46-byte EntryID of a folder."""
        return self._folder_head + number.to_bytes(6, "big") + b"\x00\x00"

    def item_entry(self, folder: int, entry: int) -> bytes:
        """Return the 70-byte EntryID of an item."""
        return (
            self._item_head
            + folder.to_bytes(6, "big")
            + b"\x00\x00"
            + self._replica
            + entry.to_bytes(6, "big")
            + b"\x00\x00"
        )

    def immutable_entry(self, identity: int) -> bytes:
        """Return the 46-byte immutable EntryID of an item."""
        return self._immutable_head + identity.to_bytes(6, "big") + b"\x00\x00"

    def folder_ews_id(self, number: int) -> str:
        """Return a folder's id as EWS writes it."""
        raw = self._prefix + FOLDER_ENTRY_BYTES.to_bytes(2, "little") + self.folder_entry(number)
        return base64.b64encode(raw).decode("ascii")

    def folder_rest_id(self, number: int) -> str:
        """Return a folder's id as Graph writes it; folders have no other form of id."""
        return self.folder_ews_id(number).translate(_TO_REST)

    def folder_entry_id(self, number: int) -> str:
        """Return a folder's EntryID as translateExchangeIds writes it."""
        return _pack_url(self.folder_entry(number))

    def ews_id(
        self,
        folder: int,
        entry: int,
        *,
        occurrence: datetime | None = None,
        attachment: bytes | None = None,
    ) -> str:
        """Return an item's id as EWS writes it."""
        raw = (
            self._item_start
            + folder.to_bytes(6, "big")
            + b"\x00\x00"
            + self._replica
            + entry.to_bytes(6, "big")
            + b"\x00\x00"
        )
        if occurrence is not None or attachment is not None:
            raw += _tail(occurrence, attachment)
        return base64.b64encode(raw).decode("ascii")

    def rest_id(
        self,
        folder: int,
        entry: int,
        *,
        occurrence: datetime | None = None,
        attachment: bytes | None = None,
    ) -> str:
        """Return an item's default Graph id."""
        return self.ews_id(folder, entry, occurrence=occurrence, attachment=attachment).translate(_TO_REST)

    def immutable_id(
        self, identity: int, *, occurrence: datetime | None = None, attachment: bytes | None = None
    ) -> str:
        """Return an item's immutable Graph id."""
        raw = self._immutable_start + identity.to_bytes(6, "big") + b"\x00\x00"
        if occurrence is not None or attachment is not None:
            raw += _tail(occurrence, attachment)
        return base64.b64encode(raw).decode("ascii").translate(_TO_REST)

    def conversation_ews_id(self, conversation: bytes) -> str:
        """Return a conversation's id as EWS writes it (16 bytes in)."""
        return base64.b64encode(self._conversation_prefix + conversation).decode("ascii")

    def conversation_rest_id(self, conversation: bytes) -> str:
        """Return a conversation's id as Graph writes it (16 bytes in)."""
        return self.conversation_ews_id(conversation).translate(_TO_REST)

    def change_key(self, number: int, kind: int = 0x09) -> str:
        """Return a change key; `kind` is 09 for messages, 0F for calendar items, 0B for meeting messages, 01 for folders."""
        raw = bytes((kind, 0, 0, 0, 0x16, 0, 0, 0)) + self._replica + number.to_bytes(6, "big")
        return base64.b64encode(raw).decode("ascii")

    def write(self, key: ItemKey, target: IdFormat) -> str:
        """Return the id of an item in any of the five formats."""
        match target:
            case IdFormat.ENTRY:
                return _pack_url(self.item_entry(key.folder, key.entry))
            case IdFormat.EWS:
                return self.ews_id(
                    key.folder, key.entry, occurrence=key.occurrence, attachment=key.attachment
                )
            case IdFormat.REST:
                return self.rest_id(
                    key.folder, key.entry, occurrence=key.occurrence, attachment=key.attachment
                )
            case IdFormat.IMMUTABLE_ENTRY:
                return _pack_url(self.immutable_entry(key.identity))
            case IdFormat.IMMUTABLE_REST:
                return self.immutable_id(key.identity, occurrence=key.occurrence, attachment=key.attachment)

    # -- reading -----------------------------------------------------------------------------------------------

    def read(self, text: str, source: IdFormat) -> ObjectKey:
        """Return the keys inside an id of a known format.

        Raises:
            MalformedId: Not an id of that format, or of another mailbox.
        """
        match source:
            case IdFormat.ENTRY:
                return self._read_entry(_unpack_url(text))
            case IdFormat.IMMUTABLE_ENTRY:
                return ObjectKey(identity=self._read_immutable_entry(_unpack_url(text)))
            case IdFormat.EWS:
                return self._read_wrapped(_decode(text))
            case IdFormat.REST | IdFormat.IMMUTABLE_REST:
                if "/" in text or "+" in text:
                    raise MalformedId("Id is malformed.")
                return self._read_wrapped(_decode(text.translate(_FROM_REST)))

    def read_rest(self, text: str) -> ObjectKey:
        """Return the keys inside a Graph id, of either kind, as found in a URL or body."""
        return self.read(text, IdFormat.REST)

    def read_entry(self, raw: bytes) -> ObjectKey:
        """Return the keys inside a bare EntryID (46 or 70 bytes)."""
        return self._read_entry(raw)

    def _read_wrapped(self, raw: bytes) -> ObjectKey:
        if raw.startswith(b"\x00\x09\x00"):
            length = int.from_bytes(raw[3:5], "little")
            body, tail = raw[5 : 5 + length], raw[5 + length :]
            identity = self._read_immutable_entry(body)
            occurrence, attachment = _read_tail(tail)
            return ObjectKey(identity=identity, occurrence=occurrence, attachment=attachment)
        if not raw.startswith(self._prefix):
            raise MalformedId("Id is malformed.")
        start = len(self._prefix) + 2
        length = int.from_bytes(raw[start - 2 : start], "little")
        key = self._read_entry(raw[start : start + length])
        occurrence, attachment = _read_tail(raw[start + length :])
        if occurrence is None and attachment is None:
            return key
        return ObjectKey(folder=key.folder, entry=key.entry, occurrence=occurrence, attachment=attachment)

    def _read_entry(self, raw: bytes) -> ObjectKey:
        if len(raw) == FOLDER_ENTRY_BYTES and raw.startswith(self._folder_head):
            return ObjectKey(folder=int.from_bytes(raw[38:44], "big"))
        if len(raw) == ITEM_ENTRY_BYTES and raw.startswith(self._item_head) and raw[46:62] == self._replica:
            return ObjectKey(
                folder=int.from_bytes(raw[38:44], "big"), entry=int.from_bytes(raw[62:68], "big")
            )
        raise MalformedId("Id is malformed.")

    def _read_immutable_entry(self, raw: bytes) -> int:
        if len(raw) == FOLDER_ENTRY_BYTES and raw.startswith(self._immutable_head):
            return int.from_bytes(raw[38:44], "big")
        raise MalformedId("Id is malformed.")


def ews_to_rest(ews_id: str) -> str:
    """Rewrite an EWS id for Graph."""
    return ews_id.translate(_TO_REST)


def rest_to_ews(rest_id: str) -> str:
    """Rewrite a Graph id (not an immutable one) for EWS."""
    return rest_id.translate(_FROM_REST)


def _tail(occurrence: datetime | None, attachment: bytes | None) -> bytes:
    sections: list[bytes] = []
    if occurrence is not None:
        ticks = (occurrence - _TICKS_EPOCH) // timedelta(microseconds=1) * 10
        sections.append(bytes((_OCCURRENCE_SECTION, 0, 8)) + ticks.to_bytes(8, "big"))
    if attachment is not None:
        sections.append(bytes((_ATTACHMENT_SECTION, 0, len(attachment))) + attachment)
    return bytes((len(sections),)) + b"".join(sections)


def _read_tail(tail: bytes) -> tuple[datetime | None, bytes | None]:
    if not tail:
        return None, None
    occurrence: datetime | None = None
    attachment: bytes | None = None
    count, position = tail[0], 1
    for _ in range(count):
        head = tail[position : position + 3]
        if len(head) < 3:
            raise MalformedId("Id is malformed.")
        value = tail[position + 3 : position + 3 + head[2]]
        if len(value) < head[2]:
            raise MalformedId("Id is malformed.")
        position += 3 + head[2]
        if head[0] == _OCCURRENCE_SECTION and len(value) == 8:
            try:
                occurrence = _TICKS_EPOCH + timedelta(microseconds=int.from_bytes(value, "big") // 10)
            except OverflowError as error:
                raise MalformedId("Id is malformed.") from error
        elif head[0] == _ATTACHMENT_SECTION:
            attachment = value
        else:
            raise MalformedId("Id is malformed.")
    if position != len(tail):
        raise MalformedId("Id is malformed.")
    return occurrence, attachment


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedId("Id is malformed.") from error
    if len(raw) < 5:
        raise MalformedId("Id is malformed.")
    return raw


def _pack_url(raw: bytes) -> str:
    """Write bytes as URL-safe base64 whose padding is replaced by its length, as entry ids travel in Graph."""
    text = base64.urlsafe_b64encode(raw).decode("ascii")
    stripped = text.rstrip("=")
    return stripped + str(len(text) - len(stripped))


def _unpack_url(text: str) -> bytes:
    if not text or text[-1] not in "012":
        raise MalformedId("Id is malformed.")
    try:
        return base64.b64decode(text[:-1] + "=" * int(text[-1]), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedId("Id is malformed.") from error
