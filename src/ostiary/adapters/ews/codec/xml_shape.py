"""Reading elements that may hold anything: a surprise becomes one named error, never a crash."""

from __future__ import annotations

from datetime import UTC, datetime

from ostiary.adapters.ews.ids import our_id
from ostiary.adapters.ews.soap import Element, T
from ostiary.core.kernel.errors import ProviderContractBroken
from ostiary.core.kernel.mail_address import MailAddress


def broken(what: str) -> ProviderContractBroken:
    """Return the error for an answer that Microsoft's documents do not allow."""
    return ProviderContractBroken(f"Microsoft gave an answer we do not understand ({what}).")


def text(node: Element, name: str) -> str:
    """Return the text of a child; empty when absent."""
    return node.findtext(f"{T}{name}") or ""


def optional_text(node: Element, name: str) -> str | None:
    """Return the text of a child; None when absent or empty."""
    return node.findtext(f"{T}{name}") or None


def flag(node: Element, name: str) -> bool:
    """Return a truth value in any of XML Schema's spellings; False when absent."""
    return text(node, name).strip() in ("true", "1")


def count(node: Element, name: str) -> int:
    """Return a whole number; 0 when absent."""
    value = text(node, name).strip()
    if not value:
        return 0
    try:
        return int(value[:18])
    except ValueError as error:
        raise broken(name) from error


def object_id(node: Element, name: str) -> str | None:
    """Return the id in a child such as ``ItemId``, in the form we give out; None when absent."""
    child = node.find(f"{T}{name}")
    value = None if child is None else child.get("Id")
    return None if not value else our_id(value)


def required_id(node: Element, name: str) -> str:
    """Return the id in a child that must be there."""
    value = object_id(node, name)
    if value is None:
        raise broken(name)
    return value


def change_key(node: Element, name: str) -> str:
    """Return the change key in a child such as ``ItemId``; empty when absent."""
    child = node.find(f"{T}{name}")
    return "" if child is None else child.get("ChangeKey") or ""


def moment(node: Element, name: str) -> datetime | None:
    """Return a time as aware UTC; None when absent. One without an offset is UTC, as our requests ask."""
    value = text(node, name).strip()
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise broken(name) from error


def required_moment(node: Element, name: str) -> datetime:
    """Return a time that must be there."""
    at = moment(node, name)
    if at is None:
        raise broken(name)
    return at


def texts(node: Element, name: str) -> tuple[str, ...]:
    """Return the strings of a child list."""
    listed = node.find(f"{T}{name}")
    return () if listed is None else tuple(child.text or "" for child in listed)


def mailbox(node: Element | None) -> MailAddress | None:
    """Return the person of an element that holds a ``Mailbox``, or None when it names nobody.

    Exchange may give an internal address (``/o=…``) instead of an SMTP one; that one leads nowhere and is left out.
    """
    box = None if node is None else node.find(f"{T}Mailbox")
    if box is None:
        return None
    address, name = text(box, "EmailAddress"), text(box, "Name")
    if text(box, "RoutingType") not in ("", "SMTP") or "@" not in address:
        address = ""
    return MailAddress(address, name) if address or name else None


def mailboxes(node: Element, name: str) -> tuple[MailAddress, ...]:
    """Return the people of a list of ``Mailbox`` elements."""
    listed = node.find(f"{T}{name}")
    if listed is None:
        return ()
    people: list[MailAddress] = []
    for box in listed.iterfind(f"{T}Mailbox"):
        address, person = text(box, "EmailAddress"), text(box, "Name")
        if text(box, "RoutingType") not in ("", "SMTP") or "@" not in address:
            address = ""
        if address or person:
            people.append(MailAddress(address, person))
    return tuple(people)
