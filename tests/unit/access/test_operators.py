"""Operators who are switched off are out at once, everywhere (SR-52, SR-66)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ostiary.adapters.memory.authorization_server import MemoryAuthorizationServer, MemoryPerson
from ostiary.core.access.service import AccessService
from ostiary.core.audit.model import Actor
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from ostiary.core.kernel.secret import Secret

from .test_step_up import walk

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

SAM = MemoryPerson("11111111-2222-4333-8444-555555555555", "sam-object", "sam@larkspur.example", "Sam")


@pytest.fixture
async def vik(access: AccessService, operator: Actor) -> Secret:
    _, link = await access.create_operator_link(name="Vik", actor=operator)
    return (await access.use_operator_link(link, replaces=None, actor=operator)).secret


async def test_switching_off_ends_every_session_and_link_at_once(
    access: AccessService,
    microsoft: MemoryAuthorizationServer,
    operator: Actor,
    visitor: Actor,
    vik: Secret,
) -> None:
    _, first = await access.create_operator_link(name="Sam", actor=operator)
    bound = await walk(access.console, microsoft, SAM, visitor, link=first)
    second = await walk(access.console, microsoft, SAM, visitor)
    _, unused = await access.create_operator_link(name="Sam", actor=operator)
    await access.operators.disable(bound.session.subject_id, actor=operator)
    for session in (bound, second):
        assert await access.find_session(session.secret) is None
    assert await access.find_link(unused) is None
    with pytest.raises(PermissionDenied):
        await walk(access.console, microsoft, SAM, visitor)
    with pytest.raises(InvalidRequest):
        await access.create_operator_link(name="Sam", actor=operator)
    assert await access.find_session(vik) is not None

    await access.operators.enable(bound.session.subject_id, actor=operator)
    # What ended stays ended.
    assert await access.find_session(second.secret) is None
    assert await walk(access.console, microsoft, SAM, visitor)


async def test_the_last_operator_cannot_be_switched_off(
    access: AccessService, operator: Actor, vik: Secret
) -> None:
    found = await access.operators.resolve("vik")
    with pytest.raises(Conflict):
        await access.operators.disable(found.id, actor=operator)
    await access.create_operator_link(name="Sam", actor=operator)
    await access.operators.disable(found.id, actor=operator)
    assert await access.find_session(vik) is None
    with pytest.raises(Conflict):
        await access.operators.disable((await access.operators.resolve("Sam")).id, actor=operator)


async def test_signing_out_everywhere_leaves_the_door_open(
    access: AccessService, operator: Actor, vik: Secret
) -> None:
    found = await access.operators.resolve("Vik")
    (row,) = await access.operators.list_all()
    assert len(row.sessions) == 1
    assert await access.operators.end_sessions(found.id, actor=operator) == 1
    assert await access.find_session(vik) is None
    with pytest.raises(NotFound):
        await access.operators.end_sessions(found.id, actor=operator)
    assert await access.create_operator_link(name="Vik", actor=operator)


async def test_switching_off_or_on_what_is_so_already_is_no_act(
    access: AccessService, operator: Actor, vik: Secret, transactions: SQLTransactions
) -> None:
    await access.create_operator_link(name="Sam", actor=operator)
    sam = await access.operators.resolve("Sam")
    assert await access.operators.enable(sam.id, actor=operator) == sam
    off = await access.operators.disable(sam.id, actor=operator)
    assert await access.operators.disable(sam.id, actor=operator) == off
    await access.operators.enable(sam.id, actor=operator)
    async with transactions() as transaction:
        page = await transaction.audit.page(organization_id=None, what_prefix="operator.")
    acts = [record.what for record in page.items if record.object_id == sam.id]
    assert acts == ["operator.enabled", "operator.disabled", "operator.added"]


async def test_signing_in_does_not_bring_somebody_switched_off_back(
    access: AccessService, operator: Actor, visitor: Actor, vik: Secret
) -> None:
    """The link is gone with the operator; one that survived in a race opens nothing either (SR-66)."""
    _, link = await access.create_operator_link(name="Sam", actor=operator)
    sam = await access.operators.resolve("Sam")
    async with access._transactions() as transaction:
        await transaction.operators.save(replace(sam, disabled_at=access._clock.now()))
    with pytest.raises(PermissionDenied) as refused:
        await access.use_operator_link(link, replaces=None, actor=visitor)
    assert refused.value.reason == "link_expired"
