"""Measure what one audit record costs: acts per second and milliseconds per act, each in its own transaction.

    .venv/bin/python bench/audit_path.py [acts] [at_once]

Runs on a PostgreSQL of its own with default durability, on the statement that the token path issues for
``vault.opened``. All acts belong to one organization, which is the worst case for its chain.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.adapters.sql.migrate import upgrade
from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import SystemClock
from ostiary.core.kernel.entropy import SystemEntropy
from ostiary.core.kernel.reach import Duty, declare, instance_wide


async def measure(url: str, acts: int, at_once: int) -> None:
    """Write ``acts`` records by ``at_once`` callers and print the figures."""
    declare(instance_wide(Duty.WORKER))
    engine = create_engine(url, pool_size=at_once)
    transactions = SQLTransactions(engine, clock=SystemClock(), entropy=SystemEntropy())
    taken: list[float] = []

    async def caller(count: int) -> None:
        for _ in range(count):
            began = time.perf_counter()
            async with transactions() as transaction:
                await transaction.audit.record(
                    "vault.opened",
                    "The saved sign-in of tom.ellis@harbourvale.example was opened to use it.",
                    actor=SYSTEM,
                    organization_id="org_bench",
                    object_id="con_bench",
                    detail={"kind": "refresh_token", "purpose": "use"},
                )
            taken.append((time.perf_counter() - began) * 1000)

    await caller(20)
    taken.clear()
    began = time.perf_counter()
    await asyncio.gather(*(caller(acts // at_once) for _ in range(at_once)))
    seconds = time.perf_counter() - began
    await engine.dispose()
    ordered = sorted(taken)
    print(
        f"{at_once} at once: {len(taken) / seconds:.0f} acts/s, median {statistics.median(ordered):.2f} ms,"
        f" 95 % within {ordered[int(len(ordered) * 0.95)]:.2f} ms"
    )


def main() -> None:
    """Start a database, measure one caller and then several."""
    acts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder)) as server:
        upgrade(server.url)
        asyncio.run(measure(server.url, acts, 1))
        asyncio.run(measure(server.url, acts, at_once))


if __name__ == "__main__":
    main()
