"""What long-running commands share: one signal to stop gracefully, a second one to stop at once."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

_STOPPING: Final = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a supervisor, a closed terminal."""
_PR_SET_DUMPABLE: Final = 4
"""Source: prctl(2)."""


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the work of a long-running command to its end, on uvloop where the system has it."""
    try:
        from uvloop import new_event_loop
    except ImportError:  # it is made for Unix alone
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(work)


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


def leave_no_dump() -> None:
    """Keep what is in memory out of core dumps, and out of reach of other processes of the same user (SR-44).

    Does what the system knows how to do, and nothing where it knows nothing: units and containers say it once more.
    """
    try:
        import resource
    except ImportError:  # not a Unix
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # prctl(PR_SET_DUMPABLE, 0): no core file, and no reading of our memory through /proc or ptrace.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
