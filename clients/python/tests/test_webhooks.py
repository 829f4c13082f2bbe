"""Signatures are checked as the Standard Webhooks convention says, and as its reference library does."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ostiary_client import WebhookRejected
from ostiary_client.webhooks import challenge_answer, verify

# The vector that the specification and its libraries publish.
PUBLISHED_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLISHED_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
PUBLISHED_TIMESTAMP = 1614265330
PUBLISHED_BODY = b'{"test": 2432232314}'
PUBLISHED_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BODY = json.dumps(
    {
        "id": "evt_1",
        "type": "message.created",
        "timestamp": "2026-11-24T12:00:00Z",
        "data": {"connection_id": "con_1", "sequence": 42},
    }
).encode()


def signed(*secrets: str, body: bytes = BODY, at: datetime = NOW) -> dict[str, str]:
    signatures = [Webhook(secret).sign("evt_1", at, body.decode()) for secret in secrets]
    return {
        "Webhook-Id": "evt_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": " ".join(signatures),
    }


def check(secrets: str | list[str], headers: Mapping[str, str], body: bytes = BODY) -> str:
    return verify(secrets, headers, body, now=NOW.timestamp).type


def test_the_published_vector_is_signed_right_and_nothing_near_it_is() -> None:
    headers = {
        "webhook-id": PUBLISHED_ID,
        "webhook-timestamp": str(PUBLISHED_TIMESTAMP),
        "webhook-signature": PUBLISHED_SIGNATURE,
    }

    def verdict(body: bytes = PUBLISHED_BODY, **changed: str) -> str:
        try:
            verify(PUBLISHED_SECRET, headers | changed, body, now=lambda: PUBLISHED_TIMESTAMP + 10)
        except WebhookRejected as error:
            return str(error)
        return "taken"

    # The signature is good; the body of the vector is just no message of the service.
    assert verdict() == "The message is signed, but not one of ours."
    assert verdict(b'{"test": 2432232315}') == "No signature fits."
    assert verdict(**{"webhook-id": "msg_other"}) == "No signature fits."
    assert verdict(**{"webhook-timestamp": str(PUBLISHED_TIMESTAMP + 1)}) == "No signature fits."
    assert verdict(**{"webhook-signature": "v2," + PUBLISHED_SIGNATURE[3:]}) == "No signature fits."


def test_what_the_reference_library_signs_is_taken() -> None:
    message = verify(NEW, signed(NEW), BODY, now=NOW.timestamp)

    assert (message.id, message.type, message.timestamp) == ("evt_1", "message.created", NOW)
    assert message.data["sequence"] == 42
    assert not message.is_challenge


def test_what_this_library_takes_the_reference_takes_too() -> None:
    now = datetime.now(UTC)
    headers = signed(NEW, at=now)

    assert verify(NEW, headers, BODY).id == Webhook(NEW).verify(BODY, headers)["id"]
    headers["Webhook-Signature"] = headers["Webhook-Signature"][:-4] + "AAA="
    with pytest.raises(WebhookRejected):
        verify(NEW, headers, BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, headers)


def test_during_a_rotation_either_side_may_be_ahead() -> None:
    assert check(NEW, signed(NEW, OLD)) == "message.created"
    assert check(OLD, signed(NEW, OLD)) == "message.created"
    assert check([NEW, OLD], signed(OLD)) == "message.created"
    assert check([NEW, OLD], signed(NEW)) == "message.created"
    with pytest.raises(WebhookRejected):
        check(NEW, signed(OLD))


@pytest.mark.parametrize(
    "broken",
    [
        {"Webhook-Id": ""},
        {"Webhook-Timestamp": ""},
        {"Webhook-Timestamp": "tomorrow"},
        {"Webhook-Timestamp": "٣"},
        {"Webhook-Timestamp": "9" * 400},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1,"},
        {"Webhook-Signature": "v1,???"},
        {"Webhook-Signature": "v1a,AAAA"},
    ],
)
def test_anything_broken_is_rejected(broken: dict[str, str]) -> None:
    with pytest.raises(WebhookRejected):
        check(NEW, signed(NEW) | broken)


def test_neither_a_changed_body_nor_an_old_nor_a_future_message_is_taken() -> None:
    with pytest.raises(WebhookRejected):
        check(NEW, signed(NEW), BODY + b" ")
    for seconds in (-301, 301):
        at = datetime.fromtimestamp(NOW.timestamp() + seconds, UTC)
        with pytest.raises(WebhookRejected, match="old"):
            check(NEW, signed(NEW, at=at))
    for seconds in (-299, 299):
        at = datetime.fromtimestamp(NOW.timestamp() + seconds, UTC)
        assert check(NEW, signed(NEW, at=at)) == "message.created"


def test_a_signature_that_cannot_be_read_does_not_hide_one_that_fits() -> None:
    headers = signed(NEW)
    headers["Webhook-Signature"] = f"v1,??? v1a,AAAA {headers['Webhook-Signature']}"

    assert check(NEW, headers) == "message.created"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!"])
def test_a_secret_that_is_none_is_a_mistake_and_is_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError) as mistake:
        check(secret, signed(NEW))

    assert "not base64!" not in str(mistake.value)
    with pytest.raises(ValueError):
        check([], signed(NEW))


def test_a_challenge_is_answered_with_its_own_words() -> None:
    body = json.dumps(
        {
            "id": "evt_1",
            "type": "webhook.verify",
            "timestamp": "2026-11-24T12:00:00Z",
            "data": {"challenge": "c1"},
        }
    ).encode()
    message = verify(NEW, signed(NEW, body=body), body, now=NOW.timestamp)

    assert message.is_challenge
    assert json.loads(challenge_answer(message)) == {"challenge": "c1"}
    with pytest.raises(ValueError):
        challenge_answer(verify(NEW, signed(NEW), BODY, now=NOW.timestamp))
