"""A bare worker that does nothing but refresh sign-ins, one after the other and several at a time, until it is killed.

Run by ``warm_start.py``. Takes whatever connection no dead process holds a lease on.
"""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ostiary.bootstrap import Services, application
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.logs import configure_logging
from ostiary.settings import load_settings

AT_ONCE = 8
_FREE = text(
    "SELECT c.id FROM connections c LEFT JOIN refresh_leases l ON l.connection_id = c.id"
    " WHERE c.status = 'connected' AND (l.held_until IS NULL OR l.held_until <= now()) ORDER BY random() LIMIT 40"
)


async def refresh(services: Services, connection_id: str) -> None:
    """Let the access token expire, and get another one."""
    try:
        async with services.transactions() as tx:
            await tx.access_tokens.destroy(connection_id)
        services.connections.tokens.forget(connection_id)
        await services.connections.tokens.get(connection_id)
    except (OstiaryError, DBAPIError):
        # The database was killed, or another worker's lease is in the way: the judge counts what was lost.
        await asyncio.sleep(0.05)


async def refresh_for_ever() -> None:
    async with application(load_settings()) as services:
        while True:
            try:
                async with services.transactions() as tx:
                    free = list(await tx._connection.scalars(_FREE))  # type: ignore[attr-defined]
            except DBAPIError:
                await asyncio.sleep(0.1)
                continue
            waiting = iter(free)

            async def work(waiting=waiting) -> None:
                for connection_id in waiting:
                    await refresh(services, connection_id)

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def main(arguments: list[str]) -> None:
    configure_logging(level="WARNING", log_format="text")
    declare(instance_wide(Duty.WORKER))
    asyncio.run(refresh_for_ever())
