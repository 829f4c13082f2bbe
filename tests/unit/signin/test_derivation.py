"""What a flow keeps secret is computed from its state and the instance's key, and only there (SR-1, SR-4)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest

from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.derivation import (
    code_challenge,
    code_verifier,
    derived_text,
    nonce,
    random_secret,
    secret_hash,
)

KEY = b"k" * 32
STATE = Secret("a state")


def keyed(message: bytes) -> str:
    """HMAC-SHA-256 under the key, as base64url without padding."""
    digest = hmac.digest(KEY, message, "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_the_challenge_is_the_one_of_the_standard() -> None:
    # Source: RFC 7636, appendix B.
    verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_verifier_and_nonce_of_a_flow_that_is_under_way_stay_what_they_were() -> None:
    # A new version of the service finishes what the old one began.
    assert code_verifier(KEY, STATE).reveal() == keyed(b"pkce-verifier\0a state")
    assert nonce(KEY, STATE) == keyed(b"id-token-nonce\0a state")


def test_a_verifier_is_as_long_as_the_standard_asks_for() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", code_verifier(KEY, STATE).reveal())


def test_purpose_and_value_cannot_run_into_each_other() -> None:
    assert derived_text(KEY, "a", "bc") != derived_text(KEY, "ab", "c")


def test_the_database_knows_a_secret_by_its_hash() -> None:
    assert secret_hash(STATE) == hashlib.sha256(b"a state").digest()


@pytest.mark.parametrize("length", [30, 31, 32])
def test_random_bytes_become_text_that_is_safe_in_an_address(length: int) -> None:
    text = random_secret(b"\xff\xfe\xfb" * 10 + bytes(length - 30)).reveal()
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[:3] == b"\xff\xfe\xfb"
