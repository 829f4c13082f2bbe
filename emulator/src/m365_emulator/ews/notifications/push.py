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
    task = asyncio.get_running_loop().create_task(_serve(subscriptions, subscription))
    subscription.stop = task.cancel


async def _serve(subscriptions: Subscriptions, subscription: Subscription) -> None:
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def wake(change: Change) -> None:
        loop.call_soon_threadsafe(changed.set)

    unsubscribe = subscription.mailbox.subscribe(wake)
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            # The first status event tells the client that its URL works.
            carry_on = await _deliver(subscriptions, subscription, session, _status(subscription))
            while carry_on and subscriptions.is_alive(subscription):
                carry_on = await _round(subscriptions, subscription, session, changed)
    except asyncio.CancelledError:
        raise
    except Exception:
        _log.exception("EWS push subscription failed")
    finally:
        unsubscribe()
        subscription.stop = None
        subscriptions.remove(subscription)


async def _round(
    subscriptions: Subscriptions,
    subscription: Subscription,
    session: aiohttp.ClientSession,
    changed: asyncio.Event,
) -> bool:
    changed.clear()
    try:
        batch = subscriptions.pending(subscription, subscription.position, with_watermarks=True)
    except EWSError:
        return False
    if batch.events:
        previous = write_watermark(subscription.mailbox, subscription.position)
        subscription.position = batch.position
        return await _deliver(
            subscriptions,
            subscription,
            session,
            _notification(subscription, previous, batch.events, more=batch.more),
        )
    subscription.position = batch.position
    if subscriptions.world.clock.now() - subscription.used_at >= subscription.lifetime:
        return await _deliver(subscriptions, subscription, session, _status(subscription))
    try:
        await asyncio.wait_for(changed.wait(), _TICK_SECONDS)
    except TimeoutError:
        return True
    return True


def _status(subscription: Subscription) -> str:
    watermark = write_watermark(subscription.mailbox, subscription.position)
    status = f"<t:StatusEvent><t:Watermark>{watermark}</t:Watermark></t:StatusEvent>"
    return _notification(subscription, watermark, status, more=False)


def _notification(subscription: Subscription, previous: str, events: str, *, more: bool) -> str:
    return success(
        "SendNotification",
        f"<m:Notification><t:SubscriptionId>{subscription.id}</t:SubscriptionId>"
        f"<t:PreviousWatermark>{previous}</t:PreviousWatermark><t:MoreEvents>{xml.boolean(more)}</t:MoreEvents>"
        f"{events}</m:Notification>",
    )


async def _deliver(
    subscriptions: Subscriptions, subscription: Subscription, session: aiohttp.ClientSession, message: str
) -> bool:
    """Post one notification; return whether the subscriber wants more of them."""
    body = soap.envelope(
        f"<m:SendNotification><m:ResponseMessages>{message}</m:ResponseMessages></m:SendNotification>"
    )
    pause = _FIRST_PAUSE_SECONDS
    spoken_at = subscriptions.world.clock.now()
    for _ in range(_ATTEMPTS):
        try:
            async with session.post(
                subscription.url,
                data=body,
                headers={
                    "Content-Type": "text/xml; charset=utf-8",
                    "SOAPAction": f'"{xml.MESSAGES}/SendNotification"',
                },
                allow_redirects=False,
            ) as response:
                answer = await response.content.read(_MAX_ANSWER_BYTES)
                if response.status == 200:
                    subscription.used_at = spoken_at
                    return _wants_more(answer)
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        await asyncio.sleep(pause)
        pause *= 2
    return False


def _wants_more(answer: bytes) -> bool:
    try:
        status = soap.parse_tree(answer).find(f".//{xml.M}SubscriptionStatus")
    except EWSError:
        return False
    return status is not None and (status.text or "").strip() == "OK"
