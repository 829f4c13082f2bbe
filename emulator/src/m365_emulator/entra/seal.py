"""Opaque strings that only this emulator can read: codes, refresh tokens, form state."""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from m365_emulator.world.world import World

_NONCE_BYTES = 12


@lru_cache(maxsize=64)
def _cipher(secret: bytes, purpose: str) -> AESGCM:
    key = HKDF(hashes.SHA256(), 32, salt=None, info=purpose.encode()).derive(secret)
    return AESGCM(key)


def seal(world: World, purpose: str, content: dict[str, Any], *, pad_to: int = 0) -> str:
    """Encrypt `content` for one purpose.

    Args:
        pad_to: Smallest plain length in bytes, to be as long as the real thing.
    """
    plain = orjson.dumps(content)
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _cipher(world.secret, purpose).encrypt(nonce, plain.ljust(pad_to), None)
    return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()


def unseal(world: World, purpose: str, text: str) -> dict[str, Any] | None:
    """Decrypt; None for anything that was not sealed here for this purpose."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        plain = _cipher(world.secret, purpose).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None)
    except (InvalidTag, ValueError, binascii.Error):
        return None
    return orjson.loads(plain)
