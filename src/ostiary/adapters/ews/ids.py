"""EWS ids as we give them out: safe in a path, and equal to the id that Graph gives the same object.

EWS writes ids in the ordinary base64 alphabet, Graph's restId is the same bytes with ``/`` as ``-`` and ``+`` as
``_`` (ews.md §11, the opposite of RFC 4648). Neither alphabet has the other's letters, so both forms are taken.
"""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.kernel.errors import NotFound

_ID: Final = re.compile(r"[A-Za-z0-9_=+/-]{1,1024}")


def our_id(ews_id: str) -> str:
    """Return the form we give out."""
    return ews_id.replace("/", "-").replace("+", "_")


def ews_id(object_id: str) -> str:
    """Return the form that EWS takes.

    Raises:
        NotFound: It cannot be an id of anything; nothing is sent.
    """
    if _ID.fullmatch(object_id) is None:
        raise NotFound("There is no such object in this mailbox.")
    return object_id.replace("-", "/").replace("_", "+")
