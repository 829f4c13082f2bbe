"""SOAP 1.1 envelopes: reading requests from strangers and writing answers.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/requestserverversion
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from lxml import etree

from m365_emulator.ews import xml
from m365_emulator.ews.faults import SoapFault, schema_violation

Node: TypeAlias = etree._Element  # pyright: ignore[reportPrivateUsage]

# Exchange Online takes messages up to 150 MB, but a SOAP request of base64 text is cut far earlier; this bounds memory.
MAX_REQUEST_BYTES = 64 * 1024 * 1024
# Above this, libxml2 refuses a text node unless told otherwise, so only such requests are parsed without its limits.
_LIBXML_TEXT_LIMIT_BYTES = 10_000_000
# The deepest legal EWS request (nested item attachments, nested restrictions) stays far below this.
MAX_DEPTH = 100

# Exchange Online answers with a pseudo version that is not legal in a request.
SERVER_VERSION = (15, 20, 9000, 12, "V2018_01_08")

# The documented list ends at Exchange2013_SP1; Exchange Online takes the later ones that clients send too.
REQUEST_VERSIONS = frozenset(
    {
        "Exchange2007",
        "Exchange2007_SP1",
        "Exchange2010",
        "Exchange2010_SP1",
        "Exchange2010_SP2",
        "Exchange2013",
        "Exchange2013_SP1",
        "Exchange2015",
        "Exchange2015_SP1",
        "Exchange2016",
    }
)
DEFAULT_REQUEST_VERSION = "Exchange2007"

_HEADER = (
    '<s:Header><h:ServerVersionInfo xmlns:h="{types}" MajorVersion="{0}" MinorVersion="{1}" '
    'MajorBuildNumber="{2}" MinorBuildNumber="{3}" Version="{4}"/></s:Header>'
).format(*SERVER_VERSION, types=xml.TYPES)
_OPEN = (
    f'<s:Envelope xmlns:s="{xml.SOAP}" xmlns:m="{xml.MESSAGES}" xmlns:t="{xml.TYPES}" '
    f'xmlns:xsi="{xml.INSTANCE}" xmlns:xsd="http://www.w3.org/2001/XMLSchema">{_HEADER}<s:Body>'
)
_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
_CLOSE = "</s:Body></s:Envelope>"


@dataclass(slots=True, frozen=True)
class ConnectingSID:
    """Whom the caller asks to act as: ``kind`` is one of the four choices of the schema."""

    kind: str
    value: str


@dataclass(slots=True, frozen=True)
class Request:
    """One parsed request envelope."""

    operation: str
    body: Node
    version: str
    impersonate: ConnectingSID | None
    time_zone: Node | None
    """The ``t:TimeZoneDefinition`` of the TimeZoneContext header."""
    culture: str


def envelope(body: str, *, declaration: bool = True) -> bytes:
    """Return one complete response envelope around ``body``, which is XML already."""
    return f"{_DECLARATION if declaration else ''}{_OPEN}{body}{_CLOSE}".encode()


def parse(data: bytes) -> Request:
    """Read one request envelope.

    Raises:
        SoapFault: The bytes are not XML, carry a DOCTYPE, are not a SOAP envelope or name an unknown version.
    """
    root = _tree(data)
    if root.tag != f"{xml.S}Envelope":
        raise schema_violation(f"The root element must be Envelope, not {_local(root)}.")
    body = root.find(f"{xml.S}Body")
    if body is None:
        raise schema_violation("The envelope has no Body element.")
    message = next(iter(elements(body)), None)
    if message is None:
        raise schema_violation("The Body element is empty.")
    header = root.find(f"{xml.S}Header")
    return Request(
        operation=_operation(message),
        body=message,
        version=_version(header),
        impersonate=_impersonate(header),
        time_zone=None
        if header is None
        else header.find(f"{xml.T}TimeZoneContext/{xml.T}TimeZoneDefinition"),
        culture=_header_text(header, "MailboxCulture") or "en-US",
    )


def parse_tree(data: bytes) -> Node:
    """Return the root element of untrusted XML; the same limits as `parse`, for POX and notification answers."""
    return _tree(data)


def elements(node: Node) -> list[Node]:
    """Return the child elements of ``node``, without comments and processing instructions."""
    return [child for child in node if isinstance(child.tag, str)]


def local_name(node: Node) -> str:
    """Return the tag of ``node`` without its namespace."""
    return _local(node)


def _tree(data: bytes) -> Node:
    # Looking at the raw bytes first means that no DTD of a stranger is ever processed, in any Unicode encoding.
    squeezed = data[:65536].replace(b"\x00", b"")
    if b"<!DOCTYPE" in squeezed or b"<!ENTITY" in squeezed:
        raise schema_violation("For security reasons DTD is prohibited in this XML document.")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=len(data) > _LIBXML_TEXT_LIMIT_BYTES,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, position = error.position if isinstance(error.position, tuple) else (0, 0)  # pyright: ignore
        raise schema_violation(
            "The request is not well-formed XML.", line=line or 0, position=position or 0
        ) from error
    except (ValueError, LookupError) as error:
        raise schema_violation("The request is not readable XML.") from error
    if root.getroottree().docinfo.doctype:
        raise schema_violation("For security reasons DTD is prohibited in this XML document.")
    if len(data) > _LIBXML_TEXT_LIMIT_BYTES:
        _check_depth(root)
    return root


def _check_depth(root: Node) -> None:
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node]
        if not level:
            return
    raise schema_violation("The request is nested too deeply.")


def _local(node: Node) -> str:
    return etree.QName(node).localname


def _operation(message: Node) -> str:
    name = etree.QName(message)
    if name.namespace != xml.MESSAGES:
        raise schema_violation(
            f"The element '{name.localname}' in namespace '{name.namespace}' is not known."
        )
    return name.localname


def _header_text(header: Node | None, name: str) -> str | None:
    if header is None:
        return None
    found = header.findtext(f"{xml.T}{name}")
    return found.strip() if found else None


def _version(header: Node | None) -> str:
    node = None if header is None else header.find(f"{xml.T}RequestServerVersion")
    if node is None:
        return DEFAULT_REQUEST_VERSION
    version = node.get("Version") or ""
    if version in REQUEST_VERSIONS or _is_server_pseudo_version(version):
        return version
    raise SoapFault("ErrorInvalidServerVersion", "The specified server version is invalid.")


def _is_server_pseudo_version(version: str) -> bool:
    # Some clients echo the version the server reports about itself, and Exchange Online lets that pass.
    return version == SERVER_VERSION[4]


def _impersonate(header: Node | None) -> ConnectingSID | None:
    node = None if header is None else header.find(f"{xml.T}ExchangeImpersonation")
    if node is None:
        return None
    sid = node.find(f"{xml.T}ConnectingSID")
    choices = [] if sid is None else elements(sid)
    known = {"PrincipalName", "SID", "PrimarySmtpAddress", "SmtpAddress"}
    if len(choices) != 1 or _local(choices[0]) not in known or not (choices[0].text or "").strip():
        raise SoapFault(
            "ErrorInvalidExchangeImpersonationHeaderData", "ExchangeImpersonation SOAP header is invalid."
        )
    return ConnectingSID(_local(choices[0]), (choices[0].text or "").strip())
