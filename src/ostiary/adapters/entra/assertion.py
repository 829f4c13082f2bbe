"""How we prove to the token endpoint that we are the app: by certificate, or by a secret where allowed (SR-9)."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.kernel.secret import Secret

ASSERTION_LIFE: Final = timedelta(minutes=5)
"""Microsoft advises five to ten minutes (entra-id.md §1.8)."""

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LEAST_KEY_BITS: Final = 2048
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
"""PS256: the salt is as long as the hash (RFC 7518 §3.5)."""


class Signer(Protocol):
    """Signs with a key that never leaves its service; a key service is one."""

    async def sign(self, *, key_name: str, message: bytes) -> bytes:
        """Return the PS256 signature."""
        ...


class ClientProof(Protocol):
    """One way to say who we are."""

    async def form(self, *, client_id: str, audience: str, now: datetime, entropy: Entropy) -> dict[str, str]:
        """Return the form fields that authenticate one request to ``audience``, the exact token endpoint.

        Raises:
            TemporarilyUnavailable, Misconfigured: The service that holds the key does not answer, or refuses us.
        """
        ...


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A shared secret, sent in the form body."""

    secret: Secret

    async def form(self, *, client_id: str, audience: str, now: datetime, entropy: Entropy) -> dict[str, str]:
        """Return the form fields that authenticate one request."""
        return {"client_id": client_id, "client_secret": self.secret.reveal()}


@dataclass(frozen=True, slots=True, repr=False)
class ClientCertificate:
    """A private key in a file of this machine, whose certificate the registration knows."""

    private_key: RSAPrivateKey
    thumbprint: str
    """base64url SHA-256 of the certificate (``x5t#S256``)."""
    expires_at: datetime

    async def form(self, *, client_id: str, audience: str, now: datetime, entropy: Entropy) -> dict[str, str]:
        """Return the form fields that authenticate one request to ``audience``, the exact token endpoint."""
        message = _signing_input(self.thumbprint, client_id, audience, now, entropy)
        return _assertion_form(client_id, message, self.private_key.sign(message, _PSS, hashes.SHA256()))

    def __repr__(self) -> str:
        return f"ClientCertificate(thumbprint={self.thumbprint!r}, expires_at={self.expires_at!r})"


@dataclass(frozen=True, slots=True)
class ServiceCertificate:
    """A certificate whose private key is in the key service and never on this machine (SR-37)."""

    signer: Signer
    key_name: str
    public_key: RSAPublicKey
    thumbprint: str
    expires_at: datetime

    async def form(self, *, client_id: str, audience: str, now: datetime, entropy: Entropy) -> dict[str, str]:
        """Return the form fields that authenticate one request to ``audience``, the exact token endpoint."""
        message = _signing_input(self.thumbprint, client_id, audience, now, entropy)
        signature = await self.signer.sign(key_name=self.key_name, message=message)
        try:
            self.public_key.verify(signature, message, _PSS, hashes.SHA256())
        except InvalidSignature:
            # Microsoft would only say that the client is not known.
            raise Misconfigured(
                f"The key {self.key_name} of the key service does not belong to the certificate.",
                reason="our_fault",
            ) from None
        return _assertion_form(client_id, message, signature)


Certificate = ClientCertificate | ServiceCertificate


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """Two certificates that live at once while one replaces the other."""

    current: Certificate
    previous: Certificate


ClientCredential = ClientSecret | Certificate | CertificatePair


def in_order(credential: ClientCredential, now: datetime) -> tuple[ClientProof, ...]:
    """Return what to try, best first: the newer certificate, then the older one while it is valid.

    Microsoft may not know the new one yet, or somebody removed the old one too early; either way one of them works.
    """
    if not isinstance(credential, CertificatePair):
        return (credential,)
    both = (credential.current, credential.previous)
    return tuple(each for each in both if now < each.expires_at) or both[:1]


def load_certificate(path: Path) -> ClientCertificate:
    """Read a PEM file that holds an RSA private key and its certificate.

    Raises:
        Misconfigured: The file cannot be read, or lacks one of the two, or they do not belong together.
    """
    content = _read(path)
    try:
        key = serialization.load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
    except (ValueError, TypeError) as error:
        raise Misconfigured(
            f"The certificate file {path} must hold an unencrypted private key and its certificate, as PEM."
        ) from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_KEY_BITS:
        raise Misconfigured(f"The key in {path} must be RSA with at least {_LEAST_KEY_BITS} bits.")
    if key.public_key() != certificate.public_key():
        raise Misconfigured(f"The private key and the certificate in {path} do not belong together.")
    return ClientCertificate(key, _thumbprint(certificate), certificate.not_valid_after_utc)


def load_service_certificate(path: Path, *, key_name: str, signer: Signer) -> ServiceCertificate:
    """Read a PEM file that holds a certificate alone; its key is ``key_name`` of the key service.

    Raises:
        Misconfigured: The file cannot be read, holds no RSA certificate, or holds a private key, which would be
            on this machine after all.
    """
    content = _read(path)
    if b"PRIVATE KEY" in content:
        raise Misconfigured(
            f"The certificate file {path} must not hold a private key: the key service signs. Remove it."
        )
    try:
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise Misconfigured(f"The certificate file {path} must hold a certificate, as PEM.") from error
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_KEY_BITS:
        raise Misconfigured(f"The key of {path} must be RSA with at least {_LEAST_KEY_BITS} bits.")
    return ServiceCertificate(
        signer, key_name, key, _thumbprint(certificate), certificate.not_valid_after_utc
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"The certificate file {path} cannot be read: {error.strerror}.") from error


def _thumbprint(certificate: x509.Certificate) -> str:
    return _base64url(certificate.fingerprint(hashes.SHA256()))


def _signing_input(thumbprint: str, client_id: str, audience: str, now: datetime, entropy: Entropy) -> bytes:
    """Return header and claims of one assertion, ready to be signed.

    Source: Microsoft identity platform, certificate credentials (entra-id.md §1.8); RFC 7515 §5.1.
    """
    issued = int(now.timestamp())
    header = {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}
    claims = {
        "aud": audience,
        "iss": client_id,
        "sub": client_id,
        "jti": str(uuid.UUID(bytes=entropy.token_bytes(16), version=4)),
        "iat": issued,
        "nbf": issued,
        "exp": issued + int(ASSERTION_LIFE.total_seconds()),
    }
    parts = (_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return ".".join(parts).encode("ascii")


def _assertion_form(client_id: str, message: bytes, signature: bytes) -> dict[str, str]:
    return {
        "client_id": client_id,
        "client_assertion_type": _ASSERTION_TYPE,
        "client_assertion": f"{message.decode('ascii')}.{_base64url(signature)}",
    }


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
