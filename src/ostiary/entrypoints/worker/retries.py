"""When a failed job runs again: only where waiting helps."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Final

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job

from ostiary.core.kernel.errors import TemporarilyUnavailable, Throttled

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 300.0
MOST_ATTEMPTS: Final = 12
"""With pauses that double from 5 s up to 5 minutes this covers about 35 minutes, longer than Microsoft's
half hour for passing an approval on (SR-14)."""


class RetryWhereWaitingHelps(BaseRetryStrategy):
    """Repeats a job after Throttled and TemporarilyUnavailable, and after a stop of the worker.

    Every other failure is a decision or a bug, and repeating it would only hide it.
    """

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, (asyncio.CancelledError, JobAborted)):
            return RetryDecision(retry_at=datetime.now(UTC))
        if job.attempts >= MOST_ATTEMPTS:
            return None
        if isinstance(exception, Throttled):
            return _in(max(1.0, exception.retry_after_seconds))
        if isinstance(exception, TemporarilyUnavailable):
            return _in(pause_seconds(job.attempts))
        return None


def pause_seconds(attempts: int) -> float:
    """Return how long to wait after ``attempts`` earlier tries, with jitter so that jobs do not march in step."""
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempts)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, hides nothing


def _in(seconds: float) -> RetryDecision:
    return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=seconds))
