"""GetEvents: ask a pull subscription what happened since a watermark."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import one, respond
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.notifications.events import read_watermark, write_watermark


def get_events(call: Call) -> str:
    """Answer with the events after the watermark, or one StatusEvent when nothing happened.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getevents-operation
    """
    return respond("GetEvents", [one("GetEvents", lambda: _events(call))])


def _events(call: Call) -> str:
    subscriptions = call.state.subscriptions
    subscription_id = (call.body.findtext(f"{xml.M}SubscriptionId") or "").strip()
    watermark = (call.body.findtext(f"{xml.M}Watermark") or "").strip()
    subscription = subscriptions.get(subscription_id, call.token.app_id)
    if subscription.kind != "pull":
        raise ResponseError("ErrorInvalidPullSubscriptionId", "The subscription is not a pull subscription.")
    mailbox = subscription.mailbox
    since = read_watermark(mailbox, watermark)
    batch = subscriptions.pending(subscription, since, with_watermarks=True)
    subscriptions.touch(subscription)
    events = batch.events
    if not events:
        events = f"<t:StatusEvent><t:Watermark>{write_watermark(mailbox, batch.position)}</t:Watermark></t:StatusEvent>"
    return (
        f"<m:Notification><t:SubscriptionId>{xml.text(subscription.id)}</t:SubscriptionId>"
        f"<t:PreviousWatermark>{xml.text(watermark)}</t:PreviousWatermark>"
        f"<t:MoreEvents>{xml.boolean(batch.more)}</t:MoreEvents>{events}</m:Notification>"
    )
