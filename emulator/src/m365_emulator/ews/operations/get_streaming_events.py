"""GetStreamingEvents: a connection that stays open and carries one envelope after another.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getstreamingevents-operation
"""

from __future__ import annotations

from starlette.responses import Response

from m365_emulator.ews import xml
from m365_emulator.ews.batch import failure, respond
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, SoapFault, schema_violation
from m365_emulator.ews.notifications.streaming import MAX_CONNECTIONS, open_stream
from m365_emulator.ews.notifications.subscriptions import Subscription
from m365_emulator.ews.soap import elements

_MAX_IDS = 200
_MAX_MINUTES = 30
_OPERATION = "GetStreamingEvents"


def get_streaming_events(call: Call) -> str | Response:
    """Open the stream, or answer at once with the ids that are not streaming subscriptions."""
    listed = call.body.find(f"{xml.M}SubscriptionIds")
    ids = [(node.text or "").strip() for node in elements(listed)] if listed is not None else []
    if not 1 <= len(ids) <= _MAX_IDS:
        raise schema_violation("The element 'SubscriptionIds' needs 1 to 200 ids.")
    text = (call.body.findtext(f"{xml.M}ConnectionTimeout") or "").strip()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= _MAX_MINUTES:
        raise schema_violation(
            f"The 'ConnectionTimeout' element is invalid - The value '{text[:20]}' is invalid."
        )
    found: list[Subscription] = []
    wrong: dict[str, ResponseError] = {}
    for subscription_id in dict.fromkeys(ids):
        try:
            subscription = call.state.subscriptions.get(subscription_id, call.token.app_id)
            if subscription.kind != "streaming":
                raise ResponseError(
                    "ErrorInvalidSubscription", "The subscription is not a streaming subscription."
                )
            found.append(subscription)
        except ResponseError as error:
            wrong[subscription_id] = error
    if wrong:
        inner = "".join(xml.leaf("t:SubscriptionId", one) for one in wrong if one)
        payload = f"<m:ErrorSubscriptionIds>{inner}</m:ErrorSubscriptionIds>" if inner else ""
        return respond(_OPERATION, [failure(_OPERATION, next(iter(wrong.values())), payload)])
    connections = call.state.subscriptions.connections
    if connections.get(call.mailbox.guid, 0) >= MAX_CONNECTIONS:
        raise SoapFault(
            "ErrorExceededConnectionCount", "You have exceeded the available concurrent connections."
        )
    return open_stream(call.state.subscriptions, found, minutes=int(text), account=call.mailbox.guid)
