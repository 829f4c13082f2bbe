"""How we prove to the token endpoint that we are the app: by certificate, or by a secret where allowed (SR-9)."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.kernel.secret import Secret

ASSERTION_LIFE: Final = timedelta(minutes=5)
"""Microsoft advises five to ten minutes (entra-id.md §1.8)."""

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LEAST_KEY_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A shared secret, sent in the form body."""

    secret: Secret

    def form(self, *, client_id: str, audience: str, now: datetime, entropy: Entropy) -> dict[str, str]:
        """Return the form fields that authenticate one request."""
        return {"client_id": client_id, "client_secret": self.secret.reveal()}


@dataclass(frozen=True, slots=True, repr=False)
class ClientCertificate:
    """A private key whose certificate the registration knows."""

    private_key: RSAPrivateKey
    thumbprint: str
    """base64url SHA-256 of the certificate (``x5t#S256``)."""
    expires_at: datetime

    def form(self, *, client_id: str, audience: str, now: datetime, entropy: Entropy) -> dict[str, str]:
        """Return the form fields that authenticate one request to ``audience``, the exact token endpoint.

        Source: Microsoft identity platform, certificate credentials (entra-id.md §1.8).
        """
        issued = int(now.timestamp())
        assertion = jwt.encode(
            {
                "aud": audience,
                "iss": client_id,
                "sub": client_id,
                "jti": str(uuid.UUID(bytes=entropy.token_bytes(16), version=4)),
                "iat": issued,
                "nbf": issued,
                "exp": issued + int(ASSERTION_LIFE.total_seconds()),
            },
            self.private_key,
            algorithm="PS256",
            headers={"typ": "JWT", "x5t#S256": self.thumbprint},
        )
        return {
            "client_id": client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }

    def __repr__(self) -> str:
        return f"ClientCertificate(thumbprint={self.thumbprint!r}, expires_at={self.expires_at!r})"


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """Two certificates that live at once while one replaces the other."""

    current: ClientCertificate
    previous: ClientCertificate


ClientCredential = ClientSecret | ClientCertificate | CertificatePair


def in_order(credential: ClientCredential, now: datetime) -> tuple[ClientSecret | ClientCertificate, ...]:
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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"The certificate file {path} cannot be read: {error.strerror}.") from error
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
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=")
    return ClientCertificate(key, thumbprint.decode("ascii"), certificate.not_valid_after_utc)
