"""Opaque cursors: what a caller hands back to get the next page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Final, cast

from ostiary.core.kernel.errors import InvalidRequest

MOST_CURSOR_CHARACTERS: Final = 8192
"""Graph's own next links run to about two thousand characters."""


def wrap_cursor(position: Mapping[str, object], *, binding: str) -> str:
    """Return ``position`` as text safe in a URL, good only with the same ``binding``.

    Args:
        position: Where the next page starts; JSON values only, nothing secret: callers can read it.
        binding: Names the mailbox and the query, so that a cursor handed to another one is noticed.
    """
    envelope = {"b": _digest(binding), "p": dict(position)}
    raw = json.dumps(envelope, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def unwrap_cursor(cursor: str, *, binding: str) -> dict[str, object]:
    """Return the position inside ``cursor``. It comes from a caller: check every value before use.

    Raises:
        InvalidRequest: Not one of ours, cut short, or of another mailbox or query.
    """
    refusal = InvalidRequest("This cursor does not belong to this list. Start without one.", field="cursor")
    if len(cursor) > MOST_CURSOR_CHARACTERS:
        raise refusal
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        envelope = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise refusal from error
    if not isinstance(envelope, dict):
        raise refusal
    fields = cast("dict[str, object]", envelope)
    position = fields.get("p")
    if fields.get("b") != _digest(binding) or not isinstance(position, dict):
        raise refusal
    return cast("dict[str, object]", position)


def _digest(binding: str) -> str:
    return hashlib.sha256(binding.encode()).hexdigest()[:16]
