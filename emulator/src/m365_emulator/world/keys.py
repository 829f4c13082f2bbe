"""Signing keys of the emulated Entra ID: several live at once, made when first needed."""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

KEY_BITS = 2048
KEYS_KEPT = 3
"""After a roll the two keys before it stay published, as clients cache for a day."""
VERIFIED_TOKENS_KEPT = 20_000


def b64url(data: bytes) -> str:
    """Encode without padding, as JWTs do."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One RSA key with the certificate that names it."""

    private: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def kid(self) -> str:
        """Key id: the SHA-1 thumbprint of the certificate, as at Microsoft."""
        return b64url(self.certificate.fingerprint(hashes.SHA1()))  # noqa: S303 - a name, not a proof

    def as_jwk(self) -> dict[str, Any]:
        """Return the public key for the JWKS (without `issuer`, which depends on the tenant)."""
        numbers = self.private.public_key().public_numbers()
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": b64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
            "e": b64url(numbers.e.to_bytes(3, "big")),
            "x5c": [base64.b64encode(der).decode()],
        }

    def as_pem(self) -> bytes:
        """Return private key and certificate for the key file."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ) + self.certificate.public_bytes(serialization.Encoding.PEM)


def new_signing_key(now: datetime) -> SigningKey:
    """Make a key and its self-signed certificate."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "m365-emulator token signing")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(private, hashes.SHA256())
    )
    return SigningKey(private, certificate)


class KeyRing:
    """The published keys, newest last; the newest but one signs, so that clients learn a key before its use.

    Args:
        path: Where the keys are kept between starts; None keeps them in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._keys: list[SigningKey] = []
        self.verified: OrderedDict[str, dict[str, Any]] = OrderedDict()
        """Claims of access tokens whose signature was checked, so that each is checked once."""

    @property
    def keys(self) -> list[SigningKey]:
        """Every published key."""
        if not self._keys:
            self._keys = self._load() or [new_signing_key(datetime.now(UTC)) for _ in range(2)]
            self._save()
        return self._keys

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        return self.keys[-2]

    def find(self, kid: str) -> SigningKey | None:
        """Return the published key with this id."""
        return next((key for key in self.keys if key.kid == kid), None)

    def roll(self) -> SigningKey:
        """Publish a new key, start to sign with the one published before it, and return that one."""
        self._keys = [*self.keys, new_signing_key(datetime.now(UTC))][-KEYS_KEPT:]
        self.verified.clear()
        self._save()
        return self.current

    def remember(self, token: str, claims: dict[str, Any]) -> None:
        """Keep the claims of a verified token."""
        self.verified[token] = claims
        if len(self.verified) > VERIFIED_TOKENS_KEPT:
            self.verified.popitem(last=False)

    def _load(self) -> list[SigningKey]:
        if self._path is None or not self._path.exists():
            return []
        blocks = self._path.read_bytes().split(b"-----BEGIN PRIVATE KEY-----")[1:]
        found: list[SigningKey] = []
        for block in blocks:
            pem = b"-----BEGIN PRIVATE KEY-----" + block
            private = serialization.load_pem_private_key(pem, password=None)
            if isinstance(private, rsa.RSAPrivateKey):
                found.append(SigningKey(private, x509.load_pem_x509_certificate(pem)))
        return found if len(found) >= 2 else []

    def _save(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        self._path.write_bytes(b"".join(key.as_pem() for key in self._keys))


def thumbprints(pem: str) -> tuple[str, str]:
    """Return the SHA-1 and SHA-256 thumbprints of a PEM certificate, base64url without padding."""
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
    return b64url(hashlib.sha1(der).digest()), b64url(hashlib.sha256(der).digest())  # noqa: S324
