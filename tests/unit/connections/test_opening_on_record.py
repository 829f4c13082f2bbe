"""No saved sign-in is opened unless a record of it is durable first (SR-39)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ostiary.core.vault.service import VaultService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine
    from tests.unit.connections.conftest import World

    from ostiary.core.vault.model import Sealed

import pytest_asyncio


@pytest_asyncio.fixture
async def no_room_for_records(database: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """A switch, off at first, that makes every new audit record fail as a full disk would."""
    yield database
    async with database.begin() as connection:
        await connection.execute(text("DROP TRIGGER IF EXISTS audit_is_full ON audit_records"))
        await connection.execute(text("DROP FUNCTION IF EXISTS audit_is_full()"))


async def fill_up(database: AsyncEngine) -> None:
    async with database.begin() as connection:
        await connection.execute(
            text(
                "CREATE FUNCTION audit_is_full() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END $$"
            )
        )
        await connection.execute(
            text(
                "CREATE TRIGGER audit_is_full BEFORE INSERT ON audit_records"
                " FOR EACH ROW EXECUTE FUNCTION audit_is_full()"
            )
        )


@pytest.mark.parametrize("hours", [0, 2], ids=["shared access token", "refresh token"])
async def test_with_the_audit_trail_full_nothing_is_opened(
    world: World, no_room_for_records: AsyncEngine, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    connection = await world.connect()
    world.clock.advance(timedelta(hours=hours))
    opened: list[str] = []
    really_open = VaultService.open

    async def watched(self: VaultService, sealed: Sealed, context: Any, **given: Any) -> Any:
        opened.append(context.kind)
        return await really_open(self, sealed, context, **given)

    monkeypatch.setattr(VaultService, "open", watched)
    await fill_up(no_room_for_records)
    with pytest.raises(Exception, match="disk full"):
        await world.another_service().tokens.get(connection.id)
    assert opened == []
    assert world.microsoft.refreshes == []
    async with no_room_for_records.begin() as database:
        await database.execute(text("DROP TRIGGER audit_is_full ON audit_records"))
    await world.another_service().tokens.get(connection.id)
    assert opened == ["access_token" if hours == 0 else "refresh_token"]
