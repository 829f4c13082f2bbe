"""Only Microsoft's change tracking vouches for notifications, to us, now, for one tenant (SR-86)."""

from __future__ import annotations

import random
import string
from datetime import timedelta
from typing import Any

import pytest

from ostiary.adapters.entra.clouds import CLOUDS
from ostiary.adapters.entra.keys import SigningKeys
from ostiary.adapters.entra.validation_token import PUBLISHER, ValidationTokenVerifier
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import TemporarilyUnavailable

from .test_id_token import (
    CLIENT,
    JWKS,
    LOGIN,
    OTHER_TENANT,
    PERSON,
    PERSONAL_KEY,
    STRANGE_KEY,
    TENANT,
    raw_token,
    sign,
)


@pytest.fixture
def verifier(clock: MovableClock) -> ValidationTokenVerifier:
    async def fetch() -> object:
        return JWKS

    keys = SigningKeys(fetch=fetch, clock=clock)
    return ValidationTokenVerifier(cloud=CLOUDS["global"], keys=keys, clock=clock, client_ids={CLIENT})


@pytest.fixture
def claims(clock: MovableClock) -> dict[str, Any]:
    issued = int(clock.now().timestamp())
    return {
        "aud": CLIENT,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": issued,
        "nbf": issued,
        "exp": issued + 3600,
        "appid": PUBLISHER,
        "tid": TENANT,
        "ver": "1.0",
    }


def newer(claims: dict[str, Any]) -> dict[str, Any]:
    """Return the same as a token of the second version."""
    kept = {name: value for name, value in claims.items() if name != "appid"}
    return kept | {"iss": f"{LOGIN}/{TENANT}/v2.0", "azp": PUBLISHER, "ver": "2.0"}


async def test_a_good_token_of_either_version_vouches_for_its_tenant(
    verifier: ValidationTokenVerifier, claims: dict[str, Any]
) -> None:
    assert await verifier.tenant_of(sign(claims)) == TENANT
    assert await verifier.tenant_of(sign(newer(claims))) == TENANT


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": PERSON},
        {"aud": [CLIENT]},
        {"aud": None},
        {"appid": CLIENT},
        {"appid": None, "azp": PUBLISHER},
        {"iss": f"https://sts.windows.net/{OTHER_TENANT}/"},
        {"iss": f"https://sts.windows.net/{TENANT}"},
        {"iss": f"{LOGIN}/{TENANT}/v2.0"},
        {"tid": OTHER_TENANT},
        {"tid": "common"},
        {"ver": "2.0"},
        {"ver": None},
    ],
)
async def test_a_token_with_one_wrong_claim_vouches_for_nobody(
    verifier: ValidationTokenVerifier, claims: dict[str, Any], changed: dict[str, Any]
) -> None:
    assert await verifier.tenant_of(sign(claims | changed)) is None


async def test_a_token_vouches_only_in_its_time(
    verifier: ValidationTokenVerifier, claims: dict[str, Any], clock: MovableClock
) -> None:
    token = sign(claims)
    early = int(clock.now().timestamp()) + 120
    assert await verifier.tenant_of(sign(claims | {"nbf": early})) is None
    assert await verifier.tenant_of(sign(claims | {"exp": claims["exp"] + 10**6})) is None
    clock.advance(timedelta(hours=2))
    assert await verifier.tenant_of(token) is None


async def test_strangers_keys_and_the_personal_accounts_key_vouch_for_nobody(
    verifier: ValidationTokenVerifier, claims: dict[str, Any]
) -> None:
    assert await verifier.tenant_of(sign(claims, key=STRANGE_KEY)) is None
    assert await verifier.tenant_of(sign(claims, key=PERSONAL_KEY, headers={"kid": "personal"})) is None
    assert await verifier.tenant_of(sign(claims, headers={"kid": "unknown"})) is None
    assert await verifier.tenant_of(raw_token({"alg": "none", "kid": "main"}, claims)) is None


async def test_no_mutation_of_a_good_token_vouches(
    verifier: ValidationTokenVerifier, claims: dict[str, Any]
) -> None:
    good = sign(claims)
    dice = random.Random(86)
    letters = string.ascii_letters + string.digits + "-_.=+/ "
    for at in range(len(good)):
        other = dice.choice([each for each in letters if each != good[at]])
        assert await verifier.tenant_of(good[:at] + other + good[at + 1 :]) is None
        assert await verifier.tenant_of(good[:at]) is None
        assert await verifier.tenant_of(good[:at] + other + good[at:]) is None


async def test_without_microsofts_keys_nothing_is_decided(
    clock: MovableClock, claims: dict[str, Any]
) -> None:
    async def fetch() -> object:
        raise TemporarilyUnavailable("Microsoft does not answer.")

    verifier = ValidationTokenVerifier(
        cloud=CLOUDS["global"],
        keys=SigningKeys(fetch=fetch, clock=clock),
        clock=clock,
        client_ids={CLIENT},
    )
    with pytest.raises(TemporarilyUnavailable):
        await verifier.tenant_of(sign(claims))
