"""What every item in a mailbox has, and the small values items are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from .errors import InvalidContent

if TYPE_CHECKING:
    from .folder import Folder

PropertyValue = str | list[str]

NOT_SET = datetime(1, 1, 1, tzinfo=UTC)
"""A time that has not been given yet; the store fills it in."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A name and an SMTP address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Body:
    """A body as it is stored; readers convert between the two kinds."""

    content: str = ""
    is_html: bool = False


EMPTY_BODY = Body()


@dataclass(slots=True, eq=False)
class Attachment:
    """A file, an item or a link that hangs on an item.

    `key` is 16 random bytes; ids of attachments are made of the item's id and this key.
    `item` is the attached message or event of an item attachment; `source_url` the target of a link.
    """

    key: bytes
    name: str
    content_type: str
    content: bytes
    modified_at: datetime
    is_inline: bool = False
    content_id: str | None = None
    content_location: str | None = None
    item: Item | None = None
    source_url: str | None = None
    declared_size: int | None = None

    @property
    def size(self) -> int:
        """Bytes as Exchange reports them: the content and some overhead for its properties."""
        return self.declared_size if self.declared_size is not None else len(self.content) + 140


class PropertyType(StrEnum):
    """Types of extended properties, spelled as in Graph and EWS (the two agree)."""

    APPLICATION_TIME = "ApplicationTime"
    APPLICATION_TIME_ARRAY = "ApplicationTimeArray"
    BINARY = "Binary"
    BINARY_ARRAY = "BinaryArray"
    BOOLEAN = "Boolean"
    CLSID = "CLSID"
    CLSID_ARRAY = "CLSIDArray"
    CURRENCY = "Currency"
    CURRENCY_ARRAY = "CurrencyArray"
    DOUBLE = "Double"
    DOUBLE_ARRAY = "DoubleArray"
    FLOAT = "Float"
    FLOAT_ARRAY = "FloatArray"
    INTEGER = "Integer"
    INTEGER_ARRAY = "IntegerArray"
    LONG = "Long"
    LONG_ARRAY = "LongArray"
    SHORT = "Short"
    SHORT_ARRAY = "ShortArray"
    STRING = "String"
    STRING_ARRAY = "StringArray"
    SYSTEM_TIME = "SystemTime"
    SYSTEM_TIME_ARRAY = "SystemTimeArray"


_TYPES = {kind.value.lower(): kind for kind in PropertyType}
_GRAPH_PROPERTY = re.compile(
    r"^\s*(?P<type>\w+)\s+(?:"
    r"(?P<tag>0x[0-9a-fA-F]+)"
    r"|\{?(?P<set>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})\}?\s+"
    r"(?:[Nn]ame\s+(?P<name>.+?)|[Ii]d\s+(?P<id>0x[0-9a-fA-F]+|\d+))"
    r")\s*$"
)


@dataclass(frozen=True, slots=True)
class PropertyKey:
    """Names an extended property: a tag, or a property set with a name or a number."""

    kind: PropertyType
    tag: int | None = None
    set_id: str | None = None
    name: str | None = None
    number: int | None = None

    @classmethod
    def from_graph(cls, text: str) -> PropertyKey:
        """Read Graph's spelling: `String {guid} Name x`, `Integer {guid} Id 0x8005` or `String 0x1035`.

        Raises:
            InvalidContent: The text follows none of the three.
        """
        match = _GRAPH_PROPERTY.match(text)
        kind = _TYPES.get(match["type"].lower()) if match else None
        if match is None or kind is None:
            raise InvalidContent(f"The property id '{text[:200]}' is invalid.", "id")
        if match["tag"]:
            tag = int(match["tag"], 16)
            if tag > 0xFFFF:
                raise InvalidContent(f"The property id '{text[:200]}' is invalid.", "id")
            return cls(kind, tag=tag)
        set_id = match["set"].lower()
        if match["name"] is not None:
            return cls(kind, set_id=set_id, name=match["name"])
        return cls(kind, set_id=set_id, number=int(match["id"], 0))

    def to_graph(self) -> str:
        """Return Graph's spelling."""
        if self.tag is not None:
            return f"{self.kind.value} {self.tag:#x}"
        if self.name is not None:
            return f"{self.kind.value} {{{self.set_id}}} Name {self.name}"
        return f"{self.kind.value} {{{self.set_id}}} Id {self.number:#x}"

    @property
    def is_array(self) -> bool:
        return self.kind.value.endswith("Array")


@dataclass(slots=True, eq=False)
class Item:
    """Base of messages and calendar events.

    `identity`, `entry`, `folder` and `change` are set and kept by the `Mailbox`; nothing else writes them.
    `attachments` and `properties` stay None while empty: most of a large mailbox has neither.
    """

    subject: str = ""
    body: Body = EMPTY_BODY
    created_at: datetime = NOT_SET
    modified_at: datetime = NOT_SET
    categories: tuple[str, ...] = ()
    importance: str = "normal"
    sensitivity: str = "normal"
    attachments: list[Attachment] | None = None
    properties: dict[PropertyKey, PropertyValue] | None = None
    extensions: dict[str, dict[str, object]] | None = None
    item_class: str = "IPM.Note"
    identity: int = field(default=0, kw_only=True)
    entry: int = field(default=0, kw_only=True)
    folder: Folder = field(default=None, kw_only=True)  # type: ignore[assignment]
    change: int = field(default=0, kw_only=True)

    @property
    def has_attachments(self) -> bool:
        """True only if something other than inline pictures is attached, as Exchange reports it."""
        return self.attachments is not None and any(not part.is_inline for part in self.attachments)

    def attachment(self, key: bytes) -> Attachment | None:
        """Return the attachment with that key, or None."""
        return next((part for part in self.attachments or () if part.key == key), None)

    @property
    def size(self) -> int:
        """Bytes as Exchange would report them, roughly."""
        return 4096 + 2 * len(self.body.content) + sum(part.size for part in self.attachments or ())
