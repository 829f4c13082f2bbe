"""Entity tags: Microsoft's change key of an object, as HTTP wants it."""

from __future__ import annotations

import hashlib

from ostiary.core.kernel.errors import VersionChanged


def etag_of(version: str) -> str:
    """Return a weak tag for a version. Microsoft's text is hashed, so that it may hold any character."""
    return f'W/"{hashlib.sha256(version.encode()).hexdigest()[:32]}"'


def check_if_match(version: str, if_match: str | None) -> None:
    """Raise VersionChanged unless the caller's ``If-Match`` allows this version; no header allows any.

    Our tags are weak, and compared as such although RFC 9110 §13.1.1 wants strong ones: a change key is all that
    Microsoft tells of a version, and it changes with every change.
    """
    if if_match is None or "*" in (
        known := [part.strip().removeprefix("W/") for part in if_match.split(",")]
    ):
        return
    if etag_of(version).removeprefix("W/") not in known:
        raise VersionChanged("It was changed since you read it. Read it again, then decide.")


def is_unchanged(tag: str, if_none_match: str | None) -> bool:
    """Whether the caller has this version already (RFC 9110 §13.1.2; weak comparison)."""
    if if_none_match is None:
        return False
    known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag.removeprefix("W/") in known or "*" in known
