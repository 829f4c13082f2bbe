"""SOAP 1.1 envelopes: writing requests, and reading answers as if a stranger had written them (SR-90)."""

from __future__ import annotations

import re
from typing import Final, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from ostiary.core.kernel.errors import ProviderContractBroken, TemporarilyUnavailable

Element: TypeAlias = etree._Element  # pyright: ignore[reportPrivateUsage]

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES: Final = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES: Final = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS: Final = "http://schemas.microsoft.com/exchange/services/2006/errors"
S: Final = f"{{{SOAP}}}"
M: Final = f"{{{MESSAGES}}}"
T: Final = f"{{{TYPES}}}"
E: Final = f"{{{ERRORS}}}"

SERVER_VERSION: Final = "Exchange2013_SP1"
"""The newest version that Microsoft documents; all fields we ask for exist in it (ews.md §1)."""

MOST_ANSWER_BYTES: Final = 32 * 1024 * 1024
MOST_DEPTH: Final = 100
_LARGE_TEXT_BYTES: Final = 10_000_000
"""From here on libxml2 takes a text for an attack unless told otherwise; a long HTML mail is none."""

_TOO_DEEP: Final = etree.XPath(f"boolean({'/*' * (MOST_DEPTH + 1)})")
_PROLOG: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:<\?xml[^>]{0,200}\?>)?\s*<[A-Za-z_]")
"""A declaration at most, then the root: nothing that could be a DOCTYPE. UTF-8 only, as Exchange writes."""
_CHARACTER_REFERENCE: Final = re.compile(rb"&#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL_BYTES: Final = bytes(byte for byte in range(32) if byte not in (9, 10, 13))


def envelope(body: str) -> bytes:
    """Return the request envelope around ``body``, which is XML already. Times in the answer are UTC."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
        f'<s:Header><t:RequestServerVersion Version="{SERVER_VERSION}"/>'
        '<t:TimeZoneContext><t:TimeZoneDefinition Id="UTC"/></t:TimeZoneContext></s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def element_text(value: str) -> str:
    """Return ``value`` as the text of an element, without the characters that XML cannot carry at all."""
    return escape(_NOT_XML.sub("", value))


def attribute(value: str) -> str:
    """Return ``value`` quoted for use as an attribute."""
    return quoteattr(value)


def parse_body(data: bytes) -> Element:
    """Return the one element inside the SOAP body: a response or a fault.

    Raises:
        TemporarilyUnavailable: No XML, or cut short: something on the way broke it; repeat later.
        ProviderContractBroken: XML that Exchange never sends: a DTD, no envelope, too deep, too large.
    """
    if len(data) > MOST_ANSWER_BYTES:
        raise _broken("too large")
    root = _parse(data)
    if root.getroottree().docinfo.doctype:
        raise _broken("a document type")
    if _TOO_DEEP(root):
        raise _broken("too deep")
    if str(root.tag).lower().rpartition("}")[2] == "html":
        raise _unreadable()  # the page of a gateway or proxy, not of Exchange
    if root.tag != f"{S}Envelope":
        raise _broken("no envelope")
    body = root.find(f"{S}Body")
    if body is None or len(body) != 1:
        raise _broken("no body")
    return body[0]


def _parse(data: bytes) -> Element:
    if _PROLOG.match(data[:512].lstrip()) is None:
        if data.lstrip()[:2] == b"<!" or b"<!DOCTYPE" in data[:4096]:
            raise _broken("a document type")
        raise _unreadable()
    try:
        return etree.fromstring(data.lstrip(), _parser(data))
    except etree.XMLSyntaxError:
        # Exchange writes characters of people's mail that XML does not allow, such as &#x1F;.
        cleaned = _without_forbidden_characters(data)
        if cleaned == data:
            raise _unreadable() from None
    try:
        return etree.fromstring(cleaned.lstrip(), _parser(cleaned))
    except etree.XMLSyntaxError:
        raise _unreadable() from None


def _parser(data: bytes) -> etree.XMLParser:
    # Without a DTD there are no entities, so lifting libxml2's own limits for a long mail opens no door.
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=len(data) > _LARGE_TEXT_BYTES,
    )


def _without_forbidden_characters(data: bytes) -> bytes:
    def allowed(match: re.Match[bytes]) -> bytes:
        code = int(match[1], 16) if match[1] else int(match[2])
        good = code in (9, 10, 13) or 32 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD
        return match[0] if good or 0x10000 <= code <= 0x10FFFF else b""

    return _CHARACTER_REFERENCE.sub(allowed, data).translate(None, _CONTROL_BYTES)


def _unreadable() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")


def _broken(what: str) -> ProviderContractBroken:
    return ProviderContractBroken(f"Microsoft gave an answer we do not understand ({what}).")
