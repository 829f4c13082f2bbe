"""Signed checkpoints: how far each chain had come, so that a rewritten or shortened one shows (SR-73)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.core.audit.chain import encode, moment

NOTHING_BEFORE: Final = bytes(32)
"""What the first checkpoint names as the one before it."""


class CheckpointKind(StrEnum):
    """What a checkpoint states."""

    SEAL = "seal"
    """The chain had this hash at this position."""
    START = "start"
    """Everything up to this position was removed because its time was over."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One signed statement. Checkpoints of all chains are numbered from 1 and name the one before."""

    number: int
    kind: CheckpointKind
    chain: str
    position: int
    hash: bytes
    at: datetime
    previous: bytes
    signature: bytes

    def message(self) -> bytes:
        """Return the bytes that are signed."""
        return encode(
            (
                "ostiary audit checkpoint 1",
                str(self.number),
                self.kind.value,
                self.chain,
                str(self.position),
                self.hash.hex(),
                moment(self.at),
                self.previous.hex(),
            )
        )

    def digest(self) -> bytes:
        """Return what the next checkpoint names as the one before it."""
        return hashlib.sha256(self.message() + self.signature).digest()


class CheckpointKey:
    """The instance's Ed25519 key for checkpoints, derived from its keys and never stored."""

    def __init__(self, seed: bytes) -> None:
        """``seed``: 32 bytes, the same in every process of the instance."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_bytes(self) -> bytes:
        """The 32 bytes with which anybody can check a checkpoint."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(
        self,
        *,
        kind: CheckpointKind,
        chain: str,
        position: int,
        reached: bytes,
        at: datetime,
        after: Checkpoint | None,
    ) -> Checkpoint:
        """Return the checkpoint that follows ``after``; ``reached`` is the chain's hash at ``position``."""
        unsigned = Checkpoint(
            number=1 if after is None else after.number + 1,
            kind=kind,
            chain=chain,
            position=position,
            hash=reached,
            at=at,
            previous=NOTHING_BEFORE if after is None else after.digest(),
            signature=b"",
        )
        return Checkpoint(
            number=unsigned.number,
            kind=kind,
            chain=chain,
            position=position,
            hash=reached,
            at=at,
            previous=unsigned.previous,
            signature=self._key.sign(unsigned.message()),
        )

    def is_ours(self, checkpoint: Checkpoint) -> bool:
        """Whether this instance signed exactly this."""
        try:
            self._key.public_key().verify(checkpoint.signature, checkpoint.message())
        except InvalidSignature:
            return False
        return True
