"""Signing by the Standard Webhooks convention.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the signed content is
``{id}.{timestamp}.{body}``, the scheme ``v1`` is HMAC-SHA256 in base64, a secret is ``whsec_`` and base64 of 24 to 64 bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ostiary.core.kernel.secret import Secret

SECRET_PREFIX: Final = "whsec_"


class SigningSecrets:
    """Derives each endpoint's secrets from one key, so that the database holds none."""

    def __init__(self, key: bytes) -> None:
        """``key`` has 32 bytes and is used for nothing else."""
        if len(key) < 32:
            raise ValueError("the key of all signing secrets has at least 256 bits")
        self._key = key

    def secret(self, endpoint_id: str, number: int) -> Secret:
        """Return an endpoint's secret after ``number`` rotations, as its owner gets it."""
        return Secret(SECRET_PREFIX + base64.b64encode(self._bytes(endpoint_id, number)).decode("ascii"))

    def headers(
        self, endpoint_id: str, numbers: Sequence[int], *, message_id: str, at: datetime, body: bytes
    ) -> dict[str, str]:
        """Return the three headers of a message, with one signature per secret, the newest first."""
        timestamp = str(int(at.timestamp()))
        signed = b".".join((message_id.encode("ascii"), timestamp.encode("ascii"), body))
        signatures = (
            base64.b64encode(hmac.digest(self._bytes(endpoint_id, number), signed, hashlib.sha256))
            for number in numbers
        )
        return {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{signature.decode('ascii')}" for signature in signatures),
        }

    def _bytes(self, endpoint_id: str, number: int) -> bytes:
        return hmac.digest(self._key, f"webhook secret\x1f{endpoint_id}\x1f{number}".encode(), hashlib.sha256)
