"""What the vault needs from outside."""

from __future__ import annotations

from typing import Protocol


class KeyService(Protocol):
    """Holds key-encryption keys and never hands one out: a file, a cloud KMS, a Transit engine."""

    async def current_key_id(self, *, organization_id: str) -> str:
        """Return the key to wrap with now; makes one for a new organization."""
        ...

    async def wrap(self, *, key_id: str, data_key: bytes, context: bytes) -> bytes:
        """Encrypt a data key, bound to ``context``."""
        ...

    async def unwrap(self, *, key_id: str, wrapped_key: bytes, context: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            SealBroken: Wrong key, context or bytes; the value cannot be opened.
            TemporarilyUnavailable: The key service does not answer; repeat later, never fall back.
        """
        ...

    async def health(self) -> None:
        """Raise TemporarilyUnavailable unless keys can be used now."""
        ...
