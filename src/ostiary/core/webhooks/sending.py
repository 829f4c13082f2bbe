"""Handing over what is due, each endpoint by itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol

import structlog

from ostiary.core.audit.model import SYSTEM
from ostiary.core.feed.ports import FeedListener, FeedSignals
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.webhooks.destination import EgressRules, check_url
from ostiary.core.webhooks.model import (
    DISABLED_AFTER,
    Answer,
    Attempt,
    DeliveryState,
    DisabledBecause,
    EndpointStatus,
    Work,
    next_attempt,
    printable,
)
from ostiary.core.webhooks.ports import Result, WebhookPost, WebhookTransaction
from ostiary.core.webhooks.signature import SigningSecrets

DELIVERIES: Final = "webhooks"
"""The stream whose news are deliveries that wait."""

LEASE: Final = timedelta(seconds=60)
"""Longer than an attempt and its record can take; what a sender held that fell silent is due again after it."""
AT_ONCE_PER_ENDPOINT: Final = 20
AT_ONCE: Final = 400
CLAIMED_OF_ONE: Final = 20
POLL_SECONDS: Final = 5.0
"""Retries become due without anybody saying so."""

_GONE: Final = 410
_WRITE_AGAIN_SECONDS: Final = 1.0

log = structlog.get_logger("ostiary.webhooks")


class DeliveryMeter(Protocol):
    """Counts attempts; satisfied by the process's metrics."""

    def attempted(self, *, outcome: str, seconds: float) -> None:
        """``outcome`` is ``delivered``, ``failed`` or ``dead``."""
        ...

    def waited(self, *, seconds: float) -> None:
        """How long an event waited for its first attempt."""
        ...


class WebhookSender:
    """Sends until it is stopped. Any number may run, in any number of processes; none needs the vault (SR-79)."""

    def __init__(
        self,
        *,
        transactions: Transactions[WebhookTransaction],
        clock: Clock,
        secrets: SigningSecrets,
        rules: EgressRules,
        post: WebhookPost,
        signals: FeedSignals,
        holder: str,
        meter: DeliveryMeter | None = None,
    ) -> None:
        """``holder`` names this process in its claims."""
        self._transactions = transactions
        self._clock = clock
        self._secrets = secrets
        self._rules = rules
        self._post = post
        self._signals = signals
        self._holder = holder
        self._meter = meter
        self._chance = random.SystemRandom()
        self._running: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._more: set[str] = set()
        """Endpoints that may have more due than is under way."""
        self._open: set[str] = set()
        self._is_in_doubt = False
        """A claim failed: perhaps it was made, and only its answer was lost."""
        self._freed = asyncio.Event()
        self._roomier = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Send what is due, and what becomes due, until :meth:`ask_to_stop`; then end what is under way.

        Whatever it raises, such as for a database that is away: it may be called again, and goes on.
        """
        ending = asyncio.Event()
        writer = asyncio.create_task(self._write_results(ending), name="webhook results")
        try:
            async with self._signals.listen(DELIVERIES) as listener:
                while not self._stopping.is_set():
                    self._roomier.clear()
                    await self._claim()
                    await self._something_to_claim(listener)
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)
            ending.set()
            self._freed.set()
            await writer

    async def _something_to_claim(self, listener: FeedListener) -> None:
        """Wait until deliveries are queued, an endpoint that has more can take it, or retries may be due."""
        told = asyncio.create_task(listener.news(seconds=POLL_SECONDS))
        roomier = asyncio.create_task(self._roomier.wait())
        try:
            await asyncio.wait({told, roomier}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (told, roomier):
                task.cancel()
            await asyncio.gather(told, roomier, return_exceptions=True)

    async def send_due(self) -> int:
        """Send everything that is due now, and return how much that was; for tests, the demo and commands."""
        sent = 0
        while claimed := await self._claim():
            sent += claimed
            await asyncio.gather(*self._tasks)
            await self._flush()
        return sent

    def ask_to_stop(self) -> None:
        """Let :meth:`run` return soon."""
        self._stopping.set()
        self._roomier.set()

    async def _claim(self) -> int:
        room = AT_ONCE - len(self._tasks)
        if room <= 0:
            self._more.update(self._running)
            return 0
        full = [endpoint for endpoint, count in self._running.items() if count >= AT_ONCE_PER_ENDPOINT]
        in_doubt, self._is_in_doubt = self._is_in_doubt, True
        async with self._transactions() as tx:
            if in_doubt:
                await tx.webhooks.release_all(holder=self._holder, but=self._open, now=self._clock.now())
            claimed = await tx.webhooks.claim(
                holder=self._holder,
                now=self._clock.now(),
                lease=LEASE,
                each=CLAIMED_OF_ONE,
                most=room,
                without=full,
            )
        self._is_in_doubt = False
        self._open.update(work.delivery.id for work in claimed)
        if claimed:
            await hit(Failpoint.DELIVERY_CLAIMED)
        for work in claimed:
            self._running[work.delivery.endpoint_id] += 1
            task = asyncio.create_task(self._send(work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        of_each = Counter(work.delivery.endpoint_id for work in claimed)
        self._more.update(full, (each for each, count in of_each.items() if count >= CLAIMED_OF_ONE))
        if len(claimed) >= room:
            self._more.update(self._running)
        if any(self._running[each] <= AT_ONCE_PER_ENDPOINT // 2 for each in full):
            # They were full when the claim began, and ended before it did.
            self._roomier.set()
        return len(claimed)

    async def _send(self, work: Work) -> None:
        endpoint_id = work.delivery.endpoint_id
        try:
            self._results.append(await self._attempt(work))
        finally:
            self._running[endpoint_id] -= 1
            if endpoint_id in self._more and self._running[endpoint_id] <= AT_ONCE_PER_ENDPOINT // 2:
                # At half: a claim for each that ends would cost more than sending it.
                self._more.discard(endpoint_id)
                self._roomier.set()
            if not self._running[endpoint_id]:
                del self._running[endpoint_id]
            self._freed.set()

    async def _attempt(self, work: Work) -> Result:
        delivery, now = work.delivery, self._clock.now()
        if self._meter is not None and not delivery.attempts:
            self._meter.waited(seconds=max(0.0, (now - delivery.created_at).total_seconds()))
        began = time.monotonic()
        answer = await self._posted(work)
        seconds = time.monotonic() - began
        await hit(Failpoint.DELIVERY_ANSWERED)
        attempt = Attempt(
            at=now,
            status=answer.status,
            milliseconds=round(seconds * 1000),
            trouble=None if answer.is_success else _trouble(answer),
            answer=printable(answer.text),
        )
        if answer.is_success:
            state, next_at = DeliveryState.DELIVERED, None
        else:
            next_at = next_attempt(
                delivery.attempts + 1,
                now=self._clock.now(),
                asked=answer.retry_after,
                chance=self._chance.random(),
            )
            if answer.status == _GONE:
                next_at = None
            state = DeliveryState.DEAD if next_at is None else DeliveryState.PENDING
        if self._meter is not None:
            outcome = "failed" if state is DeliveryState.PENDING else state.value
            self._meter.attempted(outcome=outcome, seconds=seconds)
        return Result(work, attempt, state, next_at)

    async def _posted(self, work: Work) -> Answer:
        try:
            check_url(work.url, self._rules)
        except InvalidRequest as refusal:
            return Answer(None, "", None, f"We do not call this address. {refusal.message}")
        body = work.delivery.body.encode()
        numbers = [work.secret_number]
        if work.signs_with_old:
            numbers.append(work.secret_number - 1)
        headers = self._secrets.headers(
            work.delivery.endpoint_id,
            numbers,
            message_id=work.delivery.event_id,
            at=self._clock.now(),
            body=body,
        )
        return await self._post.post(work.url, headers, body)

    async def _write_results(self, ending: asyncio.Event) -> None:
        while not (ending.is_set() and not self._tasks and not self._results):
            await self._freed.wait()
            self._freed.clear()
            if self._results and not await self._flush():
                await asyncio.sleep(_WRITE_AGAIN_SECONDS)
                self._freed.set()

    async def _flush(self) -> bool:
        """Write all results that there are in one transaction: under load that is many at once. False: not now."""
        results, self._results = self._results, []
        if not results:
            return True
        try:
            async with self._transactions() as tx:
                await tx.webhooks.record(results)
                await self._note_endpoints(tx, results)
        except Exception as error:
            # Whatever it was, a database that restarts included: they are written when that is over. What outlived
            # its lease is somebody else's by then, and goes out once more with the same id (RR-2).
            now = self._clock.now()
            kept = [result for result in results if (result.work.delivery.next_at or now) > now]
            self._results = kept + self._results
            self._open.difference_update(result.work.delivery.id for result in results)
            self._open.update(result.work.delivery.id for result in kept)
            log.warning("results of webhooks not written", error=type(error).__name__, count=len(results))
            return False
        self._open.difference_update(result.work.delivery.id for result in results)
        await hit(Failpoint.DELIVERY_MARKED)
        return True

    async def _note_endpoints(self, tx: WebhookTransaction, results: Sequence[Result]) -> None:
        answered = {r.work.delivery.endpoint_id for r in results if r.state is DeliveryState.DELIVERED}
        gone = {r.work.delivery.endpoint_id for r in results if r.attempt.status == _GONE}
        failed = {r.work.delivery.endpoint_id for r in results} - answered
        if answered - gone:
            await tx.webhooks.succeeded(answered - gone)
        now = self._clock.now()
        for endpoint_id in sorted(failed | gone):
            endpoint = await tx.webhooks.get(endpoint_id, for_update=True)
            since = endpoint.failing_since or now
            because = (
                DisabledBecause.GONE
                if endpoint_id in gone
                else DisabledBecause.FAILED
                if now - since >= DISABLED_AFTER
                else None
            )
            if because is None or endpoint.status is not EndpointStatus.ACTIVE:
                if endpoint.failing_since is None:
                    await tx.webhooks.save(replace(endpoint, failing_since=since))
                continue
            await tx.webhooks.save(
                replace(
                    endpoint,
                    status=EndpointStatus.DISABLED,
                    disabled_because=because,
                    failing_since=since,
                )
            )
            await tx.audit.record(
                "webhook.disabled",
                "A webhook endpoint was disabled: "
                + (
                    "it said that it is gone."
                    if because is DisabledBecause.GONE
                    else "it failed for five days."
                ),
                actor=SYSTEM,
                organization_id=endpoint.organization_id,
                object_id=endpoint.id,
                reason=because.value,
            )


def _trouble(answer: Answer) -> str:
    return answer.trouble or f"It answered with status {answer.status}."
