"""A job runs again only where waiting helps."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from procrastinate.jobs import Job

from ostiary.core.kernel.errors import (
    ConsentRequired,
    Misconfigured,
    ProviderContractBroken,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.entrypoints.worker.retries import (
    LONGEST_PAUSE_SECONDS,
    MOST_ATTEMPTS,
    RetryWhereWaitingHelps,
    pause_seconds,
)


def wait_seconds(error: BaseException, *, attempts: int = 0) -> float | None:
    job = Job(id=1, queue="q", lock=None, queueing_lock=None, task_name="t", attempts=attempts)
    decision = RetryWhereWaitingHelps().get_retry_decision(exception=error, job=job)
    if decision is None:
        return None
    assert decision.retry_at is not None
    return (decision.retry_at - datetime.now(UTC)).total_seconds()


def test_throttled_job_waits_as_long_as_microsoft_asks() -> None:
    wait = wait_seconds(Throttled("slow down", retry_after_seconds=90))
    assert wait == pytest.approx(90, abs=2)


def test_pauses_grow_and_stay_below_the_limit() -> None:
    pauses = [pause_seconds(attempts) for attempts in range(MOST_ATTEMPTS)]
    assert 4 <= pauses[0] <= 6
    assert 8 <= pauses[1] <= 12
    assert all(pause <= LONGEST_PAUSE_SECONDS * 1.2 for pause in pauses)
    # SR-14: an approval may take half an hour to arrive.
    assert sum(pauses) > 20 * 60


def test_transient_fault_is_repeated_until_the_attempts_are_used_up() -> None:
    assert wait_seconds(TemporarilyUnavailable("down")) is not None
    assert wait_seconds(TemporarilyUnavailable("down"), attempts=MOST_ATTEMPTS) is None


@pytest.mark.parametrize(
    "error",
    [
        ReauthorizationRequired("gone"),
        ConsentRequired("gone"),
        Misconfigured("ours"),
        ProviderContractBroken("garbage"),
        ValueError("a bug"),
    ],
)
def test_decisions_and_bugs_are_not_repeated(error: Exception) -> None:
    assert wait_seconds(error) is None


def test_job_stopped_with_its_worker_runs_again_at_once() -> None:
    assert wait_seconds(asyncio.CancelledError(), attempts=MOST_ATTEMPTS) == pytest.approx(0, abs=2)
