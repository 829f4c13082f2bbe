"""Telling the feed what became of a consent, in the transaction that stores it."""

from __future__ import annotations

from typing import Final

from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.feed.model import FeedEventType, organization_event
from ostiary.core.feed.ports import Feed

EVENT_OF: Final = {
    ConsentState.VERIFIED: FeedEventType.CONSENT_VERIFIED,
    ConsentState.PARTIAL: FeedEventType.CONSENT_PARTIAL,
    ConsentState.WITHDRAWN: FeedEventType.CONSENT_WITHDRAWN,
}


async def announce(feed: Feed, was: Consent | None, now: Consent) -> None:
    """Append the event of a change of state or reason to the customer's stream; nothing when there was none."""
    kind = EVENT_OF.get(now.state)
    unchanged = was is not None and (was.state, was.reason) == (now.state, now.reason)
    if kind is None or unchanged or now.changed_at is None:
        return
    event = organization_event(
        organization_id=now.organization_id,
        kind=kind,
        subject=now.id,
        version=f"{now.changed_at.isoformat()}/{now.reason or ''}",
        occurred_at=now.changed_at,
        data={
            "consent_id": now.id,
            "tenant_id": now.tenant_id,
            "method": now.method.value,
            "reason": now.reason,
            "reference": now.reference,
        },
    )
    await feed.append([event])
