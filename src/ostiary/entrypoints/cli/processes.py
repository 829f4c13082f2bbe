"""What long-running commands share: one signal to stop gracefully, a second one to stop at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def stop_signals() -> AsyncGenerator[asyncio.Queue[signal.Signals]]:
    """Collect SIGINT and SIGTERM in a queue instead of dying of them."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[signal.Signals] = asyncio.Queue()
    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, queue.put_nowait, number)
    try:
        yield queue
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


async def first_of(*tasks: asyncio.Task[object]) -> None:
    """Wait until one task ends; raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        with contextlib.suppress(asyncio.CancelledError):
            task.result()
