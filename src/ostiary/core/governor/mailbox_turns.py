"""The calls of this process to one mailbox: who runs, who waits, and what is held of the shared limits."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from ostiary.core.governor.model import Grant, Limits, MailboxKey, Urgency, Wish
from ostiary.core.kernel.errors import OstiaryError, Throttled

CALLS_READY: Final = 100
"""Calls of the budget that a process keeps ready, so that it asks the ledger about once in so many calls."""
RENEW_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.1
"""How soon the ledger is asked again while somebody waits for what others hold."""

_ORDER: Final = {Urgency.INTERACTIVE: 0, Urgency.BACKGROUND: 1}


@dataclass(order=True, slots=True)
class _Waiter:
    rank: tuple[int, int]
    urgency: Urgency = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class MailboxTurns:
    """Lets calls start while what is held of the ledger allows it; a task keeps what is held up to date."""

    def __init__(
        self,
        key: MailboxKey,
        limits: Limits,
        *,
        renew: Callable[[Wish], Awaitable[Grant]],
        release: Callable[[int], Awaitable[None]],
        gone: Callable[[], None],
        patience_seconds: float,
    ) -> None:
        """``renew`` and ``release`` speak with the ledger; ``gone`` is called once nothing is held any more."""
        self.key = key
        self._limits = limits
        self._renew = renew
        self._release = release
        self._gone = gone
        self._patience_seconds = patience_seconds
        self._busy = {Urgency.INTERACTIVE: 0, Urgency.BACKGROUND: 0}
        self._peak = {Urgency.INTERACTIVE: 0, Urgency.BACKGROUND: 0}
        self._held = {Urgency.INTERACTIVE: 0, Urgency.BACKGROUND: 0}
        self._calls = 0
        self._waiters: list[_Waiter] = []
        self._numbers = count()
        self._blocked_until = 0.0
        """On the loop's own clock, which nobody can set back (SR-105)."""
        self._is_short = False
        self._asked = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, urgency: Urgency) -> None:
        """Return once a call may start; pair it with :meth:`end`.

        Raises:
            Throttled: The turn would come later than a caller wants to wait.
            TemporarilyUnavailable: The shared state cannot be read.
        """
        if not self._waiters and self._may_start(urgency):
            self._begin(urgency)
            return
        pause = self._blocked_until - asyncio.get_running_loop().time()
        if pause > self._patience_seconds:
            raise slowed_down(pause)
        waiter = _Waiter(
            (_ORDER[urgency], next(self._numbers)), urgency, asyncio.get_running_loop().create_future()
        )
        heapq.heappush(self._waiters, waiter)
        self._ask()
        try:
            async with asyncio.timeout(self._patience_seconds):
                await waiter.turn
        except TimeoutError:
            self._abandon(waiter)
            raise slowed_down(max(1.0, self._blocked_until - asyncio.get_running_loop().time())) from None
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise

    def end(self, urgency: Urgency) -> None:
        """A call is over, however it ended."""
        self._busy[urgency] -= 1
        self._wake()

    def block(self, seconds: float) -> None:
        """Start no call for so long, beginning now."""
        self._blocked_until = max(self._blocked_until, asyncio.get_running_loop().time() + seconds)
        self._refuse_who_cannot_wait()

    async def close(self) -> None:
        """Give back what is held; whoever waits is refused."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._fail(slowed_down(1.0))
        await self._release(self._calls)

    def _may_start(self, urgency: Urgency) -> bool:
        return (
            self._busy[urgency] < self._held[urgency]
            and self._calls > 0
            and asyncio.get_running_loop().time() >= self._blocked_until
        )

    def _begin(self, urgency: Urgency) -> None:
        self._busy[urgency] += 1
        self._peak[urgency] = max(self._peak[urgency], self._busy[urgency])
        self._calls -= 1

    def _abandon(self, waiter: _Waiter) -> None:
        if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
            self.end(waiter.urgency)  # The turn came at the moment the caller went away.
        elif waiter in self._waiters:
            self._waiters.remove(waiter)
            heapq.heapify(self._waiters)

    def _wake(self) -> None:
        """Let everybody start who can, the most urgent first."""
        kept: list[_Waiter] = []
        while self._waiters:
            waiter = heapq.heappop(self._waiters)
            if waiter.turn.done():
                continue
            if self._may_start(waiter.urgency):
                self._begin(waiter.urgency)
                waiter.turn.set_result(None)
            else:
                kept.append(waiter)
        self._waiters = kept  # Popped in order, which is a heap.
        if kept:
            self._ask()

    def _refuse_who_cannot_wait(self) -> None:
        pause = self._blocked_until - asyncio.get_running_loop().time()
        if pause > self._patience_seconds:
            self._fail(slowed_down(pause))

    def _fail(self, error: OstiaryError) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.turn.done():
                waiter.turn.set_exception(error)

    def _ask(self) -> None:
        self._asked.set()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name=f"governor {self.key.method.value}")

    async def _keep(self) -> None:
        """Renew what is held while anybody calls; give it back after one quiet interval."""
        try:
            while True:
                self._asked.clear()
                wish = self._wish()
                was_quiet = wish == Wish(0, 0, 0)
                if was_quiet:
                    await self._release(self._calls)
                    self._calls = 0
                    self._held = dict.fromkeys(self._held, 0)
                    if not self._asked.is_set():
                        self._gone()
                        return
                    continue
                self._apply(await self._renew(wish))
                await self._rest()
        except OstiaryError as error:
            self._held = dict.fromkeys(self._held, 0)
            self._fail(error)

    async def _rest(self) -> None:
        """Wait for the next reason to ask the ledger."""
        if self._waiters:
            # The pause or the budget may be far away; slots of others can come free at any moment.
            pause = self._blocked_until - asyncio.get_running_loop().time()
            await asyncio.sleep(min(max(RETRY_SECONDS, pause), RENEW_SECONDS))
            return
        seconds = RETRY_SECONDS if self._is_short else RENEW_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return

    def _wish(self) -> Wish:
        waiting = dict.fromkeys(Urgency, 0)
        for waiter in self._waiters:
            waiting[waiter.urgency] += 1
        wanted = {
            urgency: min(
                self._limits.most_at_once,
                max(self._busy[urgency] + waiting[urgency], self._peak[urgency]),
            )
            for urgency in Urgency
        }
        self._peak = dict(self._busy)
        if not any(wanted.values()):
            return Wish(0, 0, 0)
        return Wish(
            interactive=wanted[Urgency.INTERACTIVE],
            background=wanted[Urgency.BACKGROUND],
            calls=max(0, CALLS_READY + len(self._waiters) - self._calls),
            busy_interactive=self._busy[Urgency.INTERACTIVE],
            busy_background=self._busy[Urgency.BACKGROUND],
        )

    def _apply(self, grant: Grant) -> None:
        self._held = {
            Urgency.INTERACTIVE: grant.interactive,
            Urgency.BACKGROUND: grant.background,
        }
        self._is_short = grant.is_short
        self._calls += grant.calls
        if grant.blocked_seconds > 0:
            self.block(grant.blocked_seconds)
        if not self._calls and grant.calls_in_seconds > self._patience_seconds:
            self._fail(slowed_down(grant.calls_in_seconds))
        self._wake()


def slowed_down(seconds: float) -> Throttled:
    """Return the error of a mailbox that has to rest."""
    return Throttled(
        "Microsoft allows this mailbox only so many calls; it rests for a moment.",
        retry_after_seconds=seconds,
    )
