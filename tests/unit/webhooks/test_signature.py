"""Signatures by the Standard Webhooks convention, read by its own reference library."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from ostiary.core.webhooks.signature import SigningSecrets

SECRETS = SigningSecrets(bytes(range(32)))


@given(st.dictionaries(st.text(), st.text()))
def test_the_reference_library_accepts_what_is_signed(payload: dict[str, str]) -> None:
    body = json.dumps(payload).encode()
    headers = SECRETS.headers("whe_1", [1], message_id="evt_1", at=datetime.now(UTC), body=body)
    assert Webhook(SECRETS.secret("whe_1", 1).reveal()).verify(body, headers) == payload


def test_during_a_rotation_both_secrets_verify_and_no_other_one() -> None:
    body = b"{}"
    headers = SECRETS.headers("whe_1", [3, 2], message_id="evt_1", at=datetime.now(UTC), body=body)
    for number in (2, 3):
        Webhook(SECRETS.secret("whe_1", number).reveal()).verify(body, headers)
    for endpoint, number in (("whe_1", 1), ("whe_1", 4), ("whe_2", 3)):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRETS.secret(endpoint, number).reveal()).verify(body, headers)


def test_another_body_id_or_time_does_not_verify() -> None:
    now = datetime.now(UTC)
    headers = SECRETS.headers("whe_1", [1], message_id="evt_1", at=now, body=b'{"a":1}')
    reader = Webhook(SECRETS.secret("whe_1", 1).reveal())
    for changed, body in (
        ({}, b'{"a":2}'),
        ({"webhook-id": "evt_2"}, b'{"a":1}'),
        ({"webhook-timestamp": str(int(now.timestamp()) + 1)}, b'{"a":1}'),
    ):
        with pytest.raises(WebhookVerificationError):
            reader.verify(body, headers | changed)


def test_a_secret_has_256_bits_behind_its_prefix() -> None:
    prefix, _, encoded = SECRETS.secret("whe_1", 1).reveal().partition("_")
    assert (prefix, len(base64.b64decode(encoded))) == ("whsec", 32)
