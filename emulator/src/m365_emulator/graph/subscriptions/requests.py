"""The operations under /subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from m365_emulator.graph.access import NOTHING
from m365_emulator.graph.call import Call, Reply
from m365_emulator.graph.errors import GraphError, bad_request
from m365_emulator.graph.inputs.values import choice_of, member, parse_moment, text_of, truth_of
from m365_emulator.graph.operations import Operations
from m365_emulator.graph.shapes.values import moment

from .certificates import read_certificate
from .handshake import shake_hands
from .model import MAX_PER_MAILBOX, SHORTEST, Subscription
from .notifier import Notifier, of
from .resource import read_resource

operations = Operations()
CHANGE_TYPES = ("created", "updated", "deleted")


@operations.post("/subscriptions", NOTHING, needs_mailbox=False)
async def create(call: Call) -> Reply:
    """Create a subscription after both URLs have answered the handshake."""
    body = call.json()
    notifier = of(call.world)
    subscription = _read(call, body)
    _check_room(notifier, subscription)
    await shake_hands(subscription.notification_url, call.world)
    if subscription.lifecycle_url is not None:
        await shake_hands(subscription.lifecycle_url, call.world)
    notifier.add(subscription)
    return Reply(201, _json(call, subscription))


@operations.get("/subscriptions", NOTHING, needs_mailbox=False)
def list_subscriptions(call: Call) -> Reply:
    """List the subscriptions of the calling app (and person)."""
    found = [_json(call, one) for one in of(call.world).all() if _is_callers(call, one)]
    for one in found:
        one.pop("@odata.context")
    return Reply(json={"@odata.context": f"{call.root}/$metadata#subscriptions", "value": found})


@operations.get("/subscriptions/{subscription}", NOTHING, needs_mailbox=False)
def get(call: Call) -> Reply:
    """Return one subscription."""
    return Reply(json=_json(call, _find(call)))


@operations.patch("/subscriptions/{subscription}", NOTHING, needs_mailbox=False)
async def update(call: Call) -> Reply:
    """Renew a subscription, or give it another URL or certificate."""
    subscription = _find(call)
    body = call.json()
    expiration, url = member(body, "expirationDateTime"), member(body, "notificationUrl")
    certificate = member(body, "encryptionCertificate")
    expires_at = (
        _expiry(call, expiration, subscription) if expiration is not None else subscription.expires_at
    )
    if certificate is not None:
        read = read_certificate(text_of(certificate, "encryptionCertificate", limit=20_000))
        subscription.certificate, subscription.certificate_text = read, str(certificate)
        subscription.certificate_id = text_of(
            member(body, "encryptionCertificateId"), "encryptionCertificateId", limit=128
        )
    if url is not None:
        new_url = _url(url, "notificationUrl")
        await shake_hands(new_url, call.world)
        subscription.notification_url = new_url
    subscription.expires_at = expires_at
    subscription.asked_to_reauthorize = False
    return Reply(json=_json(call, subscription))


@operations.post("/subscriptions/{subscription}/reauthorize", NOTHING, needs_mailbox=False)
def reauthorize(call: Call) -> Reply:
    """Answer a reauthorizationRequired notification."""
    _find(call)
    return Reply(204)


@operations.delete("/subscriptions/{subscription}", NOTHING, needs_mailbox=False)
def delete(call: Call) -> Reply:
    """End a subscription."""
    of(call.world).remove(_find(call).id)
    return Reply(204)


def _is_callers(call: Call, subscription: Subscription) -> bool:
    token = subscription.token
    return (
        token.app_id == call.token.app_id
        and token.tenant is call.token.tenant
        and (call.token.user is None or token.user is call.token.user)
    )


def _find(call: Call) -> Subscription:
    found = of(call.world).find(call.arguments["subscription"])
    if found is None or not _is_callers(call, found):
        raise GraphError(404, "ResourceNotFound", "The object was not found.")
    return found


def _read(call: Call, body: dict[str, Any]) -> Subscription:
    resource = text_of(member(body, "resource"), "resource", limit=2000)
    if not resource:
        raise bad_request("The resource of the subscription is missing.", "InvalidRequest")
    change_types = _change_types(member(body, "changeType"))
    wish = member(body, "includeResourceData")
    include_data = truth_of(wish, "includeResourceData") if wish is not None else False
    state = member(body, "clientState")
    client_state = text_of(state, "clientState", limit=1000) if state is not None else None
    if client_state is not None and len(client_state) > 128:
        raise bad_request("clientState can have at most 128 characters.", "InvalidRequest")
    lifecycle = member(body, "lifecycleNotificationUrl")
    notification_url = _url(member(body, "notificationUrl"), "notificationUrl")
    lifecycle_url = _url(lifecycle, "lifecycleNotificationUrl") if lifecycle is not None else None
    tls_version = member(body, "latestSupportedTlsVersion")
    subscription = Subscription(
        id=str(UUID(bytes=call.world.rng.randbytes(16), version=4)),
        token=call.token,
        watched=read_resource(call, resource, with_data=include_data),
        resource=resource,
        change_types=change_types,
        notification_url=notification_url,
        lifecycle_url=lifecycle_url,
        client_state=client_state,
        expires_at=call.world.clock.now(),
        created_at=call.world.clock.now(),
        base_url=call.base_url,
        immutable_ids=call.preferences.immutable_ids,
        include_data=include_data,
        tls_version=choice_of(tls_version, "latestSupportedTlsVersion", ("v1_0", "v1_1", "v1_2", "v1_3"))
        if tls_version
        else "v1_2",
        query_options=member(body, "notificationQueryOptions"),
    )
    subscription.expires_at = _expiry(call, member(body, "expirationDateTime"), subscription)
    if include_data:
        text = text_of(member(body, "encryptionCertificate"), "encryptionCertificate", limit=20_000)
        subscription.certificate_id = text_of(
            member(body, "encryptionCertificateId"), "encryptionCertificateId", limit=128
        )
        if not text or not subscription.certificate_id:
            raise bad_request(
                "encryptionCertificate and encryptionCertificateId are needed to include resource data.",
                "InvalidRequest",
            )
        subscription.certificate, subscription.certificate_text = read_certificate(text), text
    return subscription


def _change_types(value: Any) -> tuple[str, ...]:
    text = text_of(value, "changeType", limit=100)
    found = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not found or not set(found) <= set(CHANGE_TYPES):
        raise bad_request(f"Invalid change type '{text[:50]}'.", "InvalidRequest")
    return tuple(kind for kind in CHANGE_TYPES if kind in found)


def _url(value: Any, name: str) -> str:
    url = text_of(value, name, limit=2000)
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise bad_request(f"The {name} must be an absolute https URL.", "InvalidRequest")
    return url


def _expiry(call: Call, value: Any, subscription: Subscription) -> datetime:
    if not isinstance(value, str):
        raise bad_request("The expirationDateTime of the subscription is missing.", "InvalidRequest")
    now = call.world.clock.now()
    wanted = parse_moment(value, "expirationDateTime")
    if wanted <= now:
        raise bad_request("Subscription expiration must be in the future.", "InvalidRequest")
    longest = subscription.longest
    # The client's clock may run a little ahead of ours.
    if (wanted - now).total_seconds() > longest.total_seconds() + 60:
        minutes = int(longest.total_seconds() // 60)
        raise bad_request(
            f"Subscription expiration can only be {minutes} minutes in the future.", "ExtensionError"
        )
    return max(wanted, (now + SHORTEST).replace(microsecond=0))


def _check_room(notifier: Notifier, subscription: Subscription) -> None:
    mailbox = subscription.watched.target.mailbox
    same_mailbox = [one for one in notifier.all() if one.watched.target.mailbox is mailbox]
    for one in same_mailbox:
        token, other = subscription.token, one.token
        if (token.app_id, token.user, one.resource.lower(), one.change_types, one.notification_url) == (
            other.app_id,
            other.user,
            subscription.resource.lower(),
            subscription.change_types,
            subscription.notification_url,
        ):
            raise GraphError(
                409, "Conflict", f"Subscription Id {one.id} already exists for the requested combination."
            )
    if len(same_mailbox) >= MAX_PER_MAILBOX:
        raise GraphError(
            403, "Forbidden", f"The mailbox has reached its limit of {MAX_PER_MAILBOX} subscriptions."
        )


def _json(call: Call, subscription: Subscription) -> dict[str, Any]:
    token = subscription.token
    return {
        "@odata.context": f"{call.root}/$metadata#subscriptions/$entity",
        "id": subscription.id,
        "resource": subscription.resource,
        "applicationId": token.app_id,
        "changeType": ",".join(subscription.change_types),
        "clientState": subscription.client_state,
        "notificationUrl": subscription.notification_url,
        "notificationQueryOptions": subscription.query_options,
        "lifecycleNotificationUrl": subscription.lifecycle_url,
        "expirationDateTime": moment(subscription.expires_at.replace(microsecond=0)),
        "creatorId": token.user.oid if token.user else token.app_id,
        "includeResourceData": subscription.include_data,
        "latestSupportedTlsVersion": subscription.tls_version,
        "encryptionCertificate": subscription.certificate_text,
        "encryptionCertificateId": subscription.certificate_id,
        "notificationUrlAppId": None,
    }
