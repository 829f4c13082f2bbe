"""The worker: takes jobs from PostgreSQL and runs the use case each one names."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import procrastinate
import procrastinate.worker
import psycopg
import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException

from ostiary.bootstrap import Services
from ostiary.core.kernel.errors import TemporarilyUnavailable, Throttled
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.entrypoints.worker.following import following
from ostiary.entrypoints.worker.jobs import JOBS, Job
from ostiary.entrypoints.worker.retries import RetryWhereWaitingHelps

POLL_SECONDS: Final = 5.0
"""How often to look for work that no notification announced: jobs that were queued for a later time."""

_STALLED_AFTER_SECONDS: Final = 60.0
_ASK_AGAIN_SECONDS: Final = 0.2
_INSIST_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 1.0
_KEEP_FAILED_HOURS: Final = 24 * 30
"""Failed jobs stay a month for whoever asks why; done ones are deleted at once."""

log = structlog.get_logger("ostiary.worker")


class Worker:
    """Runs jobs until it is stopped. Any number may run, in any number of processes."""

    def __init__(self, services: Services, *, jobs: Sequence[Job] = JOBS) -> None:
        self._services = services
        self._inner: procrastinate.worker.Worker | None = None
        self._asked_to_stop = asyncio.Event()
        connection = services.database_parameters
        self._app = procrastinate.App(
            connector=PsycopgConnector(
                conninfo=connection.conninfo,
                kwargs=dict(connection.keywords),
                min_size=1,
                max_size=4,
                timeout=10,
            )
        )
        for job in jobs:
            self._register(job.name, self._runner(job), job.cron)
        self._register("worker.recover_stalled", self._recover_stalled, "* * * * *")
        self._register("worker.delete_old", self._delete_old, "17 * * * *")

    async def run(self, *, until_idle: bool = False) -> None:
        """Work until cancelled; then finish what runs, within the shutdown time, and hand back the rest.

        A database that goes away and comes back is waited for: the queue's own connections do not survive it.

        Args:
            until_idle: Return once no job is due; for tests and the demo.
        """
        async with contextlib.AsyncExitStack() as stack:
            # Everything a worker does is the vendor's own work, whichever process it runs in (SR-64).
            stack.enter_context(declared(instance_wide(Duty.WORKER)))
            if not until_idle:
                await stack.enter_async_context(following(self._services))
            await self._run(until_idle=until_idle)

    async def _run(self, *, until_idle: bool) -> None:
        while True:
            try:
                # Jobs are the vendor's own work, whichever process they run in (SR-64).
                with declared(instance_wide(Duty.WORKER)):
                    await self._work(until_idle=until_idle)
            except (ConnectorException, psycopg.Error):
                if until_idle:
                    raise
            # The queue ends in peace whatever ended it; only we know who asked for it.
            task = asyncio.current_task()
            if until_idle or self._asked_to_stop.is_set() or (task is not None and task.cancelling()):
                return
            log.warning("the worker lost the database and starts again", seconds=_AGAIN_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked_to_stop.wait(), _AGAIN_SECONDS)

    async def _work(self, *, until_idle: bool) -> None:
        settings = self._services.settings
        async with self._app.open_async():
            self._inner = procrastinate.worker.Worker(
                self._app,
                concurrency=settings.worker_concurrency,
                wait=not until_idle,
                listen_notify=not until_idle,
                fetch_job_polling_interval=POLL_SECONDS,
                shutdown_graceful_timeout=settings.shutdown_seconds * 0.8,
                install_signal_handlers=False,
                delete_jobs="successful",
            )
            if not self._asked_to_stop.is_set():
                await self._inner.run()

    def ask_to_stop(self) -> None:
        """Ask :meth:`run` to finish what runs and return. While the worker is only starting, ask again."""
        self._asked_to_stop.set()
        if self._inner is not None:
            self._inner.stop()

    def _register(self, name: str, run: Callable[..., Any], cron: str | None) -> None:
        task = self._app.task(name=name, retry=RetryWhereWaitingHelps())(run)
        if cron is not None:
            # One may wait and one may run, however many workers there are and however slow a round is.
            self._app.periodic(cron=cron, queueing_lock=name, lock=name)(task)

    def _runner(self, job: Job) -> Callable[..., Any]:
        async def run(timestamp: int | None = None, **arguments: str) -> None:
            del timestamp  # periodic jobs are told when they were due; ours look at what is due now
            ids = {key: value for key, value in arguments.items() if key.endswith("_id")}
            with structlog.contextvars.bound_contextvars(job=job.name, **ids):
                await self._timed(job, arguments)

        return run

    async def _timed(self, job: Job, arguments: dict[str, str]) -> None:
        metrics = self._services.metrics
        began = time.perf_counter()
        outcome = "failed"
        try:
            await job.run(self._services, arguments)
            outcome = "done"
        except (Throttled, TemporarilyUnavailable) as error:
            outcome = "retried"
            log.info("job postponed", why=error.code, reason=error.reason)
            raise
        except asyncio.CancelledError:
            outcome = "retried"
            raise
        finally:
            seconds = time.perf_counter() - began
            metrics.jobs.labels(job.name, outcome).inc()
            metrics.job_seconds.labels(job.name).observe(seconds)
            log.debug("job", outcome=outcome, milliseconds=round(seconds * 1000, 1))

    async def _recover_stalled(self, timestamp: int) -> None:
        """Queue again what a worker was doing when it was killed."""
        del timestamp
        manager = self._app.job_manager
        for stalled in await manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_AFTER_SECONDS):
            log.warning("job recovered from a worker that died", job=stalled.task_name)
            await manager.retry_job(stalled)

    async def _delete_old(self, timestamp: int) -> None:
        del timestamp
        await self._app.job_manager.delete_old_jobs(
            nb_hours=_KEEP_FAILED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
        )


@asynccontextmanager
async def running_worker(services: Services) -> AsyncGenerator[asyncio.Task[None]]:
    """Run a worker beside something else; stops it gracefully at the end."""
    worker = Worker(services)
    task = asyncio.create_task(worker.run(), name="worker")
    try:
        yield task
    finally:
        await stop_worker(worker, task, seconds=services.settings.shutdown_seconds)


async def stop_worker(worker: Worker, task: asyncio.Task[None], *, seconds: float) -> None:
    """Stop a running worker, gracefully for ``seconds``, then at once.

    It is asked, not cancelled: while it starts, Python 3.11's ``wait_for`` inside the database driver can swallow
    a cancellation, and the worker would go on for ever.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not task.done() and loop.time() < deadline:
        worker.ask_to_stop()
        await asyncio.wait({task}, timeout=_ASK_AGAIN_SECONDS)
    if not task.done():
        log.warning("worker did not stop in time", seconds=seconds)
        task.cancel()
        await asyncio.wait({task}, timeout=_INSIST_SECONDS)
