"""Deterministic identifiers, so that one seed always gives the same world."""

from __future__ import annotations

import hashlib
import re
import uuid

_GUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")


def is_guid(text: str) -> bool:
    """Say whether `text` is a GUID in its dashed form, any case."""
    return bool(_GUID.match(text))


def stable_guid(*parts: str) -> str:
    """Return a version 4 shaped GUID that depends only on `parts`."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
