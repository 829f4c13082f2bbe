"""The text of an API key: ``ost_<id>_<secret>_<checksum>`` (SR-60).

The prefix lets secret scanners find a leaked key, the id finds its row without searching by secret, and the
checksum tells a mistyped key from a wrong one without asking the database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from dataclasses import dataclass
from typing import Final

from ostiary.core.kernel.secret import Secret

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
KEY_PREFIX: Final = "ost_"
"""What every key begins with."""

SECRET_BYTES: Final = 32
_FORM = re.compile(r"ost_([0-9a-z]{26})_([0-9a-z]{52})_([0-9a-z]{7})")
_ID_PREFIX: Final = "key_"


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key taken apart."""

    key_id: str
    secret: Secret


def write_key(key_id: str, random_bytes: bytes) -> tuple[Secret, KeyText]:
    """Return the key to show once, and its parts.

    Args:
        key_id: ``key_`` and 26 characters.
        random_bytes: 32 fresh ones.
    """
    if len(random_bytes) != SECRET_BYTES:
        raise ValueError("a key's secret has 256 bits")
    secret = _base32(int.from_bytes(random_bytes, "big"), 52)
    body = f"ost_{key_id.removeprefix(_ID_PREFIX)}_{secret}"
    return Secret(f"{body}_{_checksum(body)}"), KeyText(key_id, Secret(secret))


def read_key(text: Secret) -> KeyText | None:
    """Return the parts of a key, or None when it is mistyped or no key at all."""
    match = _FORM.fullmatch(text.reveal())
    if match is None:
        return None
    body, _, checksum = text.reveal().rpartition("_")
    if not hmac.compare_digest(checksum, _checksum(body)):
        return None
    return KeyText(_ID_PREFIX + match[1], Secret(match[2]))


def key_hash(hash_key: bytes, secret: Secret) -> bytes:
    """Return what is stored of a key: useless without ``hash_key``, which is not in the database."""
    return hmac.new(hash_key, b"api-key\0" + secret.reveal().encode(), hashlib.sha256).digest()


def _checksum(body: str) -> str:
    return _base32(zlib.crc32(body.encode()), 7)


def _base32(number: int, length: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(length)))
