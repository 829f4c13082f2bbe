"""Shapes: which properties a request wants back, and how they are put in the schema's order.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/itemshape
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from m365_emulator.ews import fields, xml
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.fields import folder as folder_fields
from m365_emulator.ews.fields.extended import ExtendedField, read_path
from m365_emulator.ews.fields.registry import FAMILIES, ORDER, Field, kind_of
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox import Folder, Item, Message
from m365_emulator.world.mailbox.mime import headers_of

_BASE_SHAPES = frozenset({"IdOnly", "Default", "AllProperties"})
_BODY_TYPES = frozenset({"Best", "HTML", "Text"})

_Write = Callable[[View, Item], str]


@dataclass(slots=True)
class ItemShape:
    """What an ItemShape asks for.

    Args:
        base: IdOnly, Default or AllProperties.
        uris: FieldURIs asked for by name.
        extended: Extended properties asked for.
        headers: Internet headers asked for by name.
        for_find: True in FindItem, which never returns bodies, recipients and the like.
        with_id: False for an item inside another one, which has no id.
    """

    base: str = "IdOnly"
    uris: tuple[str, ...] = ()
    extended: tuple[ExtendedField, ...] = ()
    headers: tuple[str, ...] = ()
    include_mime: bool = False
    body_type: str = "Best"
    for_find: bool = False
    with_id: bool = True
    _compiled: dict[str, tuple[_Write, ...]] = field(default_factory=dict[str, tuple[_Write, ...]])

    def element(self, view: View, item: Item) -> str:
        """Return the item as an element with the wanted properties in schema order."""
        kind = kind_of(item)
        writers = self._compiled.get(kind)
        if writers is None:
            writers = self._compiled[kind] = tuple(self._compile(kind))
        return f"<t:{kind}>{''.join([write(view, item) for write in writers])}</t:{kind}>"

    def _compile(self, kind: str) -> Iterable[_Write]:
        order = ORDER[kind]
        wanted: dict[str, Field] = {}
        for uri in (*(("item:ItemId",) if self.with_id else ()), *self._base_uris(kind), *self.uris):
            known = fields.ITEM_FIELDS.get(uri)
            if known is None or known.element not in order or uri.partition(":")[0] not in FAMILIES[kind]:
                continue
            if self.for_find and not known.in_find:
                continue
            wanted[known.element] = known
        if self.include_mime and not self.for_find:
            wanted["MimeContent"] = fields.ITEM_FIELDS["item:MimeContent"]
        writers: dict[str, _Write] = {name: found.render for name, found in wanted.items()}
        if self.extended:
            writers["ExtendedProperty"] = self._extended
        if self.headers and "InternetMessageHeaders" not in writers:
            writers["InternetMessageHeaders"] = self._headers
        return [writers[name] for name in sorted(writers, key=order.__getitem__)]

    def _base_uris(self, kind: str) -> Iterable[str]:
        if self.base == "Default":
            return fields.DEFAULT[kind]
        return fields.ALL if self.base == "AllProperties" else ()

    def _extended(self, view: View, item: Item) -> str:
        return "".join([one.element(view, item) for one in self.extended])

    def _headers(self, view: View, item: Item) -> str:
        wanted = {name.lower() for name in self.headers}
        present = headers_of(item) if isinstance(item, Message) else ()
        inner = "".join(
            xml.leaf("t:InternetMessageHeader", value, {"HeaderName": name})
            for name, value in present
            if name.lower() in wanted
        )
        return f"<t:InternetMessageHeaders>{inner}</t:InternetMessageHeaders>" if inner else ""


@dataclass(slots=True)
class FolderShape:
    """What a FolderShape asks for."""

    base: str = "IdOnly"
    uris: tuple[str, ...] = ()
    extended: tuple[ExtendedField, ...] = ()

    def element(self, view: View, folder: Folder) -> str:
        """Return the folder as an element with the wanted properties in schema order."""
        kind = folder_fields.element_of(folder)
        order = folder_fields.ORDER[kind]
        base = folder_fields.DEFAULT if self.base == "Default" else folder_fields.ALL
        uris = {"folder:FolderId", *self.uris, *(base if self.base != "IdOnly" else ())}
        parts = {one.element: one.render(view, folder) for one in folder_fields.FIELDS if one.uri in uris}
        if self.extended:
            parts["ExtendedProperty"] = "".join(one.element(view, folder) for one in self.extended)
        inner = "".join(parts[name] for name in sorted(order, key=order.__getitem__) if name in parts)
        return f"<t:{kind}>{inner}</t:{kind}>"


def read_item_shape(node: Node | None, *, for_find: bool = False) -> ItemShape:
    """Read ``m:ItemShape``.

    Raises:
        SoapFault: It does not follow the schema.
        ResponseError: It asks FindItem for something only GetItem returns.
    """
    if node is None:
        raise schema_violation("The element 'ItemShape' is missing.")
    uris, extended, headers = _additional(node)
    if for_find:
        for uri in uris:
            known = fields.ITEM_FIELDS.get(uri)
            if known is not None and not known.in_find:
                raise ResponseError(
                    "ErrorInvalidPropertyRequest",
                    "Property is not valid for this object type.",
                    message_xml=xml.element("t:FieldURI", "", {"FieldURI": uri}),
                )
    return ItemShape(
        base=_base(node),
        uris=uris,
        extended=extended,
        headers=headers,
        include_mime=read_boolean(node.findtext(f"{xml.T}IncludeMimeContent"), default=False),
        body_type=_body_type(node),
        for_find=for_find,
    )


def read_attachment_shape(node: Node | None) -> ItemShape:
    """Read ``m:AttachmentShape``, which may be left out; raises like `read_item_shape`."""
    if node is None:
        return ItemShape()
    uris, extended, headers = _additional(node)
    return ItemShape(
        uris=uris,
        extended=extended,
        headers=headers,
        include_mime=read_boolean(node.findtext(f"{xml.T}IncludeMimeContent"), default=False),
        body_type=_body_type(node),
    )


def read_folder_shape(node: Node | None) -> FolderShape:
    """Read ``m:FolderShape``; raises like `read_item_shape`."""
    if node is None:
        raise schema_violation("The element 'FolderShape' is missing.")
    uris, extended, _ = _additional(node)
    return FolderShape(base=_base(node), uris=uris, extended=extended)


def read_boolean(text: str | None, *, default: bool) -> bool:
    """Read a truth value in any of the four spellings of XML Schema."""
    if text is None:
        return default
    word = text.strip().lower()
    if word in {"true", "1"}:
        return True
    if word in {"false", "0"}:
        return False
    raise schema_violation(f"'{text[:50]}' is not a valid Boolean value.")


def _body_type(node: Node) -> str:
    body_type = (node.findtext(f"{xml.T}BodyType") or "Best").strip()
    if body_type not in _BODY_TYPES:
        raise schema_violation(f"The 'BodyType' element is invalid: '{body_type[:50]}'.")
    return body_type


def _base(node: Node) -> str:
    base = (node.findtext(f"{xml.T}BaseShape") or "").strip()
    if base not in _BASE_SHAPES:
        raise schema_violation(f"The 'BaseShape' element is invalid: '{base[:50]}'.")
    return base


def _additional(node: Node) -> tuple[tuple[str, ...], tuple[ExtendedField, ...], tuple[str, ...]]:
    listed = node.find(f"{xml.T}AdditionalProperties")
    uris: list[str] = []
    extended: list[ExtendedField] = []
    headers: list[str] = []
    for path in elements(listed) if listed is not None else ():
        match local_name(path):
            case "FieldURI":
                uris.append(read_uri(path))
            case "ExtendedFieldURI":
                extended.append(read_path(path))
            case "IndexedFieldURI":
                if path.get("FieldURI") == "item:InternetMessageHeader":
                    headers.append(path.get("FieldIndex") or "")
            case name:
                raise schema_violation(
                    f"The element 'AdditionalProperties' has invalid child element '{name}'."
                )
    return tuple(dict.fromkeys(uris)), tuple(dict.fromkeys(extended)), tuple(headers)


def read_uri(path: Node) -> str:
    """Return the FieldURI of a path; raises a schema fault when it belongs to no known family."""
    uri = path.get("FieldURI") or ""
    family, separator, name = uri.partition(":")
    if not separator or not name or family not in fields.KNOWN_FAMILIES:
        raise schema_violation(f"The 'FieldURI' attribute is invalid - The value '{uri[:100]}' is invalid.")
    return uri
