"""Microsoft's keys: fetched rarely, kept through an outage, read with care (SR-10)."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ostiary.adapters.entra.keys import SigningKeys, parse_keys
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import TemporarilyUnavailable

NUMBERS = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers()


def jwk(kid: str, **changes: Any) -> dict[str, Any]:
    modulus = urlsafe_b64encode(NUMBERS.n.to_bytes(256, "big")).rstrip(b"=").decode()
    return {"kty": "RSA", "use": "sig", "kid": kid, "n": modulus, "e": "AQAB", **changes}


class Source:
    """A key list that counts how often it is read."""

    def __init__(self, *kids: str) -> None:
        self.kids = list(kids)
        self.reads = 0
        self.is_down = False

    async def __call__(self) -> object:
        self.reads += 1
        if self.is_down:
            raise TemporarilyUnavailable("x", reason="microsoft_down")
        return {"keys": [jwk(kid) for kid in self.kids]}


async def test_keys_are_read_once_and_again_after_an_hour(clock: MovableClock) -> None:
    source = Source("a")
    keys = SigningKeys(fetch=source, clock=clock)
    for _ in range(5):
        assert await keys.find("a") is not None
    assert source.reads == 1
    clock.advance(timedelta(hours=1))
    assert await keys.find("a") is not None
    assert source.reads == 2


async def test_an_unknown_key_is_looked_for_at_most_once_a_minute(clock: MovableClock) -> None:
    source = Source("a")
    keys = SigningKeys(fetch=source, clock=clock)
    await keys.find("a")
    clock.advance(timedelta(minutes=1))
    assert await asyncio.gather(*(keys.find(f"forged-{number}") for number in range(50))) == [None] * 50
    assert source.reads == 2
    source.kids.append("b")
    assert await keys.find("b") is None
    clock.advance(timedelta(minutes=1))
    assert await keys.find("b") is not None
    assert source.reads == 3


async def test_an_outage_leaves_the_known_keys_good(clock: MovableClock) -> None:
    source = Source("a")
    keys = SigningKeys(fetch=source, clock=clock)
    await keys.find("a")
    source.is_down = True
    clock.advance(timedelta(hours=5))
    assert await keys.find("a") is not None
    assert await keys.find("b") is None


async def test_without_any_keys_an_outage_is_an_outage(clock: MovableClock) -> None:
    source = Source("a")
    source.is_down = True
    keys = SigningKeys(fetch=source, clock=clock)
    with pytest.raises(TemporarilyUnavailable):
        await keys.find("a")
    source.is_down = False
    assert await keys.find("a") is not None


async def test_a_key_that_is_withdrawn_is_gone_after_the_next_reading(clock: MovableClock) -> None:
    source = Source("a", "b")
    keys = SigningKeys(fetch=source, clock=clock)
    assert await keys.find("b") is not None
    source.kids.remove("b")
    clock.advance(timedelta(hours=1))
    assert await keys.find("b") is None


@pytest.mark.parametrize(
    "odd",
    [
        {"kty": "EC"},
        {"kty": "oct", "k": "secret"},
        {"use": "enc"},
        {"kid": 7},
        {"n": "AQAB"},
        {"n": None},
        {"n": "%%%"},
        {"e": ""},
        {"e": "Ag"},
        {"issuer": 7},
        {"n": "A" * 4000},
    ],
)
def test_a_key_that_does_not_fit_is_left_out(odd: dict[str, Any]) -> None:
    document = {"keys": [jwk("good"), jwk("odd") | odd]}
    assert list(parse_keys(document)) == ["good"]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": "x"}, "<html>"])
def test_an_unreadable_list_is_a_passing_fault(document: object) -> None:
    with pytest.raises(TemporarilyUnavailable):
        parse_keys(document)


def test_entries_that_are_no_objects_are_left_out() -> None:
    assert list(parse_keys({"keys": [None, "x", 7, jwk("good")]})) == ["good"]
