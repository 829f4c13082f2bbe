"""Push notifications: the emulator posts ``SendNotification`` to the subscriber's URL.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/sendnotification
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from m365_emulator.ews import soap, xml
from m365_emulator.ews.batch import success
from m365_emulator.ews.faults import EWSError
from m365_emulator.ews.notifications.events import write_watermark
from m365_emulator.ews.notifications.outbox import Outbox
from m365_emulator.ews.notifications.subscriptions import Subscription, Subscriptions
from m365_emulator.world.mailbox import Change

_log = logging.getLogger(__name__)
_TIMEOUT = aiohttp.ClientTimeout(total=30)
# Exchange doubles the pause from 30 seconds up to the status frequency and then gives up; here it is only shorter.
_FIRST_PAUSE_SECONDS = 0.5
_ATTEMPTS = 6
# How often the world's clock, which tests move, is looked at.
_TICK_SECONDS = 0.5
_MAX_ANSWER_BYTES = 64 * 1024


def start_pushing(subscriptions: Subscriptions, subscription: Subscription) -> None:
    """Begin to serve a push subscription on the running event loop, until it is removed or its URL fails for good."""
    task = subscriptions.world.background.start(_Pusher(subscriptions, subscription).serve())
    subscription.stop = task.cancel


class _Pusher:
    def __init__(self, subscriptions: Subscriptions, subscription: Subscription) -> None:
        self._subscriptions = subscriptions
        self._subscription = subscription
        self._clock = subscriptions.world.clock
        self._changed = asyncio.Event()
        self._outbox = Outbox(subscriptions.world, subscription, asyncio.get_running_loop().time)

    async def serve(self) -> None:
        """Post until the subscriber says stop, cannot be reached, or the subscription is gone.

        Cancelled, it ends without ending the subscription: either that is gone already, or the whole emulator stops,
        and what it saves then is served again by the next one.
        """
        loop = asyncio.get_running_loop()

        def wake(change: Change) -> None:
            loop.call_soon_threadsafe(self._changed.set)

        unsubscribe = self._subscription.mailbox.subscribe(wake)
        try:
            # Notifications carry no cookies from one receiver to another.
            async with aiohttp.ClientSession(
                timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()
            ) as session:
                # The first status event tells the client that its URL works.
                carry_on = await self._deliver(session, self._status())
                while carry_on and self._subscriptions.is_alive(self._subscription):
                    carry_on = await self._round(session)
        except Exception:
            _log.exception("EWS push subscription failed")
        finally:
            unsubscribe()
            self._subscription.stop = None
        self._subscriptions.remove(self._subscription)

    async def _round(self, session: aiohttp.ClientSession) -> bool:
        self._changed.clear()
        subscription = self._subscription
        try:
            batch = self._subscriptions.pending(subscription, subscription.position, with_watermarks=True)
        except EWSError:
            return False
        if batch.events:
            previous = write_watermark(subscription.mailbox, subscription.position)
            self._outbox.put(self._notification(previous, batch.events, more=batch.more))
        subscription.position = batch.position
        for notification in self._outbox.take():
            if not await self._deliver(session, notification):
                return False
        if self._clock.now() - subscription.used_at >= subscription.lifetime:
            return await self._deliver(session, self._status())
        if not batch.more:
            try:
                await asyncio.wait_for(self._changed.wait(), _TICK_SECONDS)
            except TimeoutError:
                return True
        return True

    def _status(self) -> str:
        watermark = write_watermark(self._subscription.mailbox, self._subscription.position)
        status = f"<t:StatusEvent><t:Watermark>{watermark}</t:Watermark></t:StatusEvent>"
        return self._notification(watermark, status, more=False)

    def _notification(self, previous: str, events: str, *, more: bool) -> str:
        return success(
            "SendNotification",
            f"<m:Notification><t:SubscriptionId>{self._subscription.id}</t:SubscriptionId>"
            f"<t:PreviousWatermark>{previous}</t:PreviousWatermark>"
            f"<t:MoreEvents>{xml.boolean(more)}</t:MoreEvents>{events}</m:Notification>",
        )

    async def _deliver(self, session: aiohttp.ClientSession, message: str) -> bool:
        """Post one notification; return whether the subscriber wants more of them."""
        body = soap.envelope(
            f"<m:SendNotification><m:ResponseMessages>{message}</m:ResponseMessages></m:SendNotification>"
        )
        pause = _FIRST_PAUSE_SECONDS
        spoken_at = self._clock.now()
        for _ in range(_ATTEMPTS):
            answer = await self._post(session, body)
            if answer is not None:
                self._subscription.used_at = spoken_at
                return _wants_more(answer)
            await asyncio.sleep(pause)
            pause *= 2
        return False

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> bytes | None:
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{xml.MESSAGES}/SendNotification"',
        }
        try:
            async with session.post(
                self._subscription.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await response.content.read(_MAX_ANSWER_BYTES)
                return answer if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


def _wants_more(answer: bytes) -> bool:
    try:
        status = soap.parse_tree(answer).find(f".//{xml.M}SubscriptionStatus")
    except EWSError:
        return False
    return status is not None and (status.text or "").strip() == "OK"
