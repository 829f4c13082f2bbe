"""Subscribe and Unsubscribe: beginning and ending to hear of a whole mailbox by a stream."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from ostiary.adapters.ews.soap import Element, M
from ostiary.core.kernel.errors import ProviderContractBroken

SUBSCRIBE: Final = "Subscribe"
UNSUBSCRIBE: Final = "Unsubscribe"
_EVENTS: Final = (
    "CopiedEvent",
    "CreatedEvent",
    "DeletedEvent",
    "ModifiedEvent",
    "MovedEvent",
    "NewMailEvent",
)


def request() -> str:
    """Ask for a streaming subscription to all folders.

    Source: EWS Subscribe operation.
    """
    events = "".join(f"<t:EventType>{name}</t:EventType>" for name in _EVENTS)
    return (
        '<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true">'
        f"<t:EventTypes>{events}</t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>"
    )


def end_request(subscription_id: str) -> str:
    """Ask to end a subscription.

    Source: EWS Unsubscribe operation.
    """
    return f"<m:Unsubscribe><m:SubscriptionId>{escape(subscription_id)}</m:SubscriptionId></m:Unsubscribe>"


def subscription_id(message: Element) -> str:
    """Return the id of a new subscription."""
    found = (message.findtext(f"{M}SubscriptionId") or "").strip()
    if not found:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (SubscriptionId).")
    return found
