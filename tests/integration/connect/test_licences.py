"""A licence that is taken pauses the mailbox; given back in time it goes on, and after a month the sign-in is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import ConnectionStatus
from ostiary.entrypoints.worker.licences import (
    KEPT_FOR,
    pause_without_licence,
    release_unlicensed,
    resume_with_licence,
)

from ..connect_world import Company

TOM = {"organization_id": "org_1", "member_id": "mem_1"}


async def test_a_licence_that_comes_back_within_a_month_needs_no_new_sign_in(
    company: Company, move_time: Callable[[timedelta], None]
) -> None:
    app = company.app
    await company.approve()
    connection = await company.confirm(await company.go())
    await app.organizations.take_licences([company.tom.id], organization_id="org_1", actor=SYSTEM)
    assert await resume_with_licence(app, **TOM) == 0
    assert await pause_without_licence(app, **TOM) == 1
    [paused] = await company.connections()
    assert (paused.status, paused.reason) == (ConnectionStatus.PAUSED, "no_licence")
    move_time(KEPT_FOR - timedelta(minutes=1))
    assert await release_unlicensed(app) == 0
    await app.organizations.give_licences([company.tom.id], organization_id="org_1", actor=SYSTEM)
    assert await resume_with_licence(app, **TOM) == 1
    [back] = await company.connections()
    assert (back.id, back.status, back.reason) == (connection.id, ConnectionStatus.CONNECTED, None)


async def test_after_a_month_without_a_licence_the_sign_in_is_destroyed(
    company: Company, move_time: Callable[[timedelta], None]
) -> None:
    app = company.app
    await company.approve()
    connection = await company.confirm(await company.go())
    await app.organizations.take_licences([company.tom.id], organization_id="org_1", actor=SYSTEM)
    await pause_without_licence(app, **TOM)
    move_time(KEPT_FOR)
    assert await release_unlicensed(app) == 1
    [gone] = await company.connections()
    assert gone.status is ConnectionStatus.DISCONNECTED
    async with app.transactions() as tx:
        assert await tx.refresh_tokens.find(connection.id) is None


async def test_what_a_person_paused_stays_paused_when_a_licence_is_given(company: Company) -> None:
    app = company.app
    await company.approve()
    connection = await company.confirm(await company.go())
    await app.connections.pause(connection.id, organization_id="org_1", actor=SYSTEM)
    assert await resume_with_licence(app, **TOM) == 0
    assert await release_unlicensed(app) == 0
