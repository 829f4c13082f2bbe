"""ID tokens: one good one passes, and no mutation of it does (SR-10).

The negative cases of the OpenID relying-party conformance plan are among them: wrong or missing issuer,
audience, subject keys, nonce, times, ``kid``, signature, algorithm, and tokens signed by keys of their own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.adapters.entra.clouds import CLOUDS
from ostiary.adapters.entra.id_token import IdTokenVerifier
from ostiary.adapters.entra.keys import SigningKeys
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import FlowRejected
from ostiary.core.signin.model import SignedClaims

CLIENT = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
OTHER_TENANT = "71f4c9e2-6a0d-4b38-9e57-d3a8b1c50f07"
PERSON = "6a1d1c3e-0f52-4e0b-9d38-51a7c2be4401"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
NONCE = "n" * 43
LOGIN = "https://login.microsoftonline.com"

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PERSONAL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def public_jwk(key: rsa.RSAPrivateKey, kid: str, issuer: str | None) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "kid": kid,
        "n": b64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
        "e": b64url(numbers.e.to_bytes(3, "big")),
        **({"issuer": issuer} if issuer else {}),
    }


JWKS = {
    "keys": [
        public_jwk(KEY, "main", f"{LOGIN}/{{tenantid}}/v2.0"),
        public_jwk(PERSONAL_KEY, "personal", f"{LOGIN}/{PERSONAL}/v2.0"),
        public_jwk(STRANGE_KEY, "unpublished-issuer", None),
    ]
}


def good_claims(now: datetime) -> dict[str, Any]:
    issued = int(now.timestamp())
    return {
        "iss": f"{LOGIN}/{TENANT}/v2.0",
        "aud": CLIENT,
        "tid": TENANT,
        "oid": PERSON,
        "sub": "pairwise",
        "iat": issued,
        "nbf": issued,
        "exp": issued + 3600,
        "nonce": NONCE,
        "ver": "2.0",
        "preferred_username": "priya.nair@harbourvale.example",
        "name": "Priya Nair",
    }


def sign(
    claims: dict[str, Any],
    *,
    key: Any = KEY,
    algorithm: str = "RS256",
    headers: dict[str, Any] | None = None,
) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "main", **(headers or {})})


def raw_token(header: dict[str, Any] | str, payload: dict[str, Any] | str, key: Any = KEY) -> str:
    """Sign anything with RS256, whatever a library would say to it."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, payload)]
    signed = ".".join(b64url(part.encode()) for part in parts)
    return f"{signed}.{b64url(key.sign(signed.encode(), PKCS1v15(), hashes.SHA256()))}"


@pytest.fixture
def verifier(clock: MovableClock) -> IdTokenVerifier:
    async def fetch() -> object:
        return JWKS

    return IdTokenVerifier(cloud=CLOUDS["global"], keys=SigningKeys(fetch=fetch, clock=clock), clock=clock)


async def verify(verifier: IdTokenVerifier, token: str) -> SignedClaims:
    return await verifier.verify(token, client_id=CLIENT, nonce=NONCE)


async def test_a_good_token_names_the_person(verifier: IdTokenVerifier, clock: MovableClock) -> None:
    claims = await verify(verifier, sign(good_claims(clock.now())))
    assert claims.identity.tenant_id == TENANT
    assert claims.identity.object_id == PERSON
    assert claims.display_name == "Priya Nair"
    assert not claims.is_guest


async def test_a_token_tells_when_and_how_the_person_proved_who_they_are(
    verifier: IdTokenVerifier, clock: MovableClock
) -> None:
    ago = int((clock.now() - timedelta(minutes=3)).timestamp())
    more = {"auth_time": ago, "amr": ["pwd", "mfa"], "acrs": ["c1", 7]}
    found = await verify(verifier, sign({**good_claims(clock.now()), **more}))
    assert found.authenticated_at == clock.now() - timedelta(minutes=3)
    assert found.authentication_methods == {"pwd", "mfa"}
    assert found.authentication_contexts == {"c1"}
    silent = await verify(verifier, sign(good_claims(clock.now())))
    assert silent.authenticated_at is None
    assert silent.authentication_methods == silent.authentication_contexts == frozenset()


async def test_nobody_proved_who_they_are_after_the_token_was_made(
    verifier: IdTokenVerifier, clock: MovableClock
) -> None:
    later = int((clock.now() + timedelta(hours=1)).timestamp())
    found = await verify(verifier, sign({**good_claims(clock.now()), "auth_time": later}))
    assert found.authenticated_at == clock.now()


async def test_ps256_is_accepted_too(verifier: IdTokenVerifier, clock: MovableClock) -> None:
    await verify(verifier, sign(good_claims(clock.now()), algorithm="PS256"))


async def test_a_personal_account_is_recognised_by_its_directory(
    verifier: IdTokenVerifier, clock: MovableClock
) -> None:
    claims = {**good_claims(clock.now()), "tid": PERSONAL, "iss": f"{LOGIN}/{PERSONAL}/v2.0"}
    found = await verify(verifier, sign(claims, key=PERSONAL_KEY, headers={"kid": "personal"}))
    assert found.identity.tenant_id == PERSONAL


@pytest.mark.parametrize(
    ("more", "is_guest"),
    [
        ({"idp": f"https://sts.windows.net/{OTHER_TENANT}/"}, True),
        ({"idp": "live.com"}, True),
        ({"acct": 1}, True),
        ({"acct": 0}, False),
        ({"idp": f"{LOGIN}/{TENANT}/v2.0"}, False),
    ],
)
async def test_guests_are_recognised(
    verifier: IdTokenVerifier, clock: MovableClock, more: dict[str, Any], is_guest: bool
) -> None:
    found = await verify(verifier, sign({**good_claims(clock.now()), **more}))
    assert found.is_guest is is_guest


@pytest.mark.parametrize("seconds", [-60, 60])
async def test_a_minute_of_difference_between_clocks_is_tolerated(
    verifier: IdTokenVerifier, clock: MovableClock, seconds: int
) -> None:
    claims = good_claims(clock.now() + timedelta(seconds=seconds))
    await verify(verifier, sign(claims))
    late = {**good_claims(clock.now()), "iat": int(clock.now().timestamp()) - 3659}
    late |= {"nbf": late["iat"], "exp": late["iat"] + 3600}
    await verify(verifier, sign(late))


async def test_without_a_nonce_to_compare_a_refreshed_token_is_judged_by_the_rest(
    verifier: IdTokenVerifier, clock: MovableClock
) -> None:
    claims = good_claims(clock.now())
    del claims["nonce"]
    await verifier.verify(sign(claims), client_id=CLIENT, nonce=None)
    with pytest.raises(FlowRejected):
        await verifier.verify(sign({**claims, "aud": "x"}), client_id=CLIENT, nonce=None)


def claim_mutations() -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    def put(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda claims: {**claims, **changes}

    def drop(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda claims: {key: value for key, value in claims.items() if key != name}

    def shift(name: str, seconds: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda claims: {**claims, name: claims[name] + seconds}

    found = {
        f"without {name}": drop(name)
        for name in ("iss", "aud", "tid", "oid", "iat", "nbf", "exp", "nonce", "ver")
    }
    values: dict[str, list[Any]] = {
        "iss": [
            "",
            None,
            7,
            [f"{LOGIN}/{TENANT}/v2.0"],
            f"{LOGIN}/{TENANT}/v2.0/",
            f"{LOGIN}/{TENANT}",
            f"{LOGIN}/{OTHER_TENANT}/v2.0",
            f"{LOGIN}/{{tenantid}}/v2.0",
            f"{LOGIN}/common/v2.0",
            f"https://login.microsoftonline.us/{TENANT}/v2.0",
            f"https://sts.windows.net/{TENANT}/",
            f"http://login.microsoftonline.com/{TENANT}/v2.0",
            f"https://login.microsoftonline.com.evil.example/{TENANT}/v2.0",
            f"{LOGIN.upper()}/{TENANT}/v2.0",
        ],
        "aud": [
            "",
            None,
            7,
            [CLIENT],
            [CLIENT, "other"],
            "other",
            CLIENT.upper(),
            CLIENT + " ",
            f"api://{CLIENT}",
        ],
        "tid": ["", None, 7, TENANT.upper(), OTHER_TENANT, "common", TENANT + "\n", TENANT[:-1], {"a": 1}],
        "oid": ["", None, 7, PERSON.upper(), "not-a-guid", PERSON + " ", [PERSON]],
        "nonce": ["", None, 7, NONCE + "n", NONCE[:-1], [NONCE], "ñ" * 43],
        "ver": ["1.0", 2.0, 2, None, ""],
        "exp": ["soon", None, True, -1, 0, 1.5, 2**60, "9999999999"],
        "nbf": ["now", None, True, -1],
        "iat": ["now", None, False, -1],
        "azp": ["other", 7],
    }
    for name, wrong in values.items():
        for number, value in enumerate(wrong):
            found[f"{name} {number}: {str(value)[:40]!r}"] = put(**{name: value})
    found["expired two minutes ago"] = lambda c: {
        **c,
        "iat": c["iat"] - 3720,
        "nbf": c["nbf"] - 3720,
        "exp": c["exp"] - 3720,
    }
    found["valid from two minutes on"] = shift("nbf", 120)
    found["issued in two minutes"] = shift("iat", 120)
    found["lives for two days"] = shift("exp", 48 * 3600)
    found["expires before it was issued"] = lambda c: {**c, "exp": c["iat"] - 1}
    found["no claims"] = lambda c: {}
    return found


CLAIM_MUTATIONS = claim_mutations()


@pytest.mark.parametrize("name", list(CLAIM_MUTATIONS))
async def test_a_token_with_one_wrong_claim_is_refused(
    verifier: IdTokenVerifier, clock: MovableClock, name: str
) -> None:
    claims = CLAIM_MUTATIONS[name](good_claims(clock.now()))
    with pytest.raises(FlowRejected) as refusal:
        await verify(verifier, raw_token({"alg": "RS256", "typ": "JWT", "kid": "main"}, claims))
    assert refusal.value.message == "Microsoft's sign-in could not be verified."


def tampered(claims: dict[str, Any]) -> dict[str, str]:
    """Tokens whose form, header or signature is wrong, while every claim is right."""
    good = sign(claims)
    header, payload, signature = good.split(".")
    json_claims = json.dumps(claims)
    public_pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    rs256 = {"alg": "RS256", "typ": "JWT", "kid": "main"}
    hs256 = b64url(json.dumps({**rs256, "alg": "HS256"}).encode())
    weak_signature = hmac.new(public_pem, f"{hs256}.{payload}".encode(), hashlib.sha256).digest()
    own_jwk = public_jwk(STRANGE_KEY, "main", None)
    return {
        "empty": "",
        "one part": header,
        "two parts": f"{header}.{payload}",
        "four parts": f"{good}.{signature}",
        "five parts, as if encrypted": f"{good}.x.y",
        "no signature": f"{header}.{payload}.",
        "padded signature": good + "==",
        "padded header": f"{header}==.{payload}.{signature}",
        "leading blank": " " + good,
        "trailing newline": good + "\n",
        "plus and slash alphabet": good.replace("-", "+").replace("_", "/") + "+",
        "not base64": f"{header}.%%%%.{signature}",
        "null byte": good + "\x00",
        "non-ascii": good + "é",
        "signature flipped": f"{header}.{payload}.{b64url(bytes([1]) * 256)}",
        "signature spelled another way": good[:-1] + chr(ord(good[-1]) + 1),
        "signature cut": good[:-4],
        "signature of another token": f"{header}.{payload}.{sign({**claims, 'oid': TENANT}).split('.')[2]}",
        "payload changed": f"{header}.{b64url(json.dumps({**claims, 'oid': TENANT}).encode())}.{signature}",
        "alg none": f"{b64url(json.dumps({**rs256, 'alg': 'none'}).encode())}.{payload}.",
        "alg None": f"{b64url(json.dumps({**rs256, 'alg': 'None'}).encode())}.{payload}.{signature}",
        "alg missing": raw_token({"typ": "JWT", "kid": "main"}, claims),
        "alg a list": raw_token({**rs256, "alg": ["RS256"]}, claims),
        "alg in lower case": raw_token({**rs256, "alg": "rs256"}, claims),
        "HS256 with the public key": f"{hs256}.{payload}.{b64url(weak_signature)}",
        "RS384": sign(claims, algorithm="RS384"),
        "RS512": sign(claims, algorithm="RS512"),
        "PS512": sign(claims, algorithm="PS512"),
        "ES256": sign(claims, key=ec_key, algorithm="ES256"),
        "says PS256, signed as RS256": raw_token({**rs256, "alg": "PS256"}, claims),
        "kid missing": raw_token({"alg": "RS256", "typ": "JWT"}, claims),
        "kid empty": raw_token({**rs256, "kid": ""}, claims),
        "kid unknown": raw_token({**rs256, "kid": "unknown"}, claims),
        "kid a number": raw_token({**rs256, "kid": 7}, claims),
        "kid a path": raw_token({**rs256, "kid": "../../dev/null"}, claims),
        "kid very long": raw_token({**rs256, "kid": "k" * 5000}, claims),
        "kid of another key": raw_token({**rs256, "kid": "unpublished-issuer"}, claims),
        "signed by a strange key": sign(claims, key=STRANGE_KEY),
        "brings its own key as jwk": raw_token({**rs256, "jwk": own_jwk}, claims, STRANGE_KEY),
        "points to its own keys": raw_token(
            {**rs256, "jku": "https://evil.example/keys"}, claims, STRANGE_KEY
        ),
        "points to a certificate": raw_token({**rs256, "x5u": "https://evil.example/c"}, claims, STRANGE_KEY),
        "brings a certificate": raw_token({**rs256, "x5c": ["MIIB"]}, claims, STRANGE_KEY),
        "unknown crit": raw_token({**rs256, "crit": ["exp"], "exp": 1}, claims),
        "empty crit": raw_token({**rs256, "crit": []}, claims),
        "b64 false": raw_token({**rs256, "crit": ["b64"], "b64": False}, claims),
        "b64 without crit": raw_token({**rs256, "b64": True}, claims),
        "an access token by type": raw_token({**rs256, "typ": "at+jwt"}, claims),
        "logout token by type": raw_token({**rs256, "typ": "logout+jwt"}, claims),
        "header a list": raw_token("[]", claims),
        "header no JSON": raw_token("{", claims),
        "payload a list": raw_token(rs256, "[]"),
        "payload a string": raw_token(rs256, '"claims"'),
        "payload null": raw_token(rs256, "null"),
        "payload no JSON": raw_token(rs256, json_claims[:-1]),
        "payload not UTF-8": raw_token(
            rs256,
            json_claims.replace("Priya", "\udcff\udcfe".encode("utf-8", "surrogatepass").decode("latin-1"))[
                :-2
            ],
        ),
        "payload very deep": raw_token(rs256, "[" * 4000 + "]" * 4000),
        "payload with a huge number": raw_token(rs256, json_claims.replace('"2.0"', "1" * 4400)),
        "far too large": raw_token(rs256, {**claims, "filler": "x" * 40_000}),
        "personal key for a work directory": sign(claims, key=PERSONAL_KEY, headers={"kid": "personal"}),
        "work key for a personal account": sign(
            {**claims, "tid": PERSONAL, "iss": f"{LOGIN}/{OTHER_TENANT}/v2.0"}
        ),
    }


TAMPERED_NAMES = list(tampered(good_claims(datetime(2026, 11, 24, 12, tzinfo=UTC))))


@pytest.mark.parametrize("name", TAMPERED_NAMES)
async def test_a_token_of_the_wrong_making_is_refused(
    verifier: IdTokenVerifier, clock: MovableClock, name: str
) -> None:
    with pytest.raises(FlowRejected):
        await verify(verifier, tampered(good_claims(clock.now()))[name])


def test_the_corpus_is_large_enough() -> None:
    assert len(CLAIM_MUTATIONS) + len(TAMPERED_NAMES) >= 80


@pytest.mark.parametrize("position", range(0, 60, 3))
async def test_any_changed_character_of_the_payload_breaks_the_token(
    verifier: IdTokenVerifier, clock: MovableClock, position: int
) -> None:
    header, payload, signature = sign(good_claims(clock.now())).split(".")
    letter = "A" if payload[position] != "A" else "B"
    with pytest.raises(FlowRejected):
        await verify(verifier, f"{header}.{payload[:position]}{letter}{payload[position + 1 :]}.{signature}")
