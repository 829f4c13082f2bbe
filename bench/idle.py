"""What a connected mailbox costs while nothing happens in it: bytes, memory, calls to Microsoft, CPU."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from report import Part, Table, run, say
from sqlalchemy import text
from stage import (
    Stage,
    add_organization,
    connect,
    cpu_seconds,
    opened,
    product,
    resident_bytes,
    stage,
)
from subscribed import subscribe

from ostiary.bootstrap import Services
from ostiary.core.connections.model import Connection
from ostiary.core.connections.token_rules import access_token_context
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.secret import Secret
from ostiary.core.sync.subscriptions import LIFE

_TABLES: Final = (
    "members", "connections", "refresh_tokens", "access_tokens", "sync_states", "sync_folders", "graph_subscriptions",
    "coverage_stretches",
)  # fmt: skip
"""Where a connection has rows, whatever is in its mailbox."""
_DAY: Final = 86_400


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    people, sizes, watch = (1, (20, 40), 1.0) if tiny else (4, (1_000, 10_000, 100_000), 6.0)
    with stage(people=people, messages=20) as place:
        return asyncio.run(_measure(place, people, sizes, watch))


async def _measure(place: Stage, people: int, sizes: tuple[int, ...], watch: float) -> Part:
    part = Part(
        "idle",
        "Idle connections",
        f"{people} mailboxes are connected and read for real; their rows are then copied under new ids, up to the"
        " sizes below, with nothing due for a day. *Bytes* are what the tables and indexes of these rows grew by"
        " (items of the mailbox, feed and audit trail come on top). *Memory* and *CPU* are of `ostiary worker`"
        f" over {watch:g} s in which nothing is due, and what one process takes up once it holds an access token"
        " of each. What recurs is measured on the real ones – CPU of the worker’s own process, calls counted by"
        " the emulator – and multiplied by how often it happens in a day with default settings: **extrapolated,"
        " not watched for a day**.",
    )
    async with opened(place) as services:
        say("idle: connecting")
        await add_organization(services)
        real = [await connect(services, place, number, AccessMethod.GRAPH) for number in range(people)]
        for each in real:
            await subscribe(services, each)
        while await services.sync.read_due():
            pass
        recurring = await _recurring(services, place, real)
        rows = []
        grown_by_table: dict[str, int] = {}
        before = await _bytes(services)
        size = people
        for wanted in sizes:
            say(f"idle: {wanted:,} connections")
            await _copy(services, real[0].id, size, wanted)
            by_table = await _bytes(services)
            grown, size = sum(by_table.values()) - sum(before.values()), wanted
            grown_by_table = {name: by_table[name] - before[name] for name in _TABLES}
            memory, cpu = await _watch(place, watch)
            rows.append(
                [
                    f"{wanted:,}",
                    f"{grown / (wanted - people):,.0f}",
                    f"{memory / 1e6:,.0f}",
                    f"{cpu / watch * _DAY * 1000 / wanted:,.0f}",
                ]
            )
        held = await _held_tokens(services, [f"con_copy_{n}" for n in range(people, min(sizes[0], 500))])
    part.tables.append(
        Table(
            "By number of connections",
            (
                "connections",
                "bytes in the database, each",
                "worker’s memory, MB",
                "worker’s CPU ms a day, each, for watching",
            ),
            rows,
        )
    )
    part.tables.append(
        Table(
            f"Where the bytes are, at {size:,} connections",
            ("table, with its indexes", "bytes, each connection"),
            [
                [name.replace("_", " "), f"{grown_bytes / (size - people):,.0f}"]
                for name, grown_bytes in sorted(grown_by_table.items(), key=lambda each: -each[1])
            ],
        )
    )
    part.tables.append(recurring)
    part.tables.append(
        Table(
            "Memory per 1,000 connections",
            ("", "kB"),
            [["access tokens held by one worker, 1,000 of 1,800 characters", f"{held:,.0f}"]],
            note="An idle connection has no socket, task or object in any process; only its token is held after a use.",
        )
    )
    return part


async def _recurring(services: Services, place: Stage, real: list[Connection]) -> Table:
    settings = services.settings
    sweeps = 24 * 60 / settings.sweep_minutes
    async with services.transactions() as tx:
        sources = len(await tx.sync.progress(real[0].id))
    rows: list[list[str]] = []
    total_calls = total_cpu = 0.0

    async def note(name: str, calls: float, cpu: float, times: float) -> None:
        nonlocal total_calls, total_cpu
        total_calls += calls * times
        total_cpu += cpu * times
        rows.append(
            [name, f"{times:g}", f"{calls:.1f}", f"{cpu:.1f}", f"{calls * times:.1f}", f"{cpu * times:,.0f}"]
        )

    say("idle: sweeps")
    calls, cpu = await _cost(place, real, lambda: _sweep(services, real))
    await note("sweep of mail and calendar", calls, cpu, sweeps)
    say("idle: token refreshes")
    calls, cpu = await _cost(place, real, lambda: _refresh(services, real))
    await note("new access token for a sweep", calls, cpu, sweeps)
    # Renewed at half life, one call for each source.
    renewals = _DAY / (LIFE.total_seconds() / 2) * sources
    await note("renewal of a subscription (counted by the rules)", 1, cpu, round(renewals, 2))
    rows.append(["**together**", "", "", "", f"**{total_calls:.0f}**", f"**{total_cpu:,.0f}**"])
    return Table(
        "What recurs, per connection",
        ("", "times a day", "calls to Microsoft", "CPU ms", "calls a day", "CPU ms a day"),
        rows,
        note="The audit trail of a day’s token uses and the coverage ledger’s rows grow with these, too. A renewal’s"
        " CPU is taken as that of a token refresh.",
    )


async def _cost(
    place: Stage, real: list[Connection], act: Callable[[], Awaitable[None]]
) -> tuple[float, float]:
    """Return calls to Microsoft and CPU milliseconds of this process, per connection."""
    place.control("DELETE", "/requests")
    gc.collect()
    cpu = time.process_time()
    await act()
    spent = time.process_time() - cpu
    calls = place.control("GET", "/state")["requests"]
    return calls / len(real), spent * 1000 / len(real)


async def _sweep(services: Services, real: list[Connection]) -> None:
    async with services.transactions() as tx:
        for each in real:
            marks = {(each.id, one.source): None for one in await tx.sync.progress(each.id)}
            await tx.sync.mark(marks, now=services.clock.now())
    while await services.sync.read_due():
        pass


async def _refresh(services: Services, real: list[Connection]) -> None:
    for each in real:
        token = await services.connections.tokens.get(each.id)
        await services.connections.tokens.get(each.id, refused=token)


async def _copy(services: Services, template: str, start: int, end: int) -> None:
    """Copy one connection's rows under new ids."""
    async with services.transactions() as tx:
        connection = tx._connection
        await connection.execute(text("SET LOCAL statement_timeout = '120s'"))
        for table, key, changes in (
            ("connections", "id", {"reference": "'CY-' || n", "object_id": "gen_random_uuid()::text"}),
            ("refresh_tokens", "connection_id", {}),
            ("access_tokens", "connection_id", {}),
            ("sync_states", "connection_id", {"due_at": "now() + interval '1 day'"}),
            ("sync_folders", "connection_id", {}),
            (
                "graph_subscriptions",
                "connection_id",
                {"id": "'sub_copy_' || n", "microsoft_id": "gen_random_uuid()::text"},
            ),
            ("coverage_stretches", "connection_id", {}),
        ):
            listed = await connection.execute(
                text(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = :table"
                    " AND table_schema = 'public' AND is_identity = 'NO' ORDER BY ordinal_position"
                ),
                {"table": table},
            )
            names = [row.column_name for row in listed]
            values = [{key: "'con_copy_' || n", **changes}.get(name, f't."{name}"') for name in names]
            quoted = ", ".join(f'"{name}"' for name in names)
            await connection.execute(
                text(
                    f"INSERT INTO {table} ({quoted}) SELECT {', '.join(values)} FROM {table} t,"
                    f" generate_series({start}, {end - 1}) n WHERE t.{key} = :template"
                ),
                {"template": template},
            )
        await connection.execute(text("UPDATE sync_states SET due_at = now() + interval '1 day'"))


async def _bytes(services: Services) -> dict[str, int]:
    """Return how large each table is, with its indexes."""
    async with services.transactions() as tx:
        found = await tx._connection.execute(
            text(
                "SELECT name, pg_total_relation_size(name::regclass) AS bytes FROM unnest(CAST(:names AS text[])) name"
            ),
            {"names": list(_TABLES)},
        )
        return {row.name: row.bytes for row in found}


async def _watch(place: Stage, seconds: float) -> tuple[int, float]:
    """Return memory and CPU of a worker that has nothing to do."""
    with product(place, "worker", OSTIARY_CHANGE_DETECTION="poll") as worker:
        await asyncio.sleep(min(8.0, 4 + seconds))  # Starting up is not what it costs.
        before = cpu_seconds(worker.pid)
        await asyncio.sleep(seconds)
        return resident_bytes(worker.pid), cpu_seconds(worker.pid) - before


async def _held_tokens(services: Services, ids: list[str]) -> float:
    """Return by how many bytes this process grows for each token that it holds."""
    say("idle: holding tokens")
    expires_at = services.clock.now() + timedelta(hours=2)
    for connection_id in ids:
        async with services.transactions() as tx:
            connection = await tx.connections.get(connection_id)
        sealed = await services.vault.seal(Secret("t" * 1800), access_token_context(connection, 99))
        async with services.transactions() as tx:
            await tx.access_tokens.put(connection_id, sealed, version=99, expires_at=expires_at)
    half = len(ids) // 2
    for connection_id in ids[:half]:  # After these nothing but the tokens themselves is new.
        await services.connections.tokens.get(connection_id)
    gc.collect()
    tracemalloc.start()
    for connection_id in ids[half:]:
        await services.connections.tokens.get(connection_id)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / (len(ids) - half)


if __name__ == "__main__":
    run(measure)
