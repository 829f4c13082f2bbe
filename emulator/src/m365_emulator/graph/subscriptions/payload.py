"""The JSON of notifications."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from m365_emulator.entra.tokens import sign_jwt
from m365_emulator.graph.shapes.events import EVENT, event_json
from m365_emulator.graph.shapes.messages import MESSAGE, message_json
from m365_emulator.graph.shapes.values import moment
from m365_emulator.world.mailbox import CalendarEvent, Change, Message

from .calls import call_for
from .encryption import encrypt
from .model import Subscription

if TYPE_CHECKING:
    from m365_emulator.world.world import World

PUBLISHER = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""Application id of "Microsoft Graph Change Tracking", which signs validation tokens."""


def change_notification(
    world: World, subscription: Subscription, change: Change, kind: str
) -> dict[str, Any]:
    """Return the notification of one change."""
    watched = subscription.watched
    mailbox, ids = watched.target.mailbox, watched.target.mailbox.ids
    item = mailbox.find_item(change.identity)
    is_mail = watched.kind == "messages"
    own_id = ids.rest_id(change.folder, change.entry)
    item_id = ids.immutable_id(change.identity) if subscription.immutable_ids else own_id
    place = f"Users/{watched.target.user.oid}/{'Messages' if is_mail else 'Events'}/{item_id}"
    data: dict[str, Any] = {
        "@odata.type": "#Microsoft.Graph.Message" if is_mail else "#Microsoft.Graph.Event",
        "@odata.id": place,
    }
    if item is not None:
        data["@odata.etag"] = f'W/"{mailbox.change_key_of(item)}"'
    data["id"] = item_id
    found: dict[str, Any] = {
        "id": str(UUID(bytes=world.rng.randbytes(16), version=4)),
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": moment(subscription.expires_at.replace(microsecond=0)),
        "clientState": subscription.client_state,
        "changeType": kind,
        "resource": place,
        "tenantId": subscription.token.tenant.id,
        "resourceData": data,
    }
    if (
        subscription.include_data
        and subscription.certificate is not None
        and kind != "deleted"
        and item is not None
    ):
        content = orjson.dumps(_content(world, subscription, item))
        found["encryptedContent"] = encrypt(
            content, subscription.certificate, subscription.certificate_id or "", world.rng
        )
    return found


def lifecycle_notification(subscription: Subscription, event: str) -> dict[str, Any]:
    """Return a lifecycle notification."""
    return {
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": moment(subscription.expires_at.replace(microsecond=0)),
        "tenantId": subscription.token.tenant.id,
        "organizationId": subscription.token.tenant.id,
        "clientState": subscription.client_state,
        "resource": subscription.resource,
        "lifecycleEvent": event,
    }


def validation_token(world: World, app_id: str, tenant_id: str) -> str:
    """Return the JWT by which a receiver knows that rich notifications come from the service."""
    now = world.clock.now()
    return sign_jwt(
        world,
        {
            "aud": app_id,
            "iss": f"https://sts.windows.net/{tenant_id}/",
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + timedelta(hours=1)).timestamp()),
            "appid": PUBLISHER,
            "appidacr": "2",
            "idp": f"https://sts.windows.net/{tenant_id}/",
            "tid": tenant_id,
            "ver": "1.0",
        },
    )


def _content(world: World, subscription: Subscription, item: Any) -> dict[str, Any]:
    watched, call = subscription.watched, call_for(world, subscription)
    context = {
        "@odata.context": call.context("messages" if watched.kind == "messages" else "events") + "/$entity"
    }
    if isinstance(item, CalendarEvent):
        return context | event_json(call, item, EVENT.selection(call))
    if isinstance(item, Message):
        return context | message_json(call, item, MESSAGE.selection(call))
    return context
