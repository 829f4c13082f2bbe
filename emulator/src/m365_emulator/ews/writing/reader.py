"""What every property reader shares: the request, the mailbox, and how plain values are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from m365_emulator.ews import xml
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.world.mailbox import Body, Mailbox, Recipient

Values = dict[str, Any]
"""Attributes of the store's item and what to set them to."""


@dataclass(slots=True)
class Reader:
    """Reads the properties of one item of a request."""

    call: Call
    mailbox: Mailbox


PropertyReader = Callable[[Reader, Node], Values]


def text_of(attribute: str) -> PropertyReader:
    """Return a reader that stores the text of an element."""

    def read(reader: Reader, node: Node) -> Values:
        return {attribute: node.text or ""}

    return read


def flag_of(attribute: str) -> PropertyReader:
    """Return a reader that stores a truth value."""

    def read(reader: Reader, node: Node) -> Values:
        return {attribute: read_boolean(node.text, default=False)}

    return read


def word_of(attribute: str, table: dict[str, str]) -> PropertyReader:
    """Return a reader that stores a word of an enumeration in the store's spelling."""

    def read(reader: Reader, node: Node) -> Values:
        word = (node.text or "").strip()
        if word not in table:
            raise invalid_value(node, f"'{word[:50]}' is not one of {', '.join(sorted(table))}.")
        return {attribute: table[word]}

    return read


def ignored(reader: Reader, node: Node) -> Values:
    """Take no notice of an element that may be set but means nothing here."""
    return {}


def people(node: Node) -> tuple[Recipient, ...]:
    """Return the mailboxes in a list of recipients."""
    return tuple(person(child) for child in elements(node) if local_name(child) == "Mailbox")


def person(node: Node) -> Recipient:
    """Return one ``t:Mailbox``; without name, the address stands for it."""
    address = (node.findtext(f"{xml.T}EmailAddress") or "").strip()
    routing = (node.findtext(f"{xml.T}RoutingType") or "SMTP").strip().upper()
    if routing not in {"SMTP", "EX"}:
        raise ResponseError("ErrorInvalidRoutingType", f"The routing type '{routing[:20]}' is not supported.")
    if not address:
        raise ResponseError("ErrorMissingInformationEmailAddress", "The mailbox has no e-mail address.")
    return Recipient((node.findtext(f"{xml.T}Name") or "").strip() or address, address)


def with_directory_names(reader: Reader, found: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Return recipients with the names the directory has for them, where the caller gave only addresses."""
    named: list[Recipient] = []
    for one in found:
        directory = reader.call.user.tenant
        user = reader.call.world.find_user(one.address, directory) if one.name == one.address else None
        named.append(Recipient(user.display_name, one.address) if user is not None else one)
    return tuple(named)


def people_of(attribute: str) -> PropertyReader:
    """Return a reader that stores a list of recipients."""

    def read(reader: Reader, node: Node) -> Values:
        return {attribute: with_directory_names(reader, people(node))}

    return read


def single_person_of(attribute: str) -> PropertyReader:
    """Return a reader that stores one recipient."""

    def read(reader: Reader, node: Node) -> Values:
        found = with_directory_names(reader, people(node))
        return {attribute: found[0] if found else None}

    return read


def body(node: Node) -> Body:
    """Return a body element's content; BodyType says what it is."""
    kind = node.get("BodyType")
    if kind not in {"HTML", "Text"}:
        raise invalid_value(node, "BodyType must be HTML or Text.")
    return Body(node.text or "", is_html=kind == "HTML")


def strings(node: Node) -> tuple[str, ...]:
    """Return a list of ``t:String``."""
    return tuple(child.text or "" for child in elements(node) if local_name(child) == "String")


def invalid_value(node: Node, message: str) -> ResponseError:
    """Return the error for a value that a property cannot have."""
    return ResponseError(
        "ErrorInvalidValueForProperty", f"The value of {local_name(node)} is invalid. {message}"
    )
