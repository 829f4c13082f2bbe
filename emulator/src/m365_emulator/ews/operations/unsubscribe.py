"""Unsubscribe: end a subscription."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import one, respond
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError


def unsubscribe(call: Call) -> str:
    """Answer with success, or ErrorSubscriptionNotFound; push subscriptions are ended by their own answers.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/unsubscribe-operation
    """

    def answer() -> str:
        subscriptions = call.state.subscriptions
        subscription_id = (call.body.findtext(f"{xml.M}SubscriptionId") or "").strip()
        found = subscriptions.get(subscription_id, call.token.app_id)
        if found.kind == "push":
            raise ResponseError(
                "ErrorInvalidSubscription", "A push subscription is ended by the answer to a push."
            )
        subscriptions.remove(found)
        return ""

    return respond("Unsubscribe", [one("Unsubscribe", answer)])
