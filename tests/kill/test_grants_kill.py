"""Grants survive killed workers and a killed database (RR-3, SR-48, FG-3).

Microsoft lets a redeemed refresh token live on, so that a crash between redeeming and storing loses nothing. The
emulator's strict mode ends it, and shows what the same crashes would cost at a server that rotates strictly.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.adapters.sql.migrate import upgrade
from ostiary.bootstrap import Services, application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.token_rules import refresh_token_context
from ostiary.core.consent.permissions import token_scopes
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock, SystemClock
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.core.kernel.secret import Secret
from ostiary.settings import Settings

from ..conftest import APP_SECRET, Emulator
from ..integration.connect_world import APP_ID
from .database import DatabaseProcess
from .processes import Starter, environment
from .refreshing import AT_ONCE

REFRESHES = int(os.environ.get("REFRESHES", "40"))
STRICT_REFRESHES = max(40, REFRESHES // 10)
"""A foreign rule, measured beside our own only to show what it would cost."""
GRANTS = 100 if REFRESHES > 1000 else 12
LONGEST_LIFE_SECONDS = 4.0 if REFRESHES > 1000 else 1.0
"""Of a worker after its first refresh."""
DATABASE_KILL_SECONDS = (5.0, 40.0)
DOMAIN = "refreshing.example"
_STORED = text("SELECT coalesce(sum(version - 1), 0)::int FROM refresh_tokens")


@dataclass(frozen=True)
class Fleet:
    """An instance of its own with many connections of one company."""

    settings: Settings
    server: EmbeddedServer
    emulator: Emulator
    connection_ids: Sequence[str]


@asynccontextmanager
async def fleet(settings: Settings, emulator: Emulator) -> AsyncIterator[Fleet]:
    # Not below pytest's own folder: that one is closed to the user that PostgreSQL runs as.
    with (
        TemporaryDirectory(prefix="ostiary-fleet-", ignore_cleanup_errors=True) as made,
        EmbeddedServer.start(Path(made)) as server,
    ):
        folder = Path(made)
        await asyncio.to_thread(upgrade, server.url)
        own = settings.model_copy(
            update={
                "database_url": SecretStr(server.url),
                "data_dir": folder / "data",
                "login_url": emulator.url,
                "graph_url": emulator.url,
                "workers_inside": False,
            }
        )
        own.data_dir.mkdir()
        async with application(own) as services:
            connection_ids = await _sow(services, emulator)
        yield Fleet(own, server, emulator, connection_ids)


async def _sow(services: Services, emulator: Emulator) -> list[str]:
    """Sign many people in, without pages, and keep their sign-ins as the product would."""
    domain = f"{new_id('d', services.entropy)[-8:].lower()}.{DOMAIN}"
    tenant_id = str(emulator.control("POST", "/tenants", {"domain": domain})["id"])
    emulator.control("POST", f"/tenants/{domain}/grants", {"app_id": APP_ID})
    organization, _ = await services.organizations.create(
        external_id=domain, name="Harbour & Vale", seat_count=GRANTS, actor=SYSTEM
    )
    made: list[str] = []
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for number in range(GRANTS):
            address = f"p{number}@{domain}"
            person = emulator.control("POST", "/users", {"address": address, "name": "Somebody"})
            answer = await client.post(
                f"{emulator.url}/{tenant_id}/oauth2/v2.0/token",
                data={
                    "grant_type": "password",
                    "client_id": APP_ID,
                    "client_secret": APP_SECRET,
                    "username": address,
                    "password": "emulator",
                    "scope": " ".join(token_scopes(AccessMethod.GRAPH)),
                },
            )
            answer.raise_for_status()
            member, _ = await services.organizations.add_member(
                organization_id=organization.id,
                external_id=f"u{number}",
                email=address,
                display_name="Somebody",
                licensed=True,
                actor=SYSTEM,
            )
            now = services.clock.now()
            connection = Connection(
                id=new_id("con", services.entropy),
                organization_id=organization.id,
                member_id=member.id,
                cloud="global",
                tenant_id=tenant_id,
                object_id=str(person["oid"]),
                method=AccessMethod.GRAPH,
                registration_id="main",
                mail=True,
                calendar=True,
                status=ConnectionStatus.CONNECTED,
                reference=new_reference(ReferenceKind.CONNECT, services.entropy),
                address=address,
                display_name="Somebody",
                created_at=now,
                changed_at=now,
                connected_at=now,
                token_version=1,
            )
            token = Secret(answer.json()["refresh_token"])
            sealed = await services.vault.seal(token, refresh_token_context(connection, 1))
            async with services.transactions() as tx:
                await tx.connections.add(connection)
                await tx.refresh_tokens.put(connection.id, sealed, version=1, at=now)
            made.append(connection.id)
    return made


async def refreshed(engine: AsyncEngine) -> int:
    """How many newer tokens were stored, whoever stored them."""
    for _ in range(600):
        try:
            async with engine.connect() as connection:
                return await connection.scalar(_STORED) or 0
        except DBAPIError:
            # It was just killed.
            await asyncio.sleep(0.1)
    raise AssertionError("the database did not come back")


async def let_leases_pass(engine: AsyncEngine) -> None:
    """Time passes for what the dead held: nobody else waits here, and the life of a lease has a test of its own."""
    with suppress(DBAPIError):
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE refresh_leases SET held_until = now()"))


async def refresh_under_kills(
    world: Fleet, starter: Starter, *, enough: int, kill_database: bool
) -> tuple[int, int, int]:
    """Refresh until enough were stored; returns how many, and how often a worker and the database were killed."""
    chance = random.Random(3)
    database = DatabaseProcess(world.server, chance=chance)
    engine = create_engine(world.server.url, pool_size=1)
    kills, done = 0, 0
    database_due = time.monotonic() + chance.uniform(*DATABASE_KILL_SECONDS)
    try:
        while done < enough or (kill_database and not database.kills):
            process = await starter.run(
                program="refreshing",
                env=environment(world.settings),
                log=world.settings.data_dir / "log",
            )
            before = done
            # Killed at any moment after its first refresh: the figure is about kills at work.
            async with asyncio.timeout(120):
                while done == before:
                    code = await starter.code(process)
                    assert code is None, f"{code}: {(world.settings.data_dir / 'log').read_text()[-3000:]}"
                    await asyncio.sleep(0.05)
                    done = await refreshed(engine)
            await asyncio.sleep(chance.uniform(0, LONGEST_LIFE_SECONDS))
            if kill_database and (time.monotonic() >= database_due or done >= enough > 0 == database.kills):
                await database.kill()
                database_due = time.monotonic() + chance.uniform(*DATABASE_KILL_SECONDS)
                await asyncio.sleep(chance.uniform(0, 0.5))
            os.kill(process, signal.SIGKILL)
            assert await starter.ended(process) == -signal.SIGKILL, (
                world.settings.data_dir / "log"
            ).read_text()
            kills += 1
            done = await refreshed(engine)
            await let_leases_pass(engine)
    finally:
        await engine.dispose()
    return done, kills, database.kills


async def lost(world: Fleet) -> int:
    """How many grants no longer work, once every lease has run out."""
    later = MovableClock(SystemClock().now() + timedelta(minutes=3))
    async with application(world.settings, clock=later) as services:

        async def works(connection_id: str) -> bool:
            async with services.transactions() as tx:
                await tx.access_tokens.destroy(connection_id)
            try:
                await services.connections.tokens.get(connection_id, try_lost=True)
            except OstiaryError:
                return False
            return True

        waiting, broken = iter(world.connection_ids), 0

        async def work() -> None:
            nonlocal broken
            for connection_id in waiting:
                broken += not await works(connection_id)

        await asyncio.gather(*(work() for _ in range(8)))
        report = await services.audit.keeping.verify()
        assert report.is_intact, report.findings
    return broken


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("strict", [False, True], ids=["as Microsoft does", "strict rotation"])
async def test_no_grant_is_lost_to_kills(
    strict: bool,
    kill_settings: Settings,
    running_emulator: Emulator,
    starter: Starter,
) -> None:
    async with fleet(kill_settings, running_emulator) as world:
        running_emulator.control("PATCH", f"/apps/{APP_ID}", {"single_use_refresh_tokens": strict})
        try:
            done, kills, database_kills = await refresh_under_kills(
                world,
                starter,
                enough=STRICT_REFRESHES if strict else REFRESHES,
                kill_database=not strict or REFRESHES > 1000,
            )
            gone = await lost(world)
        finally:
            running_emulator.control("PATCH", f"/apps/{APP_ID}", {"single_use_refresh_tokens": False})
        print(
            f"\nFG-3 {'strict rotation' if strict else 'as Microsoft does'}: {gone} grants lost / {done} refreshes,"
            f" {kills} workers and {database_kills} databases killed, {len(world.connection_ids)} grants"
        )
        # Where rotation is strict, a crash costs what was under way between redeeming and storing, and nothing else.
        assert gone <= (AT_ONCE * (kills + database_kills) if strict else 0)
