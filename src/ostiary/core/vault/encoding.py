"""The canonical bytes that tie a sealed value to its place, its key and its format."""

from __future__ import annotations

from typing import Final

from ostiary.core.vault.model import SealContext

FORMAT_VERSION: Final = 1
"""The only format there is. Another number is refused, never guessed at (SR-34)."""

_LABEL: Final = b"ostiary sealed value"


def associated_data(context: SealContext, *, format_version: int, key_id: str) -> bytes:
    """Return the bytes that are authenticated beside a value (SR-32).

    Every field carries its length, so that no two different contexts can ever give the same bytes.
    """
    fields = (
        _LABEL,
        str(format_version).encode(),
        key_id.encode(),
        context.organization_id.encode(),
        context.owner_id.encode(),
        context.kind.encode(),
        str(context.version).encode(),
    )
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)
