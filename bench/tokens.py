"""Handing out access tokens to our own workers, beside one indexed SELECT and one AEAD open."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg_pool
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from report import Part, Table, Target, percentile, run, say
from stage import ORGANIZATION_ID, Stage, add_organization, opened, stage
from subscribed import add_row

from ostiary.bootstrap import Services
from ostiary.core.connections.token_rules import access_token_context
from ostiary.core.kernel.secret import Secret

SELECT = "SELECT nonce, ciphertext FROM bare_tokens WHERE id = %s"
INSERT = "INSERT INTO bare_records (id, words) VALUES (%s, %s)"
HELD, STORED, RECORDED, BARE = (
    "**held by this process**",
    "**from the database**, with its audit record",
    "SELECT, one durable INSERT, AEAD open",
    "SELECT and AEAD open",
)
_TOKEN = "t" * 1800
"""About as long as one of Microsoft's."""


def measure(tiny: bool) -> Part:
    """Measure; ``tiny`` proves only that it runs."""
    connections, calls, rounds = (20, 40, 1) if tiny else (100, 300, 5)
    with stage() as place:
        say("tokens: preparing")
        return asyncio.run(_measure(place, connections, calls, rounds))


async def _measure(place: Stage, connections: int, calls: int, rounds: int) -> Part:
    async with opened(place) as services, _pool(place) as pool:
        ids = await _store_tokens(services, connections)
        key = AESGCM.generate_key(256)
        await _store_bare(pool, AESGCM(key), ids)

        async def held(connection_id: str) -> object:
            return await services.connections.tokens.get(connection_id)

        async def stored(connection_id: str) -> object:
            services.connections.tokens.forget(connection_id)
            return await services.connections.tokens.get(connection_id)

        async def bare(connection_id: str) -> object:
            async with pool.connection() as connection:
                row = await (await connection.execute(SELECT, (connection_id,))).fetchone()
            assert row is not None
            return AESGCM(key).decrypt(row[0], row[1], connection_id.encode())

        async def recorded(connection_id: str) -> object:
            async with pool.connection() as connection:
                row = await (await connection.execute(SELECT, (connection_id,))).fetchone()
                await connection.execute(INSERT, (connection_id, "The saved sign-in was opened."))
            assert row is not None
            return AESGCM(key).decrypt(row[0], row[1], connection_id.encode())

        ways: dict[str, Callable[[str], Awaitable[object]]] = {
            HELD: held,
            STORED: stored,
            RECORDED: recorded,
            BARE: bare,
        }
        part = Part(
            "tokens",
            "Handing out access tokens",
            f"{connections} connections whose sealed access tokens are stored; {calls:,} calls a round, {rounds}"
            " rounds, the ways in turn, one process. A worker holds what it was handed until it expires, and"
            " looks every second whether its use was frozen; a token that another process got comes from the"
            " database: is the connection usable, is it frozen, the audit record, then open the envelope. The"
            " comparison is psycopg with a pool, one row by primary key, one AES-256-GCM; the same with one row"
            " inserted and committed is the least that any opening on record costs.",
        )
        rates: dict[tuple[str, int], float] = {}
        slow: dict[tuple[str, int], float] = {}
        delays_alone: list[float] = []
        for at_once in (1, 8):
            found = {name: [] for name in ways}
            delays = {name: [] for name in ways}
            for turn in range(rounds + 1):
                say(f"tokens: {at_once} at once, round {turn}")
                for name, hand_out in ways.items():
                    rate, taken = await _rate(hand_out, ids, calls, at_once)
                    if turn or not rounds:
                        found[name].append(rate)
                        delays[name] += taken
            if at_once == 1:
                delays_alone = delays[BARE]
            rows = []
            for name in ways:
                rates[name, at_once] = statistics.median(found[name])
                slow[name, at_once] = percentile(delays[name], 99)
                rows.append(
                    [
                        name,
                        f"{rates[name, at_once]:,.0f}",
                        f"{min(found[name]):,.0f} to {max(found[name]):,.0f}",
                        f"{statistics.median(delays[name]):.3f}",
                        f"{slow[name, at_once]:.2f}",
                    ]
                )
            columns = ("", "a second, median", "slowest to fastest round", "p50 ms", "p99 ms")
            part.tables.append(Table(f"{at_once} at once", columns, rows))
        for name, words in ((HELD, "held"), (STORED, "from the database")):
            ratio = rates[BARE, 1] / rates[name, 1]
            part.targets.append(
                Target(
                    f"Token hand-out, {words}: within 2 × of one SELECT and one AEAD open",
                    f"{ratio:.2f} × the time",
                    ratio <= 2,
                )
            )
        rate, floor = rates[STORED, 8], rates[RECORDED, 8] / rates[STORED, 8]
        part.targets += [
            Target(
                "Token hand-out, from the database, 8 at once: within 2 × of the same with one durable INSERT",
                f"{floor:.2f} × the time",
                floor <= 2,
            ),
            Target("FG-10: at least 500 opens and audit records a second", f"{rate:,.0f}", rate >= 500),
            Target(
                "FG-10: one opening on record p99 < 5 ms beyond SELECT and AEAD open",
                f"{slow[STORED, 1] - statistics.median(delays_alone):.1f} ms",
                slow[STORED, 1] - statistics.median(delays_alone) < 5,
            ),
        ]
        return part


async def _rate(
    hand_out: Callable[[str], Awaitable[object]], ids: list[str], calls: int, at_once: int
) -> tuple[float, list[float]]:
    left = iter(range(calls))
    taken: list[float] = []

    async def caller() -> None:
        for number in left:
            began = time.perf_counter()
            await hand_out(ids[number % len(ids)])
            taken.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return calls / (time.perf_counter() - began), taken


def _pool(place: Stage) -> psycopg_pool.AsyncConnectionPool:
    return psycopg_pool.AsyncConnectionPool(
        place.owner_url, min_size=8, max_size=8, open=False, kwargs={"autocommit": True}
    )


async def _store_tokens(services: Services, count: int) -> list[str]:
    await add_organization(services)
    ids: list[str] = []
    expires_at = services.clock.now() + timedelta(hours=2)
    for number in range(count):
        connection = await add_row(services, number)
        assert connection.organization_id == ORGANIZATION_ID
        sealed = await services.vault.seal(Secret(_TOKEN), access_token_context(connection, 1))
        async with services.transactions() as tx:
            await tx.access_tokens.put(connection.id, sealed, version=1, expires_at=expires_at)
        ids.append(connection.id)
    return ids


async def _store_bare(pool: psycopg_pool.AsyncConnectionPool, key: AESGCM, ids: list[str]) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "CREATE TABLE bare_tokens (id text PRIMARY KEY, nonce bytea, ciphertext bytea);"
            "CREATE TABLE bare_records (number bigserial PRIMARY KEY, id text, words text)"
        )
        for number, connection_id in enumerate(ids):
            nonce = number.to_bytes(12, "big")
            sealed = key.encrypt(nonce, _TOKEN.encode(), connection_id.encode())
            await connection.execute(
                "INSERT INTO bare_tokens VALUES (%s, %s, %s)", (connection_id, nonce, sealed)
            )


if __name__ == "__main__":
    run(measure)
