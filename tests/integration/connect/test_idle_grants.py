"""A sign-in that nobody uses is reported, then destroyed; one use keeps it (SR-49)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.core.connections.idle import IdleRound
from ostiary.core.connections.mailboxes import Part
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.settings import Settings

from ..connect_world import TOM, Company

Move = Callable[[timedelta], None]


@pytest.fixture
def emulator_settings(emulator_settings: Settings) -> Settings:
    """Mail is on; nobody takes it, so that the outbox can be looked at."""
    return emulator_settings.model_copy(
        update={"smtp_url": SecretStr("smtp://127.0.0.1:9"), "mail_from": "no-reply@larkspur.example"}
    )


async def connected(company: Company) -> Connection:
    await company.approve()
    return await company.confirm(await company.go())


async def told(database: AsyncEngine) -> list[tuple[str, str]]:
    async with database.connect() as sql:
        rows = await sql.execute(
            text("SELECT kind, to_address FROM notices WHERE kind LIKE 'idle%' ORDER BY created_at, id")
        )
        return [(kind, to) for kind, to in rows]


async def has_token(company: Company, connection: Connection) -> bool:
    async with company.app.transactions() as tx:
        return await tx.refresh_tokens.find(connection.id) is not None


async def test_unused_sign_in_is_reported_two_weeks_before_it_is_destroyed(
    company: Company, database: AsyncEngine, move_time: Move
) -> None:
    connection, idle = await connected(company), company.app.idle_grants

    move_time(timedelta(days=75))
    assert await idle.retire() == IdleRound(0, 0)
    move_time(timedelta(days=1))
    assert await idle.retire() == IdleRound(1, 0)
    assert await idle.retire() == IdleRound(0, 0)
    assert await told(database) == [("idle", TOM)]

    move_time(timedelta(days=13))
    assert await idle.retire() == IdleRound(0, 0)
    assert await has_token(company, connection)
    move_time(timedelta(days=1))
    assert await idle.retire() == IdleRound(0, 1)
    assert not await has_token(company, connection)
    now = await company.app.connections.get(connection.id, organization_id=None)
    assert now.status is ConnectionStatus.DISCONNECTED
    assert await told(database) == [("idle", TOM), ("idle_ended", TOM)]
    assert await idle.retire() == IdleRound(0, 0)
    async with database.connect() as sql:
        acts = set(
            await sql.scalars(
                text("SELECT what FROM audit_records WHERE object_id = :id"), {"id": connection.id}
            )
        )
    assert acts >= {"connection.idle", "connection.retired", "connection.disconnected"}


async def test_one_use_after_the_report_keeps_the_sign_in(
    company: Company, database: AsyncEngine, move_time: Move
) -> None:
    connection, idle = await connected(company), company.app.idle_grants
    move_time(timedelta(days=80))
    assert await idle.retire() == IdleRound(1, 0)
    await company.app.permission_usage.note(connection.id, connection.method, Part.MAIL)
    for days in (14, 61):
        move_time(timedelta(days=days))
        assert await idle.retire() == IdleRound(0, 0)
    assert await has_token(company, connection)
    # The next spell of idleness is told again.
    move_time(timedelta(days=1))
    assert await idle.retire() == IdleRound(1, 0)
    assert await told(database) == [("idle", TOM)] * 2


async def test_long_unseen_sign_ins_are_still_told_before_they_end(company: Company, move_time: Move) -> None:
    # The worker stood still for months: nothing is destroyed without its two weeks.
    connection, idle = await connected(company), company.app.idle_grants
    move_time(timedelta(days=400))
    assert await idle.retire() == IdleRound(1, 0)
    move_time(timedelta(days=13))
    assert await idle.retire() == IdleRound(0, 0)
    assert await has_token(company, connection)
