"""Which use case each job is. A job's name and the names of its arguments are a contract with queued rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.bootstrap import Services


@dataclass(frozen=True, slots=True)
class Job:
    """A named piece of background work."""

    name: str
    run: Callable[[Services, Mapping[str, str]], Awaitable[None]]
    cron: str | None = None
    """When it also runs by itself: minute, hour, day, month, weekday, in UTC."""


JOBS: Final[tuple[Job, ...]] = ()
