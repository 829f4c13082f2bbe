"""How a caller's folder is named in a path or a body."""

from __future__ import annotations

import re

from ostiary.adapters.graph.codec.mail import WELL_KNOWN_NAMES
from ostiary.adapters.graph.ids import path_segment
from ostiary.core.mail.model import WellKnownFolder


def folder_segment(folder_id: str) -> str:
    """Return an id or one of our folder names as one path segment; raises NotFound."""
    return _own_name(folder_id) or path_segment(folder_id)


def destination(folder_id: str) -> str:
    """Return an id or one of our folder names as ``destinationId``; raises NotFound."""
    known = _own_name(folder_id)
    if known is None:
        path_segment(folder_id)
    return known or folder_id


def _own_name(folder_id: str) -> str | None:
    # Graph would take any of its own folder names here; ours are the ones that mean the same over EWS.
    if re.fullmatch(r"[a-z]{1,12}", folder_id):
        try:
            return WELL_KNOWN_NAMES[WellKnownFolder(folder_id)]
        except ValueError:
            pass
    return None
