"""Reads tokens that Microsoft signed: form, key and signature first, then times; what claims mean is for the caller."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from ostiary.adapters.entra.keys import SigningKey, SigningKeys
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import FlowRejected

ALGORITHMS: Final = frozenset({"RS256", "PS256"})
LEEWAY_SECONDS: Final = 60
"""Tolerated difference between Microsoft's clock and ours."""
LONGEST_TOKEN: Final = 32 * 1024
_LONGEST_LIFE_SECONDS: Final = 26 * 3600
"""ID tokens live about an hour, a day at most by policy; a longer one is not Microsoft's."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")


class SignedTokenReader:
    """Reads the signed tokens of one cloud. Each refusal is the same ``FlowRejected``; its note says what it was."""

    def __init__(self, *, keys: SigningKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def signing_key(self, token: str) -> SigningKey:
        """Return the key that a well-formed token names.

        Raises:
            FlowRejected: The token has another form, or no key of Microsoft's.
            TemporarilyUnavailable: Microsoft's keys cannot be fetched.
        """
        require(len(token) <= LONGEST_TOKEN, "size")
        segments = token.split(".")
        # Strict base64url without padding: anything laxer lets one token have several spellings.
        require(len(segments) == 3 and all(_is_strict(segment) for segment in segments), "form")
        try:
            header: Mapping[str, Any] = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise refused("header") from error
        algorithm = header.get("alg")
        require(isinstance(algorithm, str) and algorithm in ALGORITHMS, "algorithm")
        # No extension is understood here, so a token that insists on one cannot be judged (RFC 7515 4.1.11).
        require("crit" not in header and "b64" not in header, "critical header")
        require(str(header.get("typ", "JWT")).upper() == "JWT", "type")
        # Keys that the token itself brings or points to (jwk, jku, x5u, x5c) are never looked at.
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= 128:
            raise refused("key id")
        key = await self._keys.find(key_id)
        if key is None:
            raise refused("unknown key")
        return key

    def verified_payload(self, token: str, key: SigningKey) -> Mapping[str, Any]:
        """Return the claims if the signature is by this key; raises FlowRejected else."""
        try:
            # Only the signature here: the claims are judged below, against our own clock.
            payload: Mapping[str, Any] = jwt.decode(
                token,
                key.public_key,
                algorithms=sorted(ALGORITHMS),
                options={
                    "verify_signature": True,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_iss": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise refused("signature") from error
        return payload

    def check_times(self, claims: Mapping[str, Any]) -> datetime:
        """Return when the token was issued, if it is good now; raises FlowRejected else."""
        now = self._clock.now().timestamp()
        expires, begins, issued = (
            token_time(claims, "exp"),
            token_time(claims, "nbf"),
            token_time(claims, "iat"),
        )
        require(expires + LEEWAY_SECONDS > now, "expired")
        require(begins - LEEWAY_SECONDS <= now, "not yet valid")
        require(issued - LEEWAY_SECONDS <= now, "issued in the future")
        require(0 < expires - issued <= _LONGEST_LIFE_SECONDS, "life")
        return datetime.fromtimestamp(issued, UTC)


def _is_strict(segment: str) -> bool:
    """Whether a segment is the one spelling of its bytes: the bits that its last letter has too many are zero."""
    if _SEGMENT.fullmatch(segment) is None or len(segment) % 4 == 1:
        return False
    content = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    return base64.urlsafe_b64encode(content).rstrip(b"=") == segment.encode()


def key_may_sign(key: SigningKey, issuer: str, tenant_id: str) -> bool:
    """Whether the key's own published issuer fits: personal accounts have keys of their own (entra-id.md §1.6)."""
    return key.issuer is None or key.issuer.replace("{tenantid}", tenant_id) == issuer


def guid(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that is a GUID; raises FlowRejected else."""
    value = claims.get(name)
    if not isinstance(value, str) or _GUID.fullmatch(value) is None:
        raise refused(name)
    return value


def token_time(claims: Mapping[str, Any], name: str) -> int:
    """Return a claim that is a moment; raises FlowRejected else."""
    value = claims.get(name)
    # True is an int in Python, and a huge number would overflow datetime.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 40:
        raise refused(name)
    return value


def require(fits: bool, what: str) -> None:
    """Raise FlowRejected unless it fits."""
    if not fits:
        raise refused(what)


def refused(what: str) -> FlowRejected:
    """Return the one refusal of all; the note is for the log."""
    error = FlowRejected("Microsoft's sign-in could not be verified.", reason="session_lost")
    error.add_note(f"token refused: {what}")
    return error
