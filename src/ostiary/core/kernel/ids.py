"""Object ids and the references people read over the phone.

Ids are random and never sequential, so that nobody can guess or count objects (SR-30).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from ostiary.core.kernel.entropy import Entropy

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID_LENGTH: Final = 26  # 26 × 5 bits = 130 bits: guessing one is out of reach
_REFERENCE = re.compile(r"^([A-Z]{2})-?([0-9A-Z]{4})-?([0-9A-Z]{4})$")
# Crockford's alphabet leaves out I, L, O and U; people still type them.
_MISREAD: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V"})


class ReferenceKind(StrEnum):
    """First two letters of a reference (UX §5)."""

    CONSENT = "CN"
    CONNECT = "CO"
    APPROVAL_REQUEST = "AR"
    MOVE = "MV"
    LINK = "LK"


def new_id(prefix: str, entropy: Entropy) -> str:
    """Return a fresh object id such as ``org_7zq…`` (prefix, underscore, 26 lower-case characters)."""
    return f"{prefix}_{_characters(_ID_LENGTH, entropy).lower()}"


def new_reference(kind: ReferenceKind, entropy: Entropy) -> str:
    """Return a fresh reference such as ``CN-5H2R-9WTB``: short enough to read aloud, not a secret."""
    letters = _characters(8, entropy)
    return f"{kind.value}-{letters[:4]}-{letters[4:]}"


def parse_reference(text: str) -> str | None:
    """Return ``text`` in canonical form, or None when it is no reference.

    Forgives lower case, missing dashes, blanks, and the letters people confuse (I, L, O, U).
    """
    match = _REFERENCE.match(re.sub(r"\s+", "", text.upper()))
    if match is None:
        return None
    kind, first, second = match.groups()
    if kind not in set(ReferenceKind):
        return None
    return f"{kind}-{first.translate(_MISREAD)}-{second.translate(_MISREAD)}"


def _characters(count: int, entropy: Entropy) -> str:
    return "".join(_CROCKFORD[byte & 31] for byte in entropy.token_bytes(count))
