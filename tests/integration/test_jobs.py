"""A job is queued with its transaction, or not at all."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.sql.jobs import SQLJobQueue
from ostiary.core.kernel.clock import MovableClock


async def _jobs(database: AsyncEngine) -> list[tuple[object, ...]]:
    async with database.connect() as connection:
        rows = await connection.execute(
            text("SELECT task_name, args, scheduled_at, queueing_lock FROM procrastinate_jobs ORDER BY id")
        )
        return [tuple(row) for row in rows]


async def test_job_is_queued_when_its_transaction_commits(database: AsyncEngine, clock: MovableClock) -> None:
    at = clock.now() + timedelta(minutes=5)
    async with database.begin() as connection:
        await SQLJobQueue(connection).enqueue("consent.verify", {"attempt_id": "att_1"}, run_at=at)
    assert await _jobs(database) == [("consent.verify", {"attempt_id": "att_1"}, at, None)]


async def test_job_vanishes_when_its_transaction_rolls_back(database: AsyncEngine) -> None:
    async with database.connect() as connection:
        await SQLJobQueue(connection).enqueue("consent.verify", {"attempt_id": "att_1"})
        await connection.rollback()
    assert await _jobs(database) == []


async def test_once_key_adds_one_waiting_job_and_spares_the_transaction(database: AsyncEngine) -> None:
    async with database.begin() as connection:
        jobs = SQLJobQueue(connection)
        await jobs.enqueue("consent.verify", {"attempt_id": "att_1"}, once_key="verify:att_1")
        await jobs.enqueue("consent.verify", {"attempt_id": "att_1"}, once_key="verify:att_1")
        await jobs.enqueue("consent.verify", {"attempt_id": "att_2"}, once_key="verify:att_2")
    assert [row[3] for row in await _jobs(database)] == ["verify:att_1", "verify:att_2"]
