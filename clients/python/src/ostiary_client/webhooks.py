"""Verifying what arrives at your webhook endpoint, by the Standard Webhooks convention.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the headers are
``webhook-id``, ``webhook-timestamp`` (seconds since 1970) and ``webhook-signature`` (one or more of ``v1,…``, separated by
spaces); the signed content is ``{id}.{timestamp}.{body}``; ``v1`` is HMAC-SHA256 in base64; a secret is ``whsec_`` and
the key in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from ostiary_client.errors import OstiaryError

SECRET_PREFIX: Final = "whsec_"
TOLERANCE_SECONDS: Final = 300.0
"""How far the sender's clock and ours may be apart, and how long a message may have been under way."""
VERIFY_TYPE: Final = "webhook.verify"


class WebhookRejected(OstiaryError):
    """Not from the service, or not fresh: answer 400 and do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """A verified message."""

    id: str
    """The same for every copy of the event: keep the ids that you have handled."""
    type: str
    """As in the change feed, or ``webhook.verify``."""
    timestamp: datetime
    data: Mapping[str, Any]
    """Ids, versions and states; ``sequence`` is the place in the connection's feed."""

    @property
    def is_challenge(self) -> bool:
        """Whether the service asks if this endpoint is yours: answer with :func:`challenge_answer`."""
        return self.type == VERIFY_TYPE


def verify(
    secrets: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: Callable[[], float] = time.time,
) -> WebhookMessage:
    """Return the message, if one of the secrets signed it lately.

    Args:
        secrets: The endpoint's secret; after a rotation the new and the old one.
        headers: Of the request, in any case.
        body: Exactly the bytes that came: not parsed and written again.

    Raises:
        WebhookRejected: No good signature, or too old or too new; answer 400.
        ValueError: A secret is none: a mistake of yours.
    """
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("there is no secret to verify with")
    message_id, timestamp, signatures = _headers(headers)
    if abs(now() - timestamp) > tolerance_seconds:
        raise WebhookRejected("The message is too old, or one of the clocks is wrong.")
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    # Every key and signature is compared, so that the time taken tells nothing about which one fits.
    fits = [hmac.compare_digest(sign, given) for sign in _signatures(keys, signed) for given in signatures]
    if not any(fits):
        raise WebhookRejected("No signature fits.")
    return _message(message_id, body)


def challenge_answer(message: WebhookMessage) -> bytes:
    """Return the JSON body with which to answer ``webhook.verify``, with status 200.

    Raises:
        ValueError: The message is no challenge.
    """
    challenge = message.data.get("challenge")
    if not message.is_challenge or not isinstance(challenge, str):
        raise ValueError("this message is no challenge")
    return json.dumps({"challenge": challenge}).encode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        # The words must not hold the secret.
        raise ValueError("a signing secret is whsec_ and base64")
    return key


def _headers(headers: Mapping[str, str]) -> tuple[str, int, list[bytes]]:
    given = {name.lower(): value for name, value in headers.items()}
    message_id = given.get("webhook-id", "")
    seconds = given.get("webhook-timestamp", "")
    if not message_id or not (seconds.isascii() and seconds.isdigit() and len(seconds) < 13):
        raise WebhookRejected("The headers webhook-id and webhook-timestamp are missing or not right.")
    return message_id, int(seconds), _given_signatures(given.get("webhook-signature", ""))


def _given_signatures(header: str) -> list[bytes]:
    found: list[bytes] = []
    for entry in header.split():
        version, _, text = entry.partition(",")
        if version != "v1":
            continue
        try:
            found.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            continue
    return found


def _signatures(keys: Sequence[bytes], signed: bytes) -> list[bytes]:
    return [hmac.digest(key, signed, hashlib.sha256) for key in keys]


def _message(message_id: str, body: bytes) -> WebhookMessage:
    try:
        document: Any = json.loads(body)
        data = document["data"]
        return WebhookMessage(
            id=message_id,
            type=str(document["type"]),
            timestamp=datetime.fromisoformat(document["timestamp"]),
            data=cast("Mapping[str, Any]", data if isinstance(data, dict) else {}),
        )
    except (KeyError, TypeError, ValueError):
        raise WebhookRejected("The message is signed, but not one of ours.") from None
