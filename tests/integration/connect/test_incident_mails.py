"""Organization admins hear of a withdrawn approval once, and once of its return."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.settings import Settings

from ..connect_world import APP_ID, DOMAIN, Company


@pytest.fixture
def emulator_settings(emulator_settings: Settings) -> Settings:
    """Mail is on; nobody takes it, so that the outbox can be looked at."""
    return emulator_settings.model_copy(
        update={"smtp_url": SecretStr("smtp://127.0.0.1:9"), "mail_from": "no-reply@larkspur.example"}
    )


async def test_a_withdrawn_approval_and_its_return_are_mailed_once_each(
    company: Company,
    database: AsyncEngine,
    move_time: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = company.app

    async def at_once(seconds: float) -> None:
        return None

    for part in (app.connections, app.connections.tokens):
        monkeypatch.setattr(part, "_sleep", at_once)

    async def mails() -> list[tuple[str, str]]:
        async with database.connect() as sql:
            rows = await sql.execute(text("SELECT kind, to_address FROM notices ORDER BY created_at, id"))
            return [(kind, to) for kind, to in rows]

    await company.approve()
    await company.confirm(await company.go())
    await app.connection_health.check_due()
    company.emulator.control("DELETE", f"/tenants/{DOMAIN}/grants")
    for _ in range(2):
        move_time(timedelta(hours=25))
        await app.connection_health.check_due()
        await app.incidents.note()
    dana = "dana.okafor@harbourvale.example"
    assert await mails() == [("trouble", dana)]

    company.emulator.control("POST", f"/tenants/{DOMAIN}/grants", {"app_id": APP_ID})
    for _ in range(2):
        move_time(timedelta(hours=25))
        await app.connection_health.check_due()
        await app.incidents.note()
    assert await mails() == [("trouble", dana), ("recovered", dana)]
