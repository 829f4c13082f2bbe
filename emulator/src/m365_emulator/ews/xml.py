"""Writing XML text quickly and safely.

Answers are built as strings, because that is an order of magnitude cheaper than building a tree, and every value
goes through `text` or `attribute` on its way in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

M = f"{{{MESSAGES}}}"
T = f"{{{TYPES}}}"
S = f"{{{SOAP}}}"

# XML 1.0 §2.2: these characters cannot appear in a document in any form, not even as a reference.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Most texts have nothing of this, and one look for it is quicker than a replacement of each.
_SPECIAL = re.compile("[&<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def text(value: str) -> str:
    """Return ``value`` ready to stand between two tags; characters XML cannot carry are dropped."""
    if _SPECIAL.search(value) is None:
        return value
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")
    return _ILLEGAL.sub("", value)


def attribute(value: str) -> str:
    """Return ``value`` ready to stand inside a double-quoted attribute."""
    return text(value).replace('"', "&quot;").replace("\n", "&#xA;").replace("\t", "&#x9;")


def element(name: str, content: str = "", attributes: Mapping[str, str] | None = None) -> str:
    """Return one element whose ``content`` is XML already; attribute values are escaped here."""
    head = name
    if attributes:
        head += "".join(f' {key}="{attribute(value)}"' for key, value in attributes.items())
    return f"<{head}>{content}</{name}>" if content else f"<{head}/>"


def leaf(name: str, value: str, attributes: Mapping[str, str] | None = None) -> str:
    """Return one element holding the plain text ``value``."""
    return element(name, text(value), attributes)


def boolean(value: bool) -> str:
    """Return the XML Schema spelling of a truth value."""
    return "true" if value else "false"
