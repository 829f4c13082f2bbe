"""Generated forgeries of ID tokens: none is accepted, none is an error of ours (SR-10, FG-12)."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import string
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.adapters.entra.id_token import IdTokenVerifier
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import FlowRejected

from .test_id_token import (
    CLIENT,
    KEY,
    LOGIN,
    OTHER_TENANT,
    PERSON,
    PERSONAL,
    PERSONAL_KEY,
    STRANGE_KEY,
    TENANT,
    b64url,
    good_claims,
    raw_token,
    sign,
    verifier,
    verify,
)

__all__ = ["verifier"]

FORGERIES = int(os.environ.get("FORGERIES", "3000"))

ALPHABET = string.ascii_letters + string.digits + "-_"
RS256 = {"alg": "RS256", "typ": "JWT", "kid": "main"}
CHECKED = ("iss", "aud", "tid", "oid", "iat", "nbf", "exp", "nonce", "ver")
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Forger:
    """Makes tokens that differ from a good one, each in another way; every way is wrong by what it is."""

    def __init__(self, claims: dict[str, Any], seed: int) -> None:
        self._claims = claims
        self._good = sign(claims)
        self._draw = random.Random(seed)
        self._ways = (
            self.one_character,
            self.cut_or_grown,
            self.parts_mixed,
            self.wrong_header,
            self.wrong_claim,
            self.wrong_time,
            self.wrong_key,
            self.payload_changed,
            self.hmac_of_the_public_key,
        )

    def forge(self) -> str:
        return self._draw.choice(self._ways)()

    def one_character(self) -> str:
        at = self._draw.randrange(len(self._good))
        other = self._draw.choice([letter for letter in ALPHABET + ".=+/ \n" if letter != self._good[at]])
        return self._good[:at] + other + self._good[at + 1 :]

    def cut_or_grown(self) -> str:
        at = self._draw.randrange(len(self._good) + 1)
        count = self._draw.randint(1, 8)
        if self._draw.random() < 0.5 and at < len(self._good):
            return self._good[:at] + self._good[at + count :]
        grown = "".join(self._draw.choices(ALPHABET + ".", k=count))
        return self._good[:at] + grown + self._good[at:]

    def parts_mixed(self) -> str:
        other = sign({**self._claims, "oid": OTHER_TENANT, "nonce": "x"})
        parts = [*self._good.split("."), *other.split("."), ""]
        mixed = ".".join(self._draw.choices(parts, k=self._draw.randint(1, 5)))
        return mixed if mixed != self._good else mixed + "."

    def wrong_header(self) -> str:
        header = dict(RS256) | self._draw.choice(
            [
                {"alg": self._junk(not_in=("RS256", "PS256"))},
                {"alg": self._draw.choice(["none", "HS256", "RS384", "RS512", "ES256", "EdDSA", "PS256"])},
                {"kid": self._junk(not_in=("main",))},
                {"kid": self._draw.choice(["personal", "unpublished-issuer"])},
                {"typ": self._junk(not_in=("JWT", "jwt"))},
                {"crit": [self._text()]},
                {"b64": self._draw.choice([True, False, None])},
            ]
        )
        return raw_token(header, self._claims)

    def wrong_claim(self) -> str:
        name = self._draw.choice(CHECKED)
        claims = dict(self._claims)
        if self._draw.random() < 0.15:
            del claims[name]
        elif name in {"iat", "nbf", "exp"}:
            claims[name] = self._junk(not_in=(), numbers=False)
        else:
            claims[name] = self._near(claims[name])
        return raw_token(RS256, claims)

    def wrong_time(self) -> str:
        """Over by more than the tolerated minute, in either direction."""
        off = self._draw.randint(61, 10**8)
        now, life = self._claims["iat"], self._claims["exp"] - self._claims["iat"]
        changed = self._draw.choice(
            [
                {"iat": now - life - off, "nbf": now - life - off, "exp": now - off},
                {"nbf": now + off},
                {"iat": now + off, "exp": now + off + life},
                {"exp": now - off},
                {"exp": now + 48 * 3600 + off},
                {"iat": now - 48 * 3600 - off},
            ]
        )
        return raw_token(RS256, {**self._claims, **changed})

    def wrong_key(self) -> str:
        """Well-made by a key that may not speak for this directory; personal accounts have one of their own."""
        if self._draw.random() < 0.5:
            return raw_token(RS256, self._claims, self._draw.choice([STRANGE_KEY, PERSONAL_KEY]))
        claims = {**self._claims, "tid": PERSONAL, "iss": f"{LOGIN}/{PERSONAL}/v2.0"}
        return self._draw.choice(
            [
                raw_token({**RS256, "kid": "personal"}, self._claims, PERSONAL_KEY),
                raw_token({**RS256, "kid": "personal"}, claims, KEY),
                raw_token({**RS256, "kid": self._text()}, claims, PERSONAL_KEY),
            ]
        )

    def payload_changed(self) -> str:
        header, _, signature = self._good.split(".")
        claims = {**self._claims, self._draw.choice([*CHECKED, "name", "sub"]): self._text()}
        return f"{header}.{b64url(json.dumps(claims).encode())}.{signature}"

    def hmac_of_the_public_key(self) -> str:
        header = b64url(json.dumps({**RS256, "alg": self._draw.choice(["HS256", "RS256"])}).encode())
        text = f"{header}.{b64url(json.dumps(self._claims).encode())}"
        key = self._draw.choice([PUBLIC_PEM, b"", CLIENT.encode(), self._text().encode()])
        return f"{text}.{b64url(hmac.new(key, text.encode(), hashlib.sha256).digest())}"

    def _text(self) -> str:
        return "".join(self._draw.choices(string.printable, k=self._draw.randint(1, 30)))

    def _junk(self, *, not_in: tuple[str, ...], numbers: bool = True) -> Any:
        values: list[Any] = [None, "", [], {}, True, self._text(), [self._text()], {"a": self._text()}]
        if numbers:
            values += [self._draw.randint(-(10**6), 10**6), self._draw.random()]
        value = self._draw.choice(values)
        return None if value in not_in or str(value).upper() == "JWT" else value

    def _near(self, value: Any) -> Any:
        """Something like the right value, and never equal to it."""
        text = str(value)
        at = self._draw.randrange(len(text))
        near = [
            text.upper(), text + " ", " " + text, text[:at], text[:at] + "x" + text[at:], [value], {"v": value},
            text.replace(TENANT, OTHER_TENANT), text.replace(PERSON, PERSON[:-1]), text + "\x00", text[::-1],
        ]  # fmt: skip
        different = [each for each in near if each != value]
        return self._draw.choice([*different, self._junk(not_in=())])


@pytest.mark.timeout(3600)
async def test_no_generated_forgery_is_accepted(verifier: IdTokenVerifier, clock: MovableClock) -> None:
    forger = Forger(good_claims(clock.now()), seed=12)
    accepted: list[str] = []
    for _ in range(FORGERIES):
        token = forger.forge()
        try:
            await verify(verifier, token)
        except FlowRejected:
            continue
        accepted.append(token)
    print(f"\nFG-12: {len(accepted)} of {FORGERIES} generated ID tokens accepted")
    assert accepted == []
