"""Rotation and re-wrapping: online, resumable, on record (SR-36)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.unit.connections.conftest import ACTOR

from ostiary.core.connections.rewrap import KeyRotation
from ostiary.core.connections.token_rules import refresh_token_context
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.vault.policy import Purpose
from ostiary.core.vault.service import VaultService

if TYPE_CHECKING:
    import pytest
    from tests.unit.connections.conftest import World

    from ostiary.core.connections.model import Connection
    from ostiary.core.vault.model import Sealed


def vault(world: World) -> VaultService:
    return VaultService(keys=world.keys, entropy=SeededEntropy(41))


def rotation(world: World) -> KeyRotation:
    async def no_wait(seconds: float) -> None:
        return None

    return KeyRotation(
        transactions=world.transactions, keys=world.keys, vault=vault(world), clock=world.clock, sleep=no_wait
    )


async def stored(world: World, connection_id: str) -> tuple[Sealed, int]:
    async with world.transactions() as tx:
        found = await tx.refresh_tokens.find(connection_id)
    assert found is not None
    return found


async def copies(world: World, connection: Connection, count: int) -> list[Connection]:
    """Give the organization more connections, each with a token of its own."""
    made: list[Connection] = []
    for number in range(count):
        other = replace(
            connection, id=f"con_copy{number:04}", object_id=f"object {number}", reference=f"C-{number:04}"
        )
        secret = await vault(world).open(
            (await stored(world, connection.id))[0],
            refresh_token_context(connection, connection.token_version),
            purpose=Purpose.REFRESH,
        )
        sealed = await vault(world).seal(secret, refresh_token_context(other, 1))
        async with world.transactions() as tx:
            await tx.connections.add(other)
            await tx.refresh_tokens.put(other.id, sealed, version=1, at=world.clock.now())
        made.append(other)
    return made


async def test_rewrapping_moves_every_sign_in_to_the_current_key(world: World) -> None:
    connection = await world.connect()
    await copies(world, connection, 120)
    before, version = await stored(world, connection.id)
    secret = await vault(world).open(
        before, refresh_token_context(connection, version), purpose=Purpose.REFRESH
    )
    assert await rotation(world).rotate(actor=ACTOR) == 1
    report = await rotation(world).rewrap()
    assert (report.rewrapped, report.broken) == (121, 0)
    after, same_version = await stored(world, connection.id)
    assert (after.key_id != before.key_id, same_version) == (True, version)
    assert (
        await vault(world).open(after, refresh_token_context(connection, version), purpose=Purpose.REFRESH)
        == secret
    )
    holding = {state.is_current for state in await rotation(world).status() if state.use.refresh_tokens}
    assert holding == {True}
    assert (await rotation(world).rewrap()).rewrapped == 0


async def test_a_round_that_is_cut_short_goes_on_where_it_stopped(world: World) -> None:
    connection = await world.connect()
    await copies(world, connection, 9)
    await rotation(world).rotate(actor=ACTOR)
    assert (await rotation(world).rewrap(most=4)).rewrapped == 4
    counts = [state.use.refresh_tokens for state in await rotation(world).status()]
    assert sorted(counts) == [4, 6]
    assert (await rotation(world).rewrap()).rewrapped == 6


async def test_a_refresh_that_was_quicker_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await world.connect()
    await rotation(world).rotate(actor=ACTOR)
    service = world.another_service()
    seal_again = VaultService.seal_again

    async def after_a_refresh(self: VaultService, sealed: Sealed, context: object) -> Sealed:
        world.clock.advance(timedelta(hours=2))
        await service.tokens.get(connection.id)
        return await seal_again(self, sealed, context)  # type: ignore[arg-type]

    monkeypatch.setattr(VaultService, "seal_again", after_a_refresh)
    assert (await rotation(world).rewrap()).rewrapped == 0
    sealed, version = await stored(world, connection.id)
    assert version == 2
    await vault(world).open(sealed, refresh_token_context(connection, version), purpose=Purpose.REFRESH)


async def test_a_row_that_does_not_open_stays_and_is_reported(world: World) -> None:
    connection = await world.connect()
    (other,) = await copies(world, connection, 1)
    sealed, _ = await stored(world, connection.id)
    async with world.transactions() as tx:
        await tx.refresh_tokens.put(
            other.id, replace(sealed, commitment=b"x" * 32), version=2, at=world.clock.now()
        )
    await rotation(world).rotate(actor=ACTOR)
    report = await rotation(world).rewrap()
    assert (report.rewrapped, report.broken) == (1, 1)
    assert (await stored(world, other.id))[1] == 2
    assert "connection.seal_broken" in await world.audit("connection.")


async def test_every_opening_is_on_record_before_it_happens(world: World) -> None:
    connection = await world.connect()
    await rotation(world).rotate(actor=ACTOR)
    await world.audit()
    opened_at: list[list[str]] = []

    class Watching(VaultService):
        async def seal_again(self, sealed: Sealed, context: object) -> Sealed:
            opened_at.append(await world.audit("vault.opened"))
            return await super().seal_again(sealed, context)  # type: ignore[arg-type]

    async def no_wait(seconds: float) -> None:
        return None

    watched = Watching(keys=world.keys, entropy=SeededEntropy(4))
    count = len(await world.audit("vault.opened"))
    await KeyRotation(
        transactions=world.transactions, keys=world.keys, vault=watched, clock=world.clock, sleep=no_wait
    ).rewrap(actor=ACTOR)
    assert [len(each) for each in opened_at] == [count + 1]
    assert (await world.audit("keys."))[0] == "keys.rewrapped"
    assert connection.id
