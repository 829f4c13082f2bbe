"""``ostiary doctor`` says what is wrong and how to mend it, and its exit code tells scripts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from ostiary.bootstrap import Services
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.governor.model import MailboxKey
from ostiary.core.sync.model import Source
from ostiary.core.webhooks.model import DisabledBecause, EndpointStatus
from ostiary.entrypoints.cli import doctor
from ostiary.entrypoints.cli.doctor_changes import examine_changes
from ostiary.entrypoints.cli.doctor_services import examine_services
from ostiary.entrypoints.cli.main import app as command_line
from ostiary.settings import Settings

from .console_world import make_customer


async def diagnose(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, dict[str, dict[str, Any]]]:
    monkeypatch.setattr(doctor, "read_settings", lambda: settings)
    result = await asyncio.to_thread(CliRunner().invoke, command_line, ["doctor", "--json"])
    document = json.loads(result.stdout)
    assert document["ok"] == (result.exit_code == 0)
    return result.exit_code, {check["name"]: check for check in document["checks"]}


async def test_each_fault_is_named_with_its_cure(
    emulator_settings: Settings, database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = emulator_settings.model_copy(
        update={
            "smtp_url": SecretStr("smtp://127.0.0.1:9"),
            "mail_from": "no-reply@larkspur.example",
            "graph_url": "http://127.0.0.1:9",
        }
    )
    code, checks = await diagnose(wrong, monkeypatch)
    assert code == 1
    bad = {name for name, check in checks.items() if not check["ok"]}
    # The tests' own PostgreSQL runs without fsync.
    assert {"mail", "graph", "durability"} <= bad
    assert not bad & {"settings", "credential", "database", "sign-in", "ews", "service", "permissions"}
    assert "ALTER SYSTEM SET fsync = on;" in checks["durability"]["advice"]
    assert all(checks[name]["advice"] for name in bad - {"clock"})


async def test_a_database_that_is_not_there_is_the_first_thing_to_mend(
    emulator_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = emulator_settings.model_copy(
        update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:9/none")}
    )
    code, checks = await diagnose(nowhere, monkeypatch)
    assert code == 1
    assert not checks["database"]["ok"]
    assert "OSTIARY_DATABASE_URL" in checks["database"]["advice"]


async def test_permissions_are_compared_with_what_tokens_held(app: Services, database: AsyncEngine) -> None:
    async def look() -> Any:
        return next(each for each in await examine_services(app) if each.name == "permissions")

    assert "nothing to compare" in (await look()).words
    assert "Mail.ReadWrite" in (await look()).advice
    customer = await make_customer(app, "hv", "Harbour & Vale", "Dana Okafor")
    connection = next(each for each in customer.connections if each.status is ConnectionStatus.CONNECTED)
    async with database.begin() as sql:
        change = text("UPDATE connections SET granted_scopes = :scopes WHERE id = :id")
        await sql.execute(text("UPDATE connections SET granted_scopes = '{}'"))
        await sql.execute(change, {"scopes": ["Mail.ReadWrite"], "id": connection.id})
    assert not (await look()).ok
    assert "Calendars.ReadWrite" in (await look()).words
    full = ["Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite", "MailboxSettings.Read", "User.Read"]
    async with database.begin() as sql:
        await sql.execute(change, {"scopes": [*full, "Files.Read.All"], "id": connection.id})
    found = await look()
    assert found.ok
    assert "Files.Read.All" in found.words


async def test_changes_that_do_not_flow_are_named_with_their_cure(
    app: Services, database: AsyncEngine
) -> None:
    async def look(name: str) -> Any:
        return next(each for each in await examine_changes(app) if each.name == name)

    assert [each.ok for each in await examine_changes(app)] == [True, True, True]
    customer = await make_customer(app, "hv", "Harbour & Vale", "Dana Okafor")
    connection = customer.connections[0]
    issued = await app.webhooks.endpoints.add("https://app.larkspur.example/hook", actor=SYSTEM)
    now = app.clock.now()
    async with app.transactions() as tx:
        await tx.sync.ensure(
            connection_id=connection.id,
            organization_id=connection.organization_id,
            source=Source.MAIL,
            method=connection.method,
            backfill_since=None,
            now=now - timedelta(minutes=20),
        )
        await tx.governor.block(
            MailboxKey(connection.method, connection.tenant_id, connection.object_id), seconds=90
        )
        failing = replace(
            issued.endpoint, status=EndpointStatus.ACTIVE, failing_since=now - timedelta(hours=2)
        )
        await tx.webhooks.save(failing)
    assert not (await look("followers")).ok
    assert "ostiary worker" in (await look("followers")).advice
    assert "1 mailboxes rest" in (await look("resting")).words
    assert (await look("webhooks")).words == "1 endpoints, 1 with failures within a day"
    for change, words in (
        ({"failing_since": now - timedelta(hours=25)}, "failing for more than a day"),
        (
            {"status": EndpointStatus.DISABLED, "disabled_because": DisabledBecause.GONE},
            "switched off by itself",
        ),
    ):
        async with app.transactions() as tx:
            await tx.webhooks.save(replace(failing, **change))
        found = await look("webhooks")
        assert not found.ok
        assert words in found.words
        assert issued.endpoint.id in found.advice


async def test_the_address_for_notifications_is_asked_or_polling_is_said(
    emulator_settings: Settings, unused_tcp_port: int
) -> None:
    silent = emulator_settings.model_copy(update={"public_url": f"http://127.0.0.1:{unused_tcp_port}"})
    found = await doctor._notifications(silent)
    assert "OSTIARY_CHANGE_DETECTION=poll" in found.advice
    assert "does not answer" in found.words
    served = emulator_settings.model_copy(update={"public_url": emulator_settings.graph_url})
    assert (await doctor._notifications(served)).advice == ""
    polling = emulator_settings.model_copy(update={"change_detection": "poll"})
    assert (await doctor._notifications(polling)).words.startswith("poll only")
