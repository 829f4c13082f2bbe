"""Secrets of a flow that are derived when needed and stored nowhere (SR-1, SR-4)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from ostiary.core.kernel.secret import Secret

FLOW_KEY_BYTES: Final = 32
"""Least length of the instance's flow key: as strong as the SHA-256 it keys."""


def secret_hash(secret: Secret) -> bytes:
    """Return what is stored of a 256-bit random secret. No salt: there is nothing to guess."""
    return hashlib.sha256(secret.reveal().encode()).digest()


def code_verifier(flow_key: bytes, state: Secret) -> Secret:
    """Return the PKCE verifier of a flow: 43 characters, as RFC 7636 section 4.1 allows."""
    return Secret(derived_text(flow_key, "pkce-verifier", state.reveal()))


def nonce(flow_key: bytes, state: Secret) -> str:
    """Return the nonce that the ID token of this flow must carry."""
    return derived_text(flow_key, "id-token-nonce", state.reveal())


def code_challenge(verifier: Secret) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return _base64url(hashlib.sha256(verifier.reveal().encode("ascii")).digest())


def derived_text(flow_key: bytes, purpose: str, value: str) -> str:
    """Return 43 characters that only the instance can compute, different for every purpose."""
    # The zero byte keeps "ab" + "c" and "a" + "bc" apart.
    message = purpose.encode() + b"\0" + value.encode()
    return _base64url(hmac.new(flow_key, message, hashlib.sha256).digest())


def random_secret(random_bytes: bytes) -> Secret:
    """Return ``random_bytes`` as text that is safe in a URL."""
    return Secret(_base64url(random_bytes))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
