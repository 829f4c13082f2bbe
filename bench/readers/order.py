"""How a reader is told what to read, and how it answers: one JSON line for each time it is told to go."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Order:
    """What all readers of one comparison read, from where and with which token."""

    what: str
    """``messages``, ``bodies`` or ``events``."""
    url: str
    token: str
    address: str
    object_id: str
    tenant_id: str
    database_url: str
    page_size: int
    message_ids: tuple[str, ...] = ()
    """For ``bodies``: which messages."""
    starts_at: str = "2026-01-01T00:00:00+00:00"
    ends_at: str = "2026-12-31T00:00:00+00:00"
    at_once: int = 4
    """Microsoft's own limit for one mailbox."""
    method: str = "graph"

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The window of ``events``."""
        return datetime.fromisoformat(self.starts_at), datetime.fromisoformat(self.ends_at)

    @property
    def window_on_the_wire(self) -> tuple[str, str]:
        """The window as Graph reads it."""
        start, end = (each.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for each in self.window)
        return start, end

    def text(self) -> str:
        return json.dumps(asdict(self))


def parse(line: str) -> Order:
    """Return the order in a line."""
    values = json.loads(line)
    return Order(**{**values, "message_ids": tuple(values["message_ids"])})


def first_order() -> Order:
    """Return the order that says where everything is; what to read comes later."""
    return parse(sys.stdin.readline())


async def serve(reading: Callable[[Order], Callable[[], Awaitable[int]]]) -> None:
    """Read what each further line orders, and tell how many things that were and what it cost."""
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        read = reading(parse(line))
        gc.collect()
        cpu, began = time.process_time(), time.perf_counter()
        count = await read()
        seconds = time.perf_counter() - began
        print(json.dumps([count, seconds, time.process_time() - cpu]), flush=True)


async def each_of(
    message_ids: tuple[str, ...], at_once: int, read: Callable[[str], Awaitable[object]]
) -> int:
    """Read messages one by one, so many at once; return how many."""
    left = iter(message_ids)

    async def reader() -> int:
        count = 0
        for message_id in left:
            await read(message_id)
            count += 1
        return count

    return sum(await asyncio.gather(*(reader() for _ in range(at_once))))
