"""A sealed value opens in its own place and nowhere else (SR-31 to SR-34)."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ostiary.adapters.keys.file import FileKeyService
from ostiary.adapters.memory.key_service import MemoryKeyService
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.encoding import associated_data
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import SealContext, Sealed
from ostiary.core.vault.policy import Purpose
from ostiary.core.vault.service import VaultService

CONTEXT = SealContext("org_1", "con_1", "refresh_token", 1)
CLEAR = "0.AXoA-refresh-token-canary"
PURPOSES = {"refresh_token": Purpose.REFRESH, "access_token": Purpose.USE}
BYTE_FIELDS = ("wrapped_key", "nonce", "commitment", "ciphertext")


def vault(seed: int = 1) -> VaultService:
    entropy = SeededEntropy(seed)
    keys = FileKeyService(current="k1", root_keys={"k1": b"0123456789abcdef" * 2}, entropy=entropy)
    return VaultService(keys=keys, entropy=entropy)


contexts = st.builds(
    SealContext,
    organization_id=st.text(min_size=1, max_size=6),
    owner_id=st.text(min_size=1, max_size=6),
    kind=st.sampled_from(["refresh_token", "access_token"]),
    version=st.integers(1, 10_000),
)


@given(clear=st.text(max_size=3000), context=contexts)
async def test_what_was_sealed_opens_in_its_own_place(clear: str, context: SealContext) -> None:
    service = vault()
    sealed = await service.seal(Secret(clear), context)
    assert (await service.open(sealed, context, purpose=PURPOSES[context.kind])).reveal() == clear
    assert not clear or len(clear) < 4 or clear.encode() not in sealed.ciphertext


@given(first=contexts, second=contexts)
async def test_no_two_contexts_share_their_bytes(first: SealContext, second: SealContext) -> None:
    same = associated_data(first, format_version=1, key_id="k") == associated_data(
        second, format_version=1, key_id="k"
    )
    assert same == (first == second)


@given(rows=st.lists(contexts, min_size=2, max_size=5, unique=True))
@settings(max_examples=60)
async def test_every_pairwise_swap_of_rows_fails_to_open(rows: list[SealContext]) -> None:
    service = vault()
    sealed = [await service.seal(Secret(f"token {index}"), row) for index, row in enumerate(rows)]
    for index, other in itertools.permutations(range(len(rows)), 2):
        with pytest.raises(SealBroken):
            await service.open(sealed[index], rows[other], purpose=PURPOSES[rows[other].kind])


async def test_every_swap_of_a_part_between_two_values_of_one_place_fails() -> None:
    service = vault()
    first = await service.seal(Secret("first"), CONTEXT)
    second = await service.seal(Secret("second"), CONTEXT)
    for count in range(1, len(BYTE_FIELDS)):
        for fields in itertools.combinations(BYTE_FIELDS, count):
            mixed = dataclasses.replace(first, **{name: getattr(second, name) for name in fields})
            with pytest.raises(SealBroken):
                await service.open(mixed, CONTEXT, purpose=Purpose.REFRESH)


async def test_every_single_bit_flip_fails_to_open() -> None:
    service = vault()
    sealed = await service.seal(Secret(CLEAR), CONTEXT)
    tried = 0
    for name in BYTE_FIELDS:
        value: bytes = getattr(sealed, name)
        for bit in range(len(value) * 8):
            flipped = bytearray(value)
            flipped[bit // 8] ^= 1 << (bit % 8)
            with pytest.raises(SealBroken):
                await service.open(
                    dataclasses.replace(sealed, **{name: bytes(flipped)}), CONTEXT, purpose=Purpose.REFRESH
                )
            tried += 1
    assert tried > 1_000


@given(name=st.sampled_from(BYTE_FIELDS), data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
async def test_a_truncated_or_longer_value_fails_to_open(name: str, data: st.DataObject) -> None:
    service = vault()
    sealed = await service.seal(Secret(CLEAR), CONTEXT)
    value: bytes = getattr(sealed, name)
    kept = data.draw(st.integers(0, len(value) - 1))
    added = data.draw(st.binary(min_size=1, max_size=8))
    for broken in (value[:kept], value[kept + 1 :], value + added, added + value):
        with pytest.raises(SealBroken):
            await service.open(
                dataclasses.replace(sealed, **{name: broken}), CONTEXT, purpose=Purpose.REFRESH
            )


@given(
    sealed=st.builds(
        Sealed,
        format_version=st.integers(-5, 300),
        key_id=st.one_of(st.text(max_size=20), st.just("k1/org_1")),
        wrapped_key=st.binary(max_size=80),
        nonce=st.one_of(st.binary(max_size=20), st.binary(min_size=12, max_size=12)),
        commitment=st.binary(max_size=40),
        ciphertext=st.binary(max_size=80),
    )
)
async def test_bytes_we_did_not_seal_never_open(sealed: Sealed) -> None:
    with pytest.raises(SealBroken):
        await vault().open(sealed, CONTEXT, purpose=Purpose.REFRESH)


@pytest.mark.parametrize("format_version", [-1, 0, 2, 255])
async def test_another_format_number_is_refused_and_not_guessed_at(format_version: int) -> None:
    service = vault()
    sealed = await service.seal(Secret(CLEAR), CONTEXT)
    with pytest.raises(SealBroken, match="format"):
        await service.open(
            dataclasses.replace(sealed, format_version=format_version), CONTEXT, purpose=Purpose.REFRESH
        )


async def test_the_key_id_is_part_of_what_is_authenticated() -> None:
    entropy = SeededEntropy(3)
    root = b"0123456789abcdef" * 2
    # Two names for the same bytes: only the authenticated key id tells them apart.
    keys = FileKeyService(current="a", root_keys={"a": root, "b": root}, entropy=entropy)
    service = VaultService(keys=keys, entropy=entropy)
    sealed = await service.seal(Secret(CLEAR), CONTEXT)
    with pytest.raises(SealBroken):
        await service.open(dataclasses.replace(sealed, key_id="b/org_1"), CONTEXT, purpose=Purpose.REFRESH)


async def test_a_wrong_commitment_is_found_before_anything_is_decrypted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = vault()
    sealed = await service.seal(Secret(CLEAR), CONTEXT)

    class Untouched:
        def __init__(self, key: bytes) -> None: ...

        def decrypt(self, *args: object) -> bytes:
            raise AssertionError("decrypted before the commitment was checked")

    monkeypatch.setattr("ostiary.core.vault.service.AESGCM", Untouched)
    with pytest.raises(SealBroken):
        await service.open(
            dataclasses.replace(sealed, commitment=bytes(32)), CONTEXT, purpose=Purpose.REFRESH
        )


async def test_equal_secrets_are_sealed_under_different_keys_and_nonces() -> None:
    service = vault()
    one = await service.seal(Secret(CLEAR), CONTEXT)
    two = await service.seal(Secret(CLEAR), CONTEXT)
    for name in BYTE_FIELDS:
        assert getattr(one, name) != getattr(two, name)


async def test_another_organizations_key_does_not_unwrap() -> None:
    service = vault()
    sealed = await service.seal(Secret(CLEAR), CONTEXT)
    moved = dataclasses.replace(sealed, key_id="k1/org_2")
    for organization_id in ("org_1", "org_2"):
        context = dataclasses.replace(CONTEXT, organization_id=organization_id)
        with pytest.raises(SealBroken):
            await service.open(moved, context, purpose=Purpose.REFRESH)


async def test_a_broken_seal_says_nothing_of_the_value() -> None:
    service = vault()
    sealed = await service.seal(Secret(CLEAR), CONTEXT)
    with pytest.raises(SealBroken) as caught:
        await service.open(
            dataclasses.replace(sealed, ciphertext=sealed.ciphertext[::-1]), CONTEXT, purpose=Purpose.REFRESH
        )
    assert CLEAR not in str(caught.value)
    assert CLEAR not in repr(sealed)


async def test_a_silent_key_service_is_an_outage_and_never_a_fallback() -> None:
    keys = MemoryKeyService(SeededEntropy(5))
    service = VaultService(keys=keys, entropy=SeededEntropy(6))
    sealed = await service.seal(Secret(CLEAR), CONTEXT)
    keys.is_down = True
    for call in (
        service.open(sealed, CONTEXT, purpose=Purpose.REFRESH),
        service.seal(Secret(CLEAR), CONTEXT),
        service.health(),
    ):
        with pytest.raises(TemporarilyUnavailable):
            await call
    keys.is_down = False
    assert (await service.open(sealed, CONTEXT, purpose=Purpose.REFRESH)).reveal() == CLEAR


async def test_values_sealed_before_a_rotation_still_open() -> None:
    keys = MemoryKeyService(SeededEntropy(5))
    service = VaultService(keys=keys, entropy=SeededEntropy(6))
    old = await service.seal(Secret("old"), CONTEXT)
    await keys.rotate(organization_ids=[CONTEXT.organization_id])
    new = await service.seal(Secret("new"), CONTEXT)
    assert old.key_id != new.key_id
    assert (await service.open(old, CONTEXT, purpose=Purpose.REFRESH)).reveal() == "old"
    assert (await service.open(new, CONTEXT, purpose=Purpose.REFRESH)).reveal() == "new"


async def test_an_envelope_takes_one_value_and_shows_nothing() -> None:
    envelope = await vault().envelope(CONTEXT)
    assert repr(envelope) == "Envelope(‹secret›)"
    envelope.seal(Secret(CLEAR))
    with pytest.raises(RuntimeError, match="one value"):
        envelope.seal(Secret("another"))


async def test_a_data_key_of_another_length_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    service = vault()
    sealed = await service.seal(Secret(CLEAR), CONTEXT)

    async def short(**_: object) -> bytes:
        return bytes(16)

    monkeypatch.setattr(service._keys, "unwrap", short)
    with pytest.raises(SealBroken, match="damaged"):
        await service.open(sealed, CONTEXT, purpose=Purpose.REFRESH)


async def test_what_was_sealed_long_ago_still_opens() -> None:
    """Written down once: a change of format, labels or key derivation would lose every stored sign-in (SR-34)."""
    stored = Sealed(
        format_version=1,
        key_id="k1/org_1",
        wrapped_key=bytes.fromhex(
            "6699a58c091affea6a87144a50c794327b452aaef64083a405bf4e25cf0f918f33f08817dca10b68"
            "069a07fa42113a35ab37ef1b35baf9b55d568f48"
        ),
        nonce=bytes.fromhex("3122071113bd120536abce66"),
        commitment=bytes.fromhex("9d443a1fafcffa2fad845a456b315f0b8788df461bb13b8874340de4b5b64aaa"),
        ciphertext=bytes.fromhex(
            "7b1f4b7fa5209d0bd78d8e2c0f25aeda21df611ebe02756b2526c91c7a9b54a2b9720224b78eb8d987e880"
        ),
    )
    opened = await vault(seed=9).open(stored, CONTEXT, purpose=Purpose.REFRESH)
    assert opened.reveal() == CLEAR


def test_what_is_authenticated_beside_a_value_is_written_down() -> None:
    assert associated_data(CONTEXT, format_version=1, key_id="k1") == (
        b"\0\0\0\x14ostiary sealed value\0\0\0\x011\0\0\0\x02k1"
        b"\0\0\0\x05org_1\0\0\0\x05con_1\0\0\0\x0drefresh_token\0\0\0\x011"
    )


async def test_nothing_at_all_can_be_sealed_too() -> None:
    service = vault()
    sealed = await service.seal(Secret(""), CONTEXT)
    assert (await service.open(sealed, CONTEXT, purpose=Purpose.REFRESH)).reveal() == ""
