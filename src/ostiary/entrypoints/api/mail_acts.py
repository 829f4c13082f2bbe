"""What names one act of a caller, so that Microsoft is asked for it once."""

from __future__ import annotations

from fastapi import Request

from ostiary.entrypoints.web.context import principal


def act_key(request: Request, key: str | None) -> tuple[str, ...] | None:
    """Return the names of an act, or None without a key: a key counts for its caller and the address it was sent to."""
    return None if key is None else (principal(request).id, request.url.path, key)
