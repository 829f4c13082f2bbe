"""What the vault needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ostiary.core.vault.model import KeyFate


class KeyService(Protocol):
    """Holds key-encryption keys and never hands one out: a file, a cloud KMS, a Transit engine.

    Every method raises TemporarilyUnavailable while the service does not answer (repeat later, never fall back)
    and Misconfigured when it refuses us; only exceptions beyond these two are named below.
    """

    async def current_key_id(self, *, organization_id: str) -> str:
        """Return the key to wrap with now; makes one for a new organization.

        After :meth:`rotate` in another process the older key may be named for up to a minute; it still works.
        """
        ...

    async def wrap(self, *, key_id: str, data_key: bytes, context: bytes) -> bytes:
        """Encrypt a data key of up to 64 bytes, bound to ``context``."""
        ...

    async def unwrap(self, *, key_id: str, wrapped_key: bytes, context: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            SealBroken: Wrong key, context or bytes; the value cannot be opened.
        """
        ...

    async def rotate(self, *, organization_ids: Sequence[str]) -> None:
        """Make a new key current for each of these organizations; what older ones wrapped still unwraps.

        A back end with one root for all of them gives everybody a new key.
        """
        ...

    async def destroy(self, *, organization_id: str) -> KeyFate:
        """Give up every key the organization ever had, so that backups cannot be opened either (SR-102)."""
        ...

    async def instance_key(self, purpose: str) -> bytes:
        """Return the instance's own 256-bit key for ``purpose``: the same in every process, never stored."""
        ...

    async def sign(self, *, key_name: str, message: bytes) -> bytes:
        """Sign with an asymmetric key of the operator's that never leaves the service (SR-37).

        RSASSA-PSS with SHA-256 and a salt of 32 bytes, which JOSE calls PS256.

        Args:
            message: At most 4,096 bytes.
            key_name: What the key service calls the key; Misconfigured where it has none of that name, and always
                where the back end holds no asymmetric keys.
        """
        ...

    async def health(self) -> None:
        """Return once keys can be used now."""
        ...
