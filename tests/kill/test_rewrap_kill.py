"""SIGKILL while saved sign-ins are re-wrapped: every row opens under exactly one named key (SR-36, RR-8, I12)."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from ostiary.adapters.keys.file import FileKeyService, create_key_file
from ostiary.adapters.sql.connection_tokens import refresh_tokens, sealed_of_row
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import SystemClock
from ostiary.core.kernel.entropy import SystemEntropy
from ostiary.core.kernel.failpoints import Failpoint
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Organization
from ostiary.core.vault.encoding import FORMAT_VERSION, associated_data
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import SealContext
from ostiary.core.vault.policy import Purpose
from ostiary.core.vault.service import VaultService
from ostiary.failpoint_folder import VARIABLE, FailpointFolder

from .conftest import KILLS, steps
from .processes import Starter, environment

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions
    from ostiary.core.kernel.clock import MovableClock
    from ostiary.settings import Settings

ROWS = 240
"""More than one batch for each of two organizations, and enough that a kill nearly always meets work under way."""


async def sow(transactions: SQLTransactions, clock: MovableClock, vault: VaultService) -> None:
    """Save sign-ins for two organizations."""
    now = clock.now()
    async with transactions() as tx:
        for organization_id in ("org_1", "org_2"):
            await tx.organizations.add(Organization(organization_id, organization_id, "Harbour & Vale", now))
    for number in range(ROWS):
        organization_id = f"org_{number % 2 + 1}"
        connection = Connection(
            id=f"con_{number:04}",
            organization_id=organization_id,
            member_id=f"mem_{number}",
            cloud="global",
            tenant_id=organization_id,
            object_id=f"object {number}",
            method=AccessMethod.GRAPH,
            registration_id="main",
            mail=True,
            calendar=True,
            status=ConnectionStatus.CONNECTED,
            reference=f"C-{number:04}",
            address=f"person{number}@harbourvale.example",
            display_name="Somebody",
            created_at=now,
            changed_at=now,
            token_version=1,
        )
        context = SealContext(organization_id, connection.id, "refresh_token", 1)
        sealed = await vault.seal(Secret(f"token {number}"), context)
        async with transactions() as tx:
            await tx.connections.add(connection)
            await tx.refresh_tokens.put(connection.id, sealed, version=1, at=now)


async def keys_in_use(transactions: SQLTransactions, key_file: Path) -> dict[str, int]:
    """Open every row under its own key and under no other; return how many each root key holds."""
    keys = FileKeyService.load(key_file, entropy=SystemEntropy())
    vault = VaultService(keys=keys, entropy=SystemEntropy())
    async with transactions._engine.connect() as connection:  # type: ignore[reportPrivateUsage]
        rows = (await connection.execute(select(refresh_tokens))).mappings().all()
    assert len(rows) == ROWS
    roots = {str(row["key_id"]).partition("/")[0] for row in rows}
    counted: dict[str, int] = {}
    for row in rows:
        sealed = sealed_of_row(row)
        number = int(row["connection_id"].removeprefix("con_"))
        context = SealContext(f"org_{number % 2 + 1}", row["connection_id"], "refresh_token", row["version"])
        assert (await vault.open(sealed, context, purpose=Purpose.REFRESH)).reveal() == f"token {number}"
        own, _, organization_id = sealed.key_id.partition("/")
        counted[own] = counted.get(own, 0) + 1
        bound_to = associated_data(context, format_version=FORMAT_VERSION, key_id=sealed.key_id)
        for other in roots - {own}:
            with pytest.raises(SealBroken):
                await keys.unwrap(
                    key_id=f"{other}/{organization_id}", wrapped_key=sealed.wrapped_key, context=bound_to
                )
    return counted


async def rewrap_and_kill(settings: Settings, key_file: Path, chance: random.Random) -> bool:
    """Start re-wrapping in a process of its own and kill it somewhere; True when it was killed at work."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "ostiary"),
        "keys",
        "rewrap",
        "--rate",
        "4000",
        env=environment(settings, OSTIARY_KEY_FILE=str(key_file)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    # Wait for the first sign of work, then for any moment of what follows.
    async with asyncio.timeout(60):
        await process.stderr.readline()
    await asyncio.sleep(chance.uniform(0, 0.25))
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    async with asyncio.timeout(10):
        await process.stderr.read()
        return await process.wait() == -signal.SIGKILL


async def check_kills(
    kills: int, settings: Settings, transactions: SQLTransactions, clock: MovableClock, folder: Path
) -> None:
    from ostiary.core.connections.rewrap import KeyRotation

    chance = random.Random(20)
    key_file = folder / "keys.json"
    create_key_file(key_file, name="first", entropy=SystemEntropy())
    keys = FileKeyService.load(key_file, entropy=SystemEntropy(), clock=clock)
    vault = VaultService(keys=keys, entropy=SystemEntropy())
    await sow(transactions, clock, vault)
    rotation = KeyRotation(transactions=transactions, keys=keys, vault=vault, clock=SystemClock())
    killed = mixed = 0
    while killed < kills:
        await rotation.rotate(actor=SYSTEM)
        current = await keys.current_key_id(organization_id="org_1")
        killed += await rewrap_and_kill(settings, key_file, chance)
        counted = await keys_in_use(transactions, key_file)
        mixed += len(counted) > 1
        # What was cut off is ended by the next round, and nothing is left under an older key.
        await rotation.rewrap(per_second=1e6)
        assert await keys_in_use(transactions, key_file) == {current.partition("/")[0]: ROWS}
    assert mixed, "no kill met a half-done round: the test proves nothing"


STEPS = (Failpoint.REWRAP_BATCH_READ, Failpoint.REWRAP_WRAPPED, Failpoint.REWRAP_COMMITTED)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(STEPS, [Failpoint.REWRAP_WRAPPED]))
async def test_killed_at_a_step_of_rewrapping_every_row_opens_under_exactly_one_key(
    point: Failpoint,
    settings: Settings,
    transactions: SQLTransactions,
    clock: MovableClock,
    starter: Starter,
    tmp_path: Path,
) -> None:
    from ostiary.core.connections.rewrap import KeyRotation

    key_file = tmp_path / "keys.json"
    create_key_file(key_file, name="first", entropy=SystemEntropy())
    keys = FileKeyService.load(key_file, entropy=SystemEntropy(), clock=clock)
    vault = VaultService(keys=keys, entropy=SystemEntropy())
    rotation = KeyRotation(transactions=transactions, keys=keys, vault=vault, clock=SystemClock())
    await sow(transactions, clock, vault)
    folder = FailpointFolder(tmp_path)
    env = environment(settings, OSTIARY_KEY_FILE=str(key_file)) | {VARIABLE: str(tmp_path)}
    for _ in range(KILLS or 1):
        await rotation.rotate(actor=SYSTEM)
        folder.arm(point)
        process = await starter.run("keys", "rewrap", "--rate", "4000", env=env, log=tmp_path / "log")
        assert await starter.ended(process) == -signal.SIGKILL
        counted = await keys_in_use(transactions, key_file)
        # It died in the first batch: only a commit may have moved anything.
        assert len(counted) == (2 if point is Failpoint.REWRAP_COMMITTED else 1)
        await rotation.rewrap(per_second=1e6)
        assert len(await keys_in_use(transactions, key_file)) == 1


async def test_three_kills_leave_every_row_under_exactly_one_key(
    settings: Settings, transactions: SQLTransactions, clock: MovableClock, tmp_path: Path
) -> None:
    await check_kills(3, settings, transactions, clock, tmp_path)


@pytest.mark.kill
@pytest.mark.skipif("KILLS" not in os.environ, reason="a long run: `make test-kill`")
@pytest.mark.timeout(1800)
async def test_many_kills_leave_every_row_under_exactly_one_key(
    settings: Settings, transactions: SQLTransactions, clock: MovableClock, tmp_path: Path
) -> None:
    await check_kills(int(os.environ["KILLS"]), settings, transactions, clock, tmp_path)
