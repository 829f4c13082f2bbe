"""What long-running commands share: one signal to stop gracefully, a second one to stop at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

_STOPPING: Final = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a supervisor, a closed terminal."""


@asynccontextmanager
async def stop_signals() -> AsyncGenerator[asyncio.Queue[signal.Signals]]:
    """Collect the signals that ask to stop in a queue, instead of dying of them.

    One that was ignored when the process started stays ignored: ``nohup`` means it.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[signal.Signals] = asyncio.Queue()
    known = [signal.Signals[name] for name in _STOPPING if name in signal.Signals.__members__]
    handled = [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]
    for number in handled:
        loop.add_signal_handler(number, queue.put_nowait, number)
    try:
        yield queue
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
