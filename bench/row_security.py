"""What row-level security costs a read: ``python bench/row_security.py [CONNECTIONS]``.

Reads one connection, and a page of 50 of its organization, as the tables' owner without any policy, as confined work
and as instance-wide work, in turn, so that whatever else the machine does meets all three. Prints medians.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.sql.connections import SQLConnectionStore
from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.adapters.sql.migrate import upgrade
from ostiary.adapters.sql.roles import take_on
from ostiary.core.kernel.reach import Duty, Reach, instance_wide

ROUNDS = 1500
_SOW = """
INSERT INTO connections (id, organization_id, member_id, cloud, tenant_id, object_id, method, registration_id, mail,
    calendar, status, reference, address, display_name, created_at, changed_at, granted_scopes, token_version)
SELECT 'con_' || n, 'org_' || (n % 100), 'mem_' || n, 'global', 't' || n, 'o' || n, 'graph', 'main', true,
    true, 'connected', 'R' || n, 'a', 'b', now() - n * interval '1 s', now(), '{}', 1
FROM generate_series(1, :count) AS n
"""

Read = Callable[[SQLConnectionStore], Awaitable[object]]


@asynccontextmanager
async def store(engine: AsyncEngine, reach: Reach | None) -> AsyncIterator[SQLConnectionStore]:
    """Open a transaction, as the service does; without a reach as it did before there were policies."""
    async with engine.begin() as connection:
        if reach is not None:
            await take_on(connection, reach)
        yield SQLConnectionStore(connection)


async def measure(server: EmbeddedServer, count: int) -> None:
    """Sow connections and print one line for each read."""
    owner, service = create_engine(server.url, pool_size=2), create_engine(server.service_url, pool_size=2)
    async with owner.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(_SOW), {"count": count})
    async with owner.begin() as connection:
        await connection.execute(text("ANALYZE connections"))
    reads: dict[str, Read] = {
        "one row": lambda connections: connections.get("con_107"),
        "page of 50": lambda connections: connections.page(
            organization_id="org_7", status=None, cursor=None, limit=50
        ),
    }
    ways = {
        "without": (owner, None),
        "confined": (service, Reach(Duty.MAILBOX, "org_7")),
        "instance-wide": (service, instance_wide(Duty.MAILBOX)),
    }
    for name, read in reads.items():
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (engine, reach) in ways.items():
                began = time.perf_counter()
                async with store(engine, reach) as connections:
                    await read(connections)
                taken[way].append((time.perf_counter() - began) * 1000)
        figures = ", ".join(f"{way} {statistics.median(times):.2f} ms" for way, times in taken.items())
        print(f"{name} of {count} connections: {figures}")
    await owner.dispose()
    await service.dispose()


def main() -> None:
    """Start a database and measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer.start(Path(folder)) as server:
        upgrade(server.url)
        asyncio.run(measure(server, count))


if __name__ == "__main__":
    main()
