"""The job queue, on the transaction's own connection: a job exists only if its transaction commits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy.ext.asyncio import AsyncConnection

QUEUE_NAME = "ostiary"
"""The one queue; every worker takes from it."""


class SQLJobQueue:
    """Queues jobs in Procrastinate's tables, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def enqueue(
        self,
        name: str,
        arguments: Mapping[str, str],
        *,
        run_at: datetime | None = None,
        once_key: str | None = None,
    ) -> None:
        """Queue job ``name``; see :class:`ostiary.core.kernel.jobs.JobQueue`."""
        raw = await self._connection.get_raw_connection()
        deferrer = _app().configure_task(
            name,
            queue=QUEUE_NAME,
            queueing_lock=once_key,
            schedule_at=run_at,
            connection=cast(Any, raw.driver_connection),
        )
        if once_key is None:
            await deferrer.defer_async(**arguments)
            return
        # The waiting twin is found by a unique index, and a violation would spoil the whole transaction:
        # a savepoint keeps the damage to this one statement.
        try:
            async with self._connection.begin_nested():
                await deferrer.defer_async(**arguments)
        except AlreadyEnqueued:
            return


@cache
def _app() -> procrastinate.App:
    """Return an app that only ever writes through the connections it is handed; its pool is never opened."""
    return procrastinate.App(connector=procrastinate.PsycopgConnector())
