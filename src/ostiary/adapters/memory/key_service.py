"""A key service in memory, which can be made to fail; for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Misconfigured, TemporarilyUnavailable
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import KeyFate


class MemoryKeyService:
    """Holds one key per key id. ``is_down`` makes every call fail as an unreachable service does."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._keys: dict[str, bytes] = {}
        self._generation = 1
        self.is_down = False
        self.signing_keys: dict[str, RSAPrivateKey] = {}
        """Keys for signing, by name."""

    async def rotate(self, *, organization_ids: Sequence[str]) -> None:
        self._require_up()
        self._generation += 1

    async def destroy(self, *, organization_id: str) -> KeyFate:
        self._require_up()
        for key_id in [each for each in self._keys if each.endswith(f"/{organization_id}")]:
            del self._keys[key_id]
        return KeyFate.DESTROYED

    async def instance_key(self, purpose: str) -> bytes:
        self._require_up()
        return hashlib.sha256(f"ostiary tests {purpose}".encode()).digest()

    async def current_key_id(self, *, organization_id: str) -> str:
        self._require_up()
        key_id = f"memory-{self._generation}/{organization_id}"
        if key_id not in self._keys:
            self._keys[key_id] = self._entropy.token_bytes(32)
        return key_id

    async def wrap(self, *, key_id: str, data_key: bytes, context: bytes) -> bytes:
        self._require_up()
        nonce = self._entropy.token_bytes(12)
        return nonce + AESGCM(self._keys[key_id]).encrypt(nonce, data_key, context)

    async def unwrap(self, *, key_id: str, wrapped_key: bytes, context: bytes) -> bytes:
        self._require_up()
        key = self._keys.get(key_id)
        if key is None or len(wrapped_key) < 12:
            raise SealBroken("This wrapped key is damaged.")
        try:
            return AESGCM(key).decrypt(wrapped_key[:12], wrapped_key[12:], context)
        except InvalidTag:
            raise SealBroken("This wrapped key is damaged.") from None

    async def sign(self, *, key_name: str, message: bytes) -> bytes:
        self._require_up()
        key = self.signing_keys.get(key_name)
        if key is None:
            raise Misconfigured(f"There is no key {key_name} for signing.")
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        return key.sign(message, pss, hashes.SHA256())

    async def health(self) -> None:
        self._require_up()

    def _require_up(self) -> None:
        if self.is_down:
            raise TemporarilyUnavailable("The key service does not answer.")
