"""What is sealed, for what, and how it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class SealContext:
    """Where a secret belongs. It is authenticated with the ciphertext, so a value moved anywhere else does not open."""

    organization_id: str
    owner_id: str
    """The connection (or other object) that holds the secret."""
    kind: str
    """Such as ``refresh_token``."""
    version: int
    """Row version; the next refresh token has the next one."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value as it is stored. Safe to print: nothing of the clear text is in it."""

    format_version: int
    key_id: str
    """The key-encryption key that wrapped the data key."""
    wrapped_key: bytes
    nonce: bytes
    commitment: bytes
    """Derived from the data key and checked before decryption (SR-33)."""
    ciphertext: bytes


class KeyFate(StrEnum):
    """What became of an organization's keys when it was erased."""

    DESTROYED = "destroyed"
    """No value sealed under them opens any more, wherever a copy of it is kept."""
    SCHEDULED = "scheduled"
    """They cannot be used any more; the key service destroys them after its waiting time of some days."""
    KEPT = "kept"
    """This key service cannot destroy one organization's keys; copies in backups end with the backups."""
