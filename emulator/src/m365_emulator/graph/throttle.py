"""Outlook's limits per app and mailbox.

Source: Graph throttling limits, Outlook service: 10,000 requests in 10 minutes, 4 at a time, 150 MB of uploads in 5
minutes, each per app and mailbox. Requests that are turned away count too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .errors import GraphError

if TYPE_CHECKING:
    from m365_emulator.world.world import World

    from .call import Call


@dataclass(slots=True)
class Limits:
    """The limits in force; a test or a scenario may lower them."""

    concurrent: int = 4
    requests: int = 10_000
    window: timedelta = timedelta(minutes=10)
    upload_bytes: int = 150 * 1024 * 1024
    upload_window: timedelta = timedelta(minutes=5)
    hold_seconds: float = 0.0
    """How long each request is held at least, so that requests made at once really run at once."""


@dataclass(slots=True)
class _Usage:
    running: int = 0
    requests: deque[datetime] = field(default_factory=deque)
    uploads: deque[tuple[datetime, int]] = field(default_factory=deque)
    uploaded: int = 0


@dataclass(slots=True)
class Throttle:
    """Usage by app and mailbox."""

    limits: Limits = field(default_factory=Limits)
    usage: dict[tuple[str, str], _Usage] = field(default_factory=dict)


def of(world: World) -> Throttle:
    """Return the world's throttle; it is emptied together with the world."""
    found = world.state.get("graph.throttle")
    if not isinstance(found, Throttle):
        found = world.state["graph.throttle"] = Throttle()
    return found


async def hold(call: Call) -> None:
    """Hold a request back as the limits in force say."""
    seconds = of(call.world).limits.hold_seconds
    if seconds > 0 and call.target is not None:
        await asyncio.sleep(seconds)


@contextmanager
def admit(call: Call) -> Generator[None]:
    """Let a call to a mailbox in and count it; raises GraphError 429 where a limit is reached."""
    if call.target is None:
        yield
        return
    throttle = of(call.world)
    key = (call.token.app_id, call.target.mailbox.guid)
    usage = throttle.usage.get(key)
    if usage is None:
        usage = throttle.usage[key] = _Usage()
    _check_window(throttle.limits, usage, call)
    if usage.running >= throttle.limits.concurrent:
        raise _throttled("MailboxConcurrency", 1)
    usage.running += 1
    try:
        yield
    finally:
        usage.running -= 1


def _check_window(limits: Limits, usage: _Usage, call: Call) -> None:
    now = call.world.clock.now()
    while usage.requests and usage.requests[0] <= now - limits.window:
        usage.requests.popleft()
    usage.requests.append(now)
    if len(usage.requests) > limits.requests:
        oldest = usage.requests[len(usage.requests) - limits.requests - 1]
        raise _throttled("Request", _seconds(oldest + limits.window - now))
    if call.method in ("POST", "PATCH", "PUT") and call.content:
        while usage.uploads and usage.uploads[0][0] <= now - limits.upload_window:
            usage.uploaded -= usage.uploads.popleft()[1]
        if usage.uploaded + len(call.content) > limits.upload_bytes:
            earliest = usage.uploads[0][0] if usage.uploads else now
            raise _throttled("Upload", _seconds(earliest + limits.upload_window - now))
        usage.uploads.append((now, len(call.content)))
        usage.uploaded += len(call.content)


def _seconds(left: timedelta) -> int:
    return max(1, round(left.total_seconds()))


def _throttled(limit: str, seconds: int) -> GraphError:
    return GraphError(
        429,
        "ApplicationThrottled",
        f"Application is over its {limit} limit.",
        headers={"Retry-After": str(seconds)},
    )
