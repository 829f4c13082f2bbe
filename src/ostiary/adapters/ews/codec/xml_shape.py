"""Reading elements that may hold anything: a surprise becomes one named error, never a crash.

Every function takes an element, or its :func:`children` where many of them are read: to look for each one anew
would go through the element's children once for every field.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias

from ostiary.adapters.ews.ids import our_id
from ostiary.adapters.ews.soap import Element, T
from ostiary.core.kernel.errors import ProviderContractBroken
from ostiary.core.kernel.mail_address import MailAddress

_MAILBOX = f"{T}Mailbox"

Children: TypeAlias = dict[str, Element]
"""The children of one element by tag."""


def children(node: Element) -> Children:
    """Return the children of an element; the last of those with one tag."""
    return {str(each.tag): each for each in node}


def child(node: Element | Children, name: str) -> Element | None:
    """Return a child of Microsoft's types namespace; None when absent."""
    tag = T + name
    return node.get(tag) if isinstance(node, dict) else node.find(tag)


def broken(what: str) -> ProviderContractBroken:
    """Return the error for an answer that Microsoft's documents do not allow."""
    return ProviderContractBroken(f"Microsoft gave an answer we do not understand ({what}).")


def text(node: Element | Children, name: str) -> str:
    """Return the text of a child; empty when absent."""
    found = child(node, name)
    return "" if found is None else found.text or ""


def optional_text(node: Element | Children, name: str) -> str | None:
    """Return the text of a child; None when absent or empty."""
    return text(node, name) or None


def flag(node: Element | Children, name: str) -> bool:
    """Return a truth value in any of XML Schema's spellings; False when absent."""
    return text(node, name).strip() in ("true", "1")


def count(node: Element | Children, name: str) -> int:
    """Return a whole number; 0 when absent."""
    value = text(node, name).strip()
    if not value:
        return 0
    try:
        return int(value[:18])
    except ValueError as error:
        raise broken(name) from error


def object_id(node: Element | Children, name: str) -> str | None:
    """Return the id in a child such as ``ItemId``, in the form we give out; None when absent."""
    found = child(node, name)
    value = None if found is None else found.get("Id")
    return None if not value else our_id(value)


def required_id(node: Element | Children, name: str) -> str:
    """Return the id in a child that must be there."""
    value = object_id(node, name)
    if value is None:
        raise broken(name)
    return value


def change_key(node: Element | Children, name: str) -> str:
    """Return the change key in a child such as ``ItemId``; empty when absent."""
    found = child(node, name)
    return "" if found is None else found.get("ChangeKey") or ""


def moment(node: Element | Children, name: str) -> datetime | None:
    """Return a time as aware UTC; None when absent. One without an offset is UTC, as our requests ask."""
    value = text(node, name).strip()
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise broken(name) from error


def required_moment(node: Element | Children, name: str) -> datetime:
    """Return a time that must be there."""
    at = moment(node, name)
    if at is None:
        raise broken(name)
    return at


def texts(node: Element | Children, name: str) -> tuple[str, ...]:
    """Return the strings of a child list."""
    listed = child(node, name)
    return () if listed is None else tuple(each.text or "" for each in listed)


def mailbox(node: Element | None) -> MailAddress | None:
    """Return the person of an element that holds a ``Mailbox``, or None when it names nobody.

    Exchange may give an internal address (``/o=…``) instead of an SMTP one; that one leads nowhere and is left out.
    """
    box = None if node is None else node.find(f"{T}Mailbox")
    return None if box is None else _person(box)


def mailboxes(node: Element | Children, name: str) -> tuple[MailAddress, ...]:
    """Return the people of a list of ``Mailbox`` elements."""
    listed = child(node, name)
    if listed is None:
        return ()
    people = (_person(box) for box in listed if box.tag == _MAILBOX)
    return tuple(person for person in people if person is not None)


def _person(box: Element) -> MailAddress | None:
    inside = children(box)
    address, name = text(inside, "EmailAddress"), text(inside, "Name")
    if text(inside, "RoutingType") not in ("", "SMTP") or "@" not in address:
        address = ""
    return MailAddress(address, name) if address or name else None
