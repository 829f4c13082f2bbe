"""Entity tags: Microsoft's change key of an object, as HTTP wants it."""

from __future__ import annotations

import hashlib


def etag_of(version: str) -> str:
    """Return a weak tag for a version. Microsoft's text is hashed, so that it may hold any character."""
    return f'W/"{hashlib.sha256(version.encode()).hexdigest()[:32]}"'


def is_unchanged(tag: str, if_none_match: str | None) -> bool:
    """Whether the caller has this version already (RFC 9110 §13.1.2; weak comparison)."""
    if if_none_match is None:
        return False
    known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag.removeprefix("W/") in known or "*" in known
