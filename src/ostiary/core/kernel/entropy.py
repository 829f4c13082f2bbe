"""Randomness as a port, so that one seed replays one run."""

from __future__ import annotations

import random
import secrets
from typing import Protocol


class Entropy(Protocol):
    """Gives random bytes."""

    def token_bytes(self, count: int) -> bytes:
        """Return ``count`` unpredictable bytes."""
        ...


class SystemEntropy:
    """The operating system's generator: the only one fit for secrets."""

    def token_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)


class SeededEntropy:
    """Repeatable bytes for tests. Never wired outside them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatability is the point

    def token_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)
