"""Names that may become part of a key's address."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def require_name(name: str) -> None:
    """Raise ValueError unless ``name`` is letters, digits, dashes and underscores: nothing that leads elsewhere."""
    if _NAME.fullmatch(name) is None:
        raise ValueError("a key cannot be named after this organization id")
