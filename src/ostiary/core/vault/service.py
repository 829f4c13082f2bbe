"""Seals and opens secrets by envelope encryption."""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.encoding import FORMAT_VERSION, associated_data
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.limits import WrapCounter
from ostiary.core.vault.model import SealContext, Sealed
from ostiary.core.vault.policy import Purpose, require_may_open
from ostiary.core.vault.ports import KeyService

DATA_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""The size AES-GCM is specified for; each data key encrypts one value, so a random nonce cannot repeat."""

_TAG_BYTES: Final = 16
_ENCRYPTION: Final = b"ostiary vault encryption"
_COMMITMENT: Final = b"ostiary vault commitment"


class Envelope:
    """A data key, wrapped already, for exactly one value."""

    def __init__(
        self, key_id: str, wrapped_key: bytes, nonce: bytes, data_key: bytes, bound_to: bytes
    ) -> None:
        self._key_id = key_id
        self._wrapped_key = wrapped_key
        self._nonce = nonce
        self._data_key: bytes | None = data_key
        self._bound_to = bound_to

    def seal(self, secret: Secret) -> Sealed:
        """Return ``secret`` sealed.

        Raises:
            RuntimeError: It holds a value already; a second one under its key and nonce would betray both.
        """
        if self._data_key is None:
            raise RuntimeError("an envelope takes one value")
        data_key, self._data_key = self._data_key, None
        cipher = AESGCM(_derive(data_key, _ENCRYPTION))
        return Sealed(
            format_version=FORMAT_VERSION,
            key_id=self._key_id,
            wrapped_key=self._wrapped_key,
            nonce=self._nonce,
            commitment=_derive(data_key, _COMMITMENT),
            ciphertext=cipher.encrypt(self._nonce, secret.reveal().encode(), self._bound_to),
        )

    def __repr__(self) -> str:
        return "Envelope(‹secret›)"


class VaultService:
    """Seals a secret for one place and opens it there and nowhere else (SR-31 to SR-34).

    Every value gets its own 256-bit data key, which the key service wraps under the organization's key. The
    value's key and a commitment to it are both derived from the data key; the commitment is checked before
    anything is decrypted, because AES-GCM alone lets one ciphertext open under two keys.
    """

    def __init__(self, *, keys: KeyService, entropy: Entropy, counter: WrapCounter | None = None) -> None:
        """``counter`` counts each wrap against what one key may do (SR-36); without one nothing is counted."""
        self._keys = keys
        self._entropy = entropy
        self._counter = counter

    async def seal(self, secret: Secret, context: SealContext) -> Sealed:
        """Return ``secret`` sealed for ``context``.

        Raises:
            TemporarilyUnavailable: The key service does not answer; nothing was sealed, repeat later.
        """
        return (await self.envelope(context)).seal(secret)

    async def envelope(self, context: SealContext) -> Envelope:
        """Return an envelope for one value, ready to be closed where the key service cannot be asked.

        Raises:
            TemporarilyUnavailable: The key service does not answer; repeat later.
        """
        key_id = await self._keys.current_key_id(organization_id=context.organization_id)
        if self._counter is not None:
            await self._counter.take(organization_id=context.organization_id, key_id=key_id)
        bound_to = associated_data(context, format_version=FORMAT_VERSION, key_id=key_id)
        data_key = self._entropy.token_bytes(DATA_KEY_BYTES)
        nonce = self._entropy.token_bytes(NONCE_BYTES)
        wrapped_key = await self._keys.wrap(key_id=key_id, data_key=data_key, context=bound_to)
        return Envelope(key_id, wrapped_key, nonce, data_key, bound_to)

    async def open(self, sealed: Sealed, context: SealContext, *, purpose: Purpose) -> Secret:
        """Return what was sealed for ``context``.

        The caller has written its audit record before it asks (SR-39).

        Raises:
            OpeningRefused: Work of this kind opens no such secret for this purpose (SR-40).
            SealBroken: Anything differs from what was sealed; nothing of the value may be used.
            TemporarilyUnavailable: The key service does not answer; repeat later.
        """
        require_may_open(purpose, context.kind)
        if sealed.format_version != FORMAT_VERSION:
            raise SealBroken("This sealed value has a format we do not know.")
        if len(sealed.nonce) != NONCE_BYTES or len(sealed.ciphertext) < _TAG_BYTES:
            raise SealBroken("This sealed value is damaged.")
        bound_to = associated_data(context, format_version=sealed.format_version, key_id=sealed.key_id)
        data_key = await self._keys.unwrap(
            key_id=sealed.key_id, wrapped_key=sealed.wrapped_key, context=bound_to
        )
        if len(data_key) != DATA_KEY_BYTES:
            raise SealBroken("This sealed value is damaged.")
        if not hmac.compare_digest(_derive(data_key, _COMMITMENT), sealed.commitment):
            raise SealBroken("This sealed value is damaged.")
        try:
            plain = AESGCM(_derive(data_key, _ENCRYPTION)).decrypt(sealed.nonce, sealed.ciphertext, bound_to)
        except InvalidTag:
            # The cause is dropped on purpose: it says nothing, and its frames hold the key.
            raise SealBroken("This sealed value is damaged.") from None
        return Secret(plain.decode())

    async def seal_again(self, sealed: Sealed, context: SealContext) -> Sealed:
        """Return the same secret for the same place, under a new data key and the organization's current key (SR-36).

        Raises as :meth:`open` says; the record of the opening is the caller's.
        """
        return await self.seal(await self.open(sealed, context, purpose=Purpose.REWRAP), context)

    async def health(self) -> None:
        """Raise TemporarilyUnavailable unless secrets can be sealed and opened now."""
        await self._keys.health()


def _derive(data_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(data_key)
