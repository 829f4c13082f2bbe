"""Reading what somebody posted to us in Graph's name: bytes of a stranger."""

from __future__ import annotations

from typing import Any

import orjson

from ostiary.core.sync.notifications import MOST_ITEMS, MOST_TOKENS, LifecycleEvent, Notice, PostedNotices

_LIFECYCLE = {event.value.lower(): event for event in LifecycleEvent}


def read_notifications(body: bytes) -> PostedNotices:
    """Return the notifications in a post. What cannot be read is left out and counted; nothing raises.

    Source: graph.md §8, change notification and lifecycle notification payloads.
    """
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return PostedNotices((), unreadable_count=1)
    listed: Any = document.get("value") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return PostedNotices((), unreadable_count=1)
    notices = [_notice(entity) for entity in listed[:MOST_ITEMS]]
    good = tuple(notice for notice in notices if notice is not None)
    return PostedNotices(
        good,
        unreadable_count=len(notices) - len(good),
        is_cut=len(listed) > MOST_ITEMS,
        validation_tokens=_tokens(document.get("validationTokens")),
    )


def _tokens(listed: Any) -> tuple[str, ...]:
    """Return what stands where tokens stand; what is no text stays, as a token that is not good."""
    if listed is None:
        return ()
    if not isinstance(listed, list):
        return ("",)
    return tuple(each if isinstance(each, str) else "" for each in listed[: MOST_TOKENS + 1])


def _notice(entity: Any) -> Notice | None:
    if not isinstance(entity, dict):
        return None
    subscription_id, client_state = _text(entity, "subscriptionId"), _text(entity, "clientState")
    tenant_id = _text(entity, "tenantId")
    lifecycle = _text(entity, "lifecycleEvent")
    if lifecycle:
        known = _LIFECYCLE.get(lifecycle.lower())
        if known is None:
            return None
        return Notice(subscription_id, client_state, tenant_id, lifecycle=known)
    data: Any = entity.get("resourceData")
    kind = _text(data, "@odata.type").lower() if isinstance(data, dict) else ""
    return Notice(
        subscription_id,
        client_state,
        tenant_id,
        item_id=(_text(data, "id") or None) if isinstance(data, dict) else None,
        is_event=kind.endswith(".event") if kind else None,
        is_sealed="encryptedContent" in entity,
    )


def _text(entity: dict[str, Any], name: str) -> str:
    value = entity.get(name)
    # A NUL cannot be stored, and would take the posts down that are kept together with this one.
    return value if isinstance(value, str) and len(value) <= 2048 and "\0" not in value else ""
