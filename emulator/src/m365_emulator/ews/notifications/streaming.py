"""The open connections of streaming subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from datetime import timedelta

from starlette.responses import StreamingResponse

from m365_emulator.ews import soap, xml
from m365_emulator.ews.batch import failure, respond, success
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.notifications.outbox import Outbox
from m365_emulator.ews.notifications.subscriptions import Subscription, Subscriptions
from m365_emulator.world.mailbox import Change

# Exchange Online's EWSMaxHangingConnections for one account.
MAX_CONNECTIONS = 10
# The service sends an OK envelope every now and then so that proxies keep the connection; its interval is undocumented.
HEARTBEAT_SECONDS = 45.0
# How often the world's clock, which tests move, is looked at.
_TICK_SECONDS = 0.25
_OPERATION = "GetStreamingEvents"


def open_stream(
    subscriptions: Subscriptions, watched: list[Subscription], *, minutes: int, account: str
) -> StreamingResponse:
    """Return the answer that stays open for ``minutes`` of the world's time (and no longer in real time)."""
    stream = _Stream(subscriptions, watched, minutes, account)
    return StreamingResponse(stream.envelopes(), media_type="text/xml; charset=utf-8")


class _Stream:
    def __init__(
        self, subscriptions: Subscriptions, watched: list[Subscription], minutes: int, account: str
    ) -> None:
        self._subscriptions = subscriptions
        self._watched = watched
        self._lifetime = timedelta(minutes=minutes)
        self._account = account
        self._wake = asyncio.Event()
        self._taken: Subscription | None = None
        self._outboxes: list[Outbox] = []

    async def envelopes(self) -> AsyncIterator[bytes]:
        """Yield one complete envelope after another until the connection ends."""
        loop = asyncio.get_running_loop()
        clock = self._subscriptions.world.clock
        self._outboxes = [Outbox(self._subscriptions.world, one, loop.time) for one in self._watched]
        opened_at, opened = clock.now(), loop.time()
        connections = self._subscriptions.connections
        connections[self._account] = connections.get(self._account, 0) + 1
        with ExitStack() as stack:
            stack.callback(self._release)
            for subscription in self._watched:
                stack.callback(subscription.mailbox.subscribe(self._waker(loop)))
                if subscription.replaced is not None:
                    subscription.replaced()
                subscription.replaced = self._taker(subscription, loop)
            yield self._envelope("<m:ConnectionStatus>OK</m:ConnectionStatus>")
            spoken = loop.time()
            while True:
                self._wake.clear()
                gone = self._gone()
                if gone:
                    yield gone
                    return
                for subscription in self._watched:
                    self._subscriptions.touch(subscription)
                for notifications in self._notifications():
                    yield self._envelope(f"<m:Notifications>{notifications}</m:Notifications>")
                    spoken = loop.time()
                over = (
                    clock.now() - opened_at >= self._lifetime
                    or loop.time() - opened >= self._lifetime.total_seconds()
                )
                if over:
                    yield self._envelope("<m:ConnectionStatus>Closed</m:ConnectionStatus>")
                    return
                if loop.time() - spoken >= HEARTBEAT_SECONDS:
                    yield self._envelope("<m:ConnectionStatus>OK</m:ConnectionStatus>")
                    spoken = loop.time()
                try:
                    await asyncio.wait_for(self._wake.wait(), _TICK_SECONDS)
                except TimeoutError:
                    continue

    def _notifications(self) -> list[str]:
        """Return what is to be told now, one string for each envelope."""
        for subscription, outbox in zip(self._watched, self._outboxes, strict=True):
            batch = self._subscriptions.pending(subscription, subscription.position, with_watermarks=False)
            subscription.position = batch.position
            if batch.events:
                outbox.put(
                    f"<m:Notification><t:SubscriptionId>{xml.text(subscription.id)}</t:SubscriptionId>"
                    f"{batch.events}</m:Notification>"
                )
            if batch.more:
                self._wake.set()
        return [notification for outbox in self._outboxes for notification in outbox.take()]

    def _gone(self) -> bytes:
        """Return the last envelope if a subscription was taken over or lost, else nothing."""
        if self._taken is not None:
            error = ResponseError(
                "ErrorNewEventStreamConnectionOpened", "Another connection was opened for it."
            )
            return self._error(error, [self._taken])
        lost = [one for one in self._watched if not self._subscriptions.is_alive(one)]
        return self._error(ResponseError("ErrorSubscriptionNotFound"), lost) if lost else b""

    def _error(self, error: ResponseError, about: list[Subscription]) -> bytes:
        ids = "".join(xml.leaf("t:SubscriptionId", one.id) for one in about)
        payload = f"<m:ErrorSubscriptionIds>{ids}</m:ErrorSubscriptionIds>"
        return soap.envelope(respond(_OPERATION, [failure(_OPERATION, error, payload)]), declaration=False)

    def _envelope(self, payload: str) -> bytes:
        return soap.envelope(respond(_OPERATION, [success(_OPERATION, payload)]), declaration=False)

    def _waker(self, loop: asyncio.AbstractEventLoop) -> Callable[[Change], None]:
        def wake(change: Change) -> None:
            loop.call_soon_threadsafe(self._wake.set)

        return wake

    def _taker(self, subscription: Subscription, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        def taken() -> None:
            if self._subscriptions.is_alive(subscription):
                self._taken = subscription
            loop.call_soon_threadsafe(self._wake.set)

        return taken

    def _release(self) -> None:
        connections = self._subscriptions.connections
        connections[self._account] = max(0, connections.get(self._account, 1) - 1)
        for subscription in self._watched:
            if self._taken is not subscription:
                subscription.replaced = None
