"""The kill switch: no use of a token starts later than 60 seconds after it, in any process (SR-50)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.unit.connections.conftest import ACTOR

from ostiary.core.connections.errors import Frozen
from ostiary.core.connections.freeze import LOOK_AGAIN, Freeze, Freezes, FreezeScope
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from tests.unit.connections.conftest import World

SCOPES = (FreezeScope.CONNECTION, FreezeScope.ORGANIZATION, FreezeScope.INSTANCE)


def freezes(world: World) -> Freezes:
    """The operator's own process: it shares nothing in memory with the ones that hold tokens."""
    return Freezes(transactions=world.transactions, clock=world.clock)


def target(scope: FreezeScope, connection_id: str) -> str:
    return {"connection": connection_id, "organization": "org_1", "instance": ""}[scope.value]


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_token_that_another_process_holds_is_not_used_a_minute_later(
    world: World, scope: FreezeScope
) -> None:
    connection = await world.connect()
    other = world.another_service()
    await other.tokens.get(connection.id)
    await freezes(world).freeze(scope, target(scope, connection.id), actor=ACTOR)
    assert timedelta(seconds=30) >= LOOK_AGAIN
    world.clock.advance(LOOK_AGAIN)
    with pytest.raises(Frozen):
        await other.tokens.get(connection.id)


@pytest.mark.parametrize("scope", SCOPES)
async def test_nothing_is_opened_or_refreshed_from_the_moment_of_the_freeze(
    world: World, scope: FreezeScope
) -> None:
    connection = await world.connect()
    await freezes(world).freeze(scope, target(scope, connection.id), actor=ACTOR)
    openings = len(await world.audit("vault.opened"))
    with pytest.raises(Frozen):
        await world.another_service().tokens.get(connection.id)
    world.clock.advance(timedelta(hours=2))
    with pytest.raises(Frozen):
        await world.another_service().tokens.get(connection.id)
    assert world.microsoft.refreshes == []
    assert len(await world.audit("vault.opened")) == openings


async def test_a_freeze_loses_nothing_and_lifting_it_brings_everything_back(world: World) -> None:
    connection = await world.connect()
    operator = freezes(world)
    assert await operator.freeze(FreezeScope.ORGANIZATION, "org_1", note="stolen laptop", actor=ACTOR)
    assert not await operator.freeze(FreezeScope.ORGANIZATION, "org_1", actor=ACTOR)
    (listed,) = await operator.list_all()
    assert (listed.scope, listed.target_id, listed.note) == (
        FreezeScope.ORGANIZATION,
        "org_1",
        "stolen laptop",
    )
    service = world.another_service()
    with pytest.raises(Frozen):
        await service.check(connection.id, organization_id=None, actor=ACTOR)
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED
    assert await world.has_token(connection.id)
    assert await operator.unfreeze(FreezeScope.ORGANIZATION, "org_1", actor=ACTOR)
    assert not await operator.unfreeze(FreezeScope.ORGANIZATION, "org_1", actor=ACTOR)
    await service.tokens.get(connection.id)
    assert await world.audit("organization.") == ["organization.unfrozen", "organization.frozen"]


async def test_freezing_one_organization_leaves_the_others_alone(world: World) -> None:
    connection = await world.connect()
    service = world.another_service()
    async with world.transactions() as tx:
        from dataclasses import replace

        await tx.organizations.add(replace(world.organization, id="org_2", external_id="other"))
    await freezes(world).freeze(FreezeScope.ORGANIZATION, "org_2", actor=ACTOR)
    await service.tokens.get(connection.id)
    world.clock.advance(LOOK_AGAIN)
    await service.tokens.get(connection.id)


async def test_a_freeze_between_two_attempts_stops_the_second_one(world: World) -> None:
    from ostiary.core.kernel.errors import ReauthorizationRequired

    connection = await world.connect()
    world.clock.advance(timedelta(hours=2))
    world.microsoft.refresh_answers = [ReauthorizationRequired("no", reason="sign_in_needed")]
    service = world.another_service()
    operator = freezes(world)

    async def freeze_meanwhile(seconds: float) -> None:
        await operator.freeze(FreezeScope.CONNECTION, connection.id, actor=ACTOR)

    service.tokens._sleep = freeze_meanwhile  # type: ignore[method-assign]
    with pytest.raises(Frozen):
        await service.tokens.get(connection.id)
    assert len(world.microsoft.refreshes) == 1
    assert (await world.reread(connection)).status is ConnectionStatus.CONNECTED


async def test_a_clock_that_was_set_back_does_not_make_old_knowledge_fresh(world: World) -> None:
    connection = await world.connect()
    service = world.another_service()
    await service.tokens.get(connection.id)
    await service.tokens.get(connection.id)
    await freezes(world).freeze(FreezeScope.INSTANCE, actor=ACTOR)
    world.clock.advance(timedelta(minutes=-5))
    with pytest.raises(Frozen):
        await service.tokens.get(connection.id)


async def test_however_many_callers_come_at_once_the_database_is_asked_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, process = freezes(world), freezes(world)
    ask, asked = process.list_all, 0

    async def count() -> tuple[Freeze, ...]:
        nonlocal asked
        asked += 1
        return await ask()

    monkeypatch.setattr(process, "list_all", count)

    async def come(callers: int) -> list[BaseException | None]:
        calls = (
            process.require_thawed(f"con_{number}", organization_id="org_1") for number in range(callers)
        )
        return await asyncio.gather(*calls, return_exceptions=True)

    assert await come(200) == [None] * 200
    assert asked == 1
    await operator.freeze(FreezeScope.INSTANCE, actor=ACTOR)
    world.clock.advance(LOOK_AGAIN)
    assert {type(each) for each in await come(200)} == {Frozen}
    assert asked == 2


async def test_what_a_process_freezes_while_it_looks_holds_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = freezes(world)
    ask = process.list_all

    async def be_overtaken() -> tuple[Freeze, ...]:
        monkeypatch.setattr(process, "list_all", ask)
        found = await ask()
        await process.freeze(FreezeScope.INSTANCE, actor=ACTOR)
        return found

    monkeypatch.setattr(process, "list_all", be_overtaken)
    with pytest.raises(Frozen):
        await process.require_thawed("con_1", organization_id="org_1")


async def test_what_is_not_there_cannot_be_frozen(world: World) -> None:
    operator = freezes(world)
    for scope in (FreezeScope.CONNECTION, FreezeScope.ORGANIZATION):
        with pytest.raises(NotFound):
            await operator.freeze(scope, "nobody", actor=ACTOR)
    with pytest.raises(InvalidRequest):
        await operator.freeze(FreezeScope.INSTANCE, "org_1", actor=ACTOR)
    with pytest.raises(InvalidRequest):
        await operator.freeze(FreezeScope.INSTANCE, note="x" * 501, actor=ACTOR)
