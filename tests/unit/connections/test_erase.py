"""Erasing and exporting people and organizations (SR-102), and what disconnecting leaves (SR-101)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select
from tests.unit.connections.conftest import ACTOR, TOM, TOM_ADDRESS

from ostiary.adapters.sql.personal_records import _plain, every_rule
from ostiary.adapters.sql.tables import metadata
from ostiary.core.connections.erase import Erasure
from ostiary.core.connections.export import Export
from ostiary.core.connections.leaving import Leaving
from ostiary.core.kernel.errors import NotFound, TemporarilyUnavailable
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import KeyFate

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from tests.unit.connections.conftest import World

ABOUT_NOBODY = frozenset(
    {
        "api_keys",
        "governor_leases",
        "governor_mailboxes",
        "idempotency_keys",
        "operators",
        "processes",
        "rate_limits",
        "read_counts",
        "status_days",
        "webhook_endpoints",
    }
)
"""Tables of the instance itself. Answers kept for repeated API calls are gone after two days, and Microsoft's ids of
mailboxes that calls are counted for as soon as nobody calls them."""


def erasure(world: World) -> Erasure:
    return Erasure(
        transactions=world.transactions,
        clock=world.clock,
        keys=world.keys,
        leaving=Leaving(transactions=world.transactions),
    )


async def rows_of_others(world: World) -> Any:
    """A second organization with a member of the same address, to see that erasing stops at the border."""
    async with world.transactions() as tx:
        await tx.organizations.add(replace(world.organization, id="org_10", external_id="other"))
        await tx.members.add(replace(world.tom, id="mem_10", organization_id="org_10", object_id=None))


async def counts(engine: AsyncEngine) -> dict[str, int]:
    async with engine.connect() as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


def test_every_table_is_covered_by_a_rule_or_is_about_nobody() -> None:
    ruled = {rule.table.name for rule in every_rule()}
    unruled = {table.name for table in metadata.sorted_tables} - ruled
    assert {name for name in unruled if not name.startswith("audit_")} == ABOUT_NOBODY


async def test_an_erased_organization_leaves_nothing_but_its_trail(
    world: World, database: AsyncEngine
) -> None:
    await world.connect()
    await rows_of_others(world)
    receipt = await erasure(world).erase_organization("org_1", actor=ACTOR)
    assert receipt.rows["tokens"] == 1
    assert receipt.rows["connections"] == 1
    assert receipt.keys is KeyFate.DESTROYED
    left = await counts(database)
    assert left.pop("audit_records") > 0
    about_people = {name: count for name, count in left.items() if count and not name.startswith("audit_")}
    assert about_people == {"organizations": 1, "members": 1}
    with pytest.raises(NotFound):
        await erasure(world).erase_organization("org_1", actor=ACTOR)


async def test_a_restored_backup_of_an_erased_organization_opens_nothing(world: World) -> None:
    from ostiary.core.connections.token_rules import refresh_token_context
    from ostiary.core.kernel.entropy import SeededEntropy
    from ostiary.core.vault.policy import Purpose
    from ostiary.core.vault.service import VaultService

    connection = await world.connect()
    async with world.transactions() as tx:
        backup = await tx.refresh_tokens.find(connection.id)
    assert backup is not None
    await erasure(world).erase_organization("org_1", actor=ACTOR)
    vault = VaultService(keys=world.keys, entropy=SeededEntropy(1))
    with pytest.raises(SealBroken):
        await vault.open(backup[0], refresh_token_context(connection, backup[1]), purpose=Purpose.REFRESH)


async def test_while_the_key_service_is_down_tokens_are_gone_and_the_job_ends_it(world: World) -> None:
    connection = await world.connect()
    other = world.another_service()
    await other.tokens.get(connection.id)
    world.keys.is_down = True
    with pytest.raises(TemporarilyUnavailable):
        await erasure(world).erase_organization("org_1", actor=ACTOR)
    assert not await world.has_token(connection.id)
    world.keys.is_down = False
    await erasure(world).finish("org_1")
    with pytest.raises(NotFound):
        await world.reread(connection)
    await erasure(world).finish("org_1")
    assert (await world.audit("organization.")) == ["organization.erased", "organization.erasing"]


async def test_an_erased_member_is_gone_and_colleagues_stay(world: World, database: AsyncEngine) -> None:
    await world.connect()
    await rows_of_others(world)
    priya = replace(world.tom, id="mem_2", external_id="u2", email="priya.nair@harbourvale.example")
    async with world.transactions() as tx:
        await tx.members.add(replace(priya, object_id=None, tenant_id=None))
    receipt = await erasure(world).erase_member("mem_1", organization_id="org_1", actor=ACTOR)
    assert (receipt.rows["tokens"], receipt.rows["connections"], receipt.rows["members"]) == (1, 1, 1)
    left = await counts(database)
    assert (left["members"], left["connections"], left["refresh_tokens"], left["access_tokens"]) == (
        2,
        0,
        0,
        0,
    )
    with pytest.raises(NotFound):
        await erasure(world).erase_member("mem_2", organization_id="org_10", actor=ACTOR)
    (record,) = [each for each in await trail(world) if each.what == "member.erased"]
    assert TOM_ADDRESS not in record.sentence + json.dumps(dict(record.detail))


async def trail(world: World) -> Any:
    async with world.transactions() as tx:
        return (await tx.audit.page(organization_id=None, limit=200)).items


async def test_an_export_holds_what_is_stored_and_no_secret(world: World) -> None:
    connection = await world.connect()
    await rows_of_others(world)
    exported: dict[str, list[Any]] = {}
    async for kind, row in Export(transactions=world.transactions).rows("org_1", actor=ACTOR):
        exported.setdefault(kind, []).append(row)
    text = json.dumps(exported)
    assert [row["id"] for row in exported["connections"]] == [connection.id]
    assert exported["members"][0]["email"] == TOM_ADDRESS
    assert "org_10" not in text
    assert "refresh-" not in text
    assert not {"refresh_tokens", "access_tokens", "authorization_requests"} & exported.keys()
    columns = {name for rows in exported.values() for row in rows for name in row}
    assert not [name for name in columns if "hash" in name or "secret" in name or "cipher" in name]
    assert "organization.exported" in await world.audit("organization.")


def test_whatever_a_column_holds_can_be_exported() -> None:
    samples: dict[type, Any] = {
        datetime: datetime(2026, 11, 24, tzinfo=UTC),
        date: date(2026, 11, 24),
        bool: True,
        int: 1,
        str: "x",
        dict: {"a": 1},
        list: ["x"],
        object: {"a": ["x"]},
    }
    for rule in every_rule():
        for column in rule.table.c:
            # What is bytes is a seal or a hash, and never shown.
            if rule.is_exported and column.type.python_type is not bytes:
                json.dumps(_plain(samples[column.type.python_type]))


async def test_an_export_of_one_person_holds_only_theirs(world: World) -> None:
    await world.connect()
    priya = replace(world.tom, id="mem_2", external_id="u2", email="priya.nair@harbourvale.example")
    async with world.transactions() as tx:
        await tx.members.add(replace(priya, object_id=None, tenant_id=None))
    export = Export(transactions=world.transactions)
    rows = [(kind, row) async for kind, row in export.rows("org_1", member_id="mem_1", actor=ACTOR)]
    assert {row["id"] for kind, row in rows if kind == "members"} == {"mem_1"}
    assert {row["object_id"] for kind, row in rows if kind == "connections"} == {TOM}
    assert "priya" not in json.dumps(rows)
    with pytest.raises(NotFound):
        [row async for row in export.rows("org_10", member_id="mem_1", actor=ACTOR)]


async def test_an_erased_person_is_named_by_no_record_of_what_they_did(world: World) -> None:
    connection = await world.connect()
    await erasure(world).erase_member("mem_1", organization_id="org_1", actor=ACTOR)
    async with world.transactions() as tx:
        records = (await tx.audit.page(organization_id="org_1", limit=200)).items
    about = [each for each in records if each.object_id in ("mem_1", connection.id)]
    assert {"connection.connected", "member.erased"} <= {each.what for each in about}
    assert not any(TOM_ADDRESS in f"{each.sentence} {each.detail} {each.actor.name}" for each in about)
