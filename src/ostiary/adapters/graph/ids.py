"""Ids of Graph objects as they go into a path."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from ostiary.core.kernel.errors import NotFound

_ID: Final = re.compile(r"[A-Za-z0-9_=+/-]{1,1024}")
"""Graph's ids are base64 in one alphabet or the other (graph.md §4). Nothing else may reach a path."""


def path_segment(object_id: str) -> str:
    """Return a caller's id as one path segment.

    Raises:
        NotFound: It cannot be an id of anything; nothing is sent.
    """
    if _ID.fullmatch(object_id) is None:
        raise NotFound("There is no such object in this mailbox.")
    return quote(object_id, safe="")
