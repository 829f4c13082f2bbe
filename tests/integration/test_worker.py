"""The worker runs what was queued, repeats what waiting mends, and hands back what it cannot finish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from procrastinate.periodic import PeriodicDeferrer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.bootstrap import Services, application
from ostiary.core.kernel.errors import Misconfigured, TemporarilyUnavailable
from ostiary.entrypoints.worker.jobs import Job
from ostiary.entrypoints.worker.runner import Worker, stop_worker
from ostiary.settings import Settings


@pytest_asyncio.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with application(settings.model_copy(update={"shutdown_seconds": 1.0})) as opened:
        yield opened


async def queue(services: Services, name: str, **arguments: str) -> None:
    async with services.transactions() as transaction:
        await transaction.jobs.enqueue(name, arguments)


async def states(services: Services) -> list[tuple[str, str]]:
    async with services.transactions() as transaction:
        rows = await transaction.jobs._connection.execute(  # type: ignore[attr-defined]
            text(
                "SELECT task_name, status::text FROM procrastinate_jobs WHERE task_name LIKE 'test.%' ORDER BY id"
            )
        )
        return [(row[0], row[1]) for row in rows]


async def test_queued_job_runs_once_with_its_arguments_and_is_gone(services: Services) -> None:
    seen: list[Mapping[str, str]] = []

    async def run(_: Services, arguments: Mapping[str, str]) -> None:
        seen.append(dict(arguments))

    await queue(services, "test.job", attempt_id="att_1")
    await Worker(services, jobs=[Job("test.job", run)]).run(until_idle=True)
    await Worker(services, jobs=[Job("test.job", run)]).run(until_idle=True)
    assert seen == [{"attempt_id": "att_1"}]
    assert await states(services) == []


async def test_transient_fault_queues_the_job_again_and_a_bug_fails_it(services: Services) -> None:
    async def down(_: Services, __: Mapping[str, str]) -> None:
        raise TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")

    async def broken(_: Services, __: Mapping[str, str]) -> None:
        raise Misconfigured("wrong")

    await queue(services, "test.down")
    await queue(services, "test.broken")
    await Worker(services, jobs=[Job("test.down", down), Job("test.broken", broken)]).run(until_idle=True)
    assert await states(services) == [("test.down", "todo"), ("test.broken", "failed")]
    text_ = services.metrics.render().decode()
    assert 'ostiary_jobs_total{name="test.down",outcome="retried"} 1.0' in text_
    assert 'ostiary_jobs_total{name="test.broken",outcome="failed"} 1.0' in text_


async def test_stopping_lets_a_job_finish(services: Services) -> None:
    began, finish, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(_: Services, __: Mapping[str, str]) -> None:
        began.set()
        await finish.wait()
        finished.set()

    await queue(services, "test.slow")
    worker = asyncio.create_task(Worker(services, jobs=[Job("test.slow", slow)]).run())
    await began.wait()
    worker.cancel()
    await asyncio.sleep(0)
    finish.set()
    await asyncio.gather(worker, return_exceptions=True)
    assert finished.is_set()
    assert await states(services) == []


async def test_job_that_does_not_finish_in_time_is_handed_back(services: Services) -> None:
    began = asyncio.Event()

    async def endless(_: Services, __: Mapping[str, str]) -> None:
        began.set()
        await asyncio.Event().wait()

    await queue(services, "test.endless")
    worker = asyncio.create_task(Worker(services, jobs=[Job("test.endless", endless)]).run())
    await began.wait()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert await states(services) == [("test.endless", "todo")]


async def test_worker_goes_on_after_it_lost_the_database(
    services: Services, migrated_engine: AsyncEngine
) -> None:
    ran = asyncio.Queue[str]()

    async def run(_: Services, arguments: Mapping[str, str]) -> None:
        ran.put_nowait(arguments["attempt_id"])

    worker = Worker(services, jobs=[Job("test.job", run)])
    task = asyncio.create_task(worker.run())
    await queue(services, "test.job", attempt_id="att_1")
    async with asyncio.timeout(60):
        assert await ran.get() == "att_1"
        async with migrated_engine.connect() as connection:
            # As a crash of the server does: every other connection of this database ends.
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        await queue(services, "test.job", attempt_id="att_2")
        assert await ran.get() == "att_2"
    await stop_worker(worker, task, seconds=60)
    assert task.exception() is None


@pytest.mark.parametrize("after_seconds", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2])
async def test_worker_stops_whenever_it_is_asked_while_it_starts(
    services: Services, after_seconds: float
) -> None:
    worker = Worker(services, jobs=[])
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(after_seconds)
    # Far longer than a start takes: what is tested is that the word is not lost, not how fast it is heard.
    await stop_worker(worker, task, seconds=60)
    assert task.done()
    assert not task.cancelled()
    assert task.exception() is None


async def test_two_schedulers_at_once_let_each_periodic_job_run_once_a_turn(services: Services) -> None:
    runs = 0

    async def run(_: Services, __: Mapping[str, str]) -> None:
        nonlocal runs
        runs += 1

    workers = [Worker(services, jobs=[Job("test.leap_day", run, "0 0 29 2 *")]) for _ in range(2)]
    # Turns that no scheduler comes to by itself while this test runs.
    first, second = (datetime(year, 2, 29, 0, 0, 5, tzinfo=UTC).timestamp() for year in (2028, 2032))

    async def schedule(worker: Worker, at: float) -> None:
        app = worker._app
        async with app.open_async():
            deferrer = PeriodicDeferrer(registry=app.periodic_registry, max_delay=30)
            await deferrer.defer_jobs(
                each for each in deferrer.get_previous_tasks(at) if each[0].task.name == "test.leap_day"
            )

    await asyncio.gather(*(schedule(worker, first) for worker in workers))
    await workers[0].run(until_idle=True)
    assert runs == 1
    # One whose clock is behind comes to the same turn later, when the job is done and gone.
    await schedule(workers[1], first)
    await workers[1].run(until_idle=True)
    assert runs == 1
    await asyncio.gather(*(schedule(worker, second) for worker in workers))
    await asyncio.gather(*(worker.run(until_idle=True) for worker in workers))
    assert runs == 2
