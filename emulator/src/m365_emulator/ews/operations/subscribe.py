"""Subscribe: begin to be told about changes, by pull, push or stream."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from m365_emulator.ews import xml
from m365_emulator.ews.batch import one, respond
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.notifications.events import EVENT_TYPES, Scope, write_watermark
from m365_emulator.ews.notifications.push import start_pushing
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.targets import folder_target
from m365_emulator.world.mailbox import Mailbox

_MAX_MINUTES = 1440


def subscribe(call: Call) -> str:
    """Answer with the id of a new subscription, and a first watermark unless it streams.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/subscribe-operation
    """
    return respond("Subscribe", [one("Subscribe", lambda: _subscribe(call))])


def _subscribe(call: Call) -> str:
    wanted = next(iter(elements(call.body)), None)
    kind = local_name(wanted) if wanted is not None else ""
    if wanted is None or kind not in _KINDS:
        raise schema_violation("The element 'Subscribe' needs a subscription request.")
    mailbox, scope = _scope(call, wanted)
    subscriptions = call.state.subscriptions
    watermark = (wanted.findtext(f"{xml.T}Watermark") or "").strip()
    if kind == "StreamingSubscriptionRequest":
        created = subscriptions.create("streaming", mailbox, call.token.app_id, scope)
        return f"<m:SubscriptionId>{created.id}</m:SubscriptionId>"
    if kind == "PullSubscriptionRequest":
        lifetime = timedelta(minutes=_minutes(wanted, "Timeout"))
        created = subscriptions.create(
            "pull", mailbox, call.token.app_id, scope, lifetime=lifetime, watermark=watermark
        )
    else:
        every = timedelta(minutes=_minutes(wanted, "StatusFrequency"))
        created = subscriptions.create(
            "push",
            mailbox,
            call.token.app_id,
            scope,
            lifetime=every,
            watermark=watermark,
            url=_push_url(wanted),
            caller_data=wanted.findtext(f"{xml.T}CallerData") or "",
        )
        start_pushing(subscriptions, created)
    first = write_watermark(mailbox, created.position)
    return f"<m:SubscriptionId>{created.id}</m:SubscriptionId><m:Watermark>{first}</m:Watermark>"


_KINDS = frozenset({"PullSubscriptionRequest", "PushSubscriptionRequest", "StreamingSubscriptionRequest"})


def _scope(call: Call, wanted: Node) -> tuple[Mailbox, Scope]:
    types = wanted.find(f"{xml.T}EventTypes")
    names = (
        frozenset((node.text or "").strip() for node in elements(types))
        if types is not None
        else frozenset[str]()
    )
    if not names or not names <= EVENT_TYPES:
        raise schema_violation("The element 'EventTypes' is missing or holds an unknown event type.")
    everything = read_boolean(wanted.get("SubscribeToAllFolders"), default=False)
    listed = wanted.find(f"{xml.T}FolderIds")
    ids = elements(listed) if listed is not None else []
    if everything == bool(ids):
        raise ResponseError(
            "ErrorInvalidSubscriptionRequest", "Name folders or subscribe to all of them, one of the two."
        )
    if everything:
        return call.mailbox, Scope(None, names)
    targets = [folder_target(call, node) for node in ids]
    if len({target.mailbox.guid for target in targets}) > 1:
        raise ResponseError("ErrorInvalidSubscriptionRequest", "One subscription is for one mailbox.")
    return targets[0].mailbox, Scope(frozenset(target.folder.number for target in targets), names)


def _minutes(wanted: Node, name: str) -> int:
    text = (wanted.findtext(f"{xml.T}{name}") or "").strip()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= _MAX_MINUTES:
        raise schema_violation(f"The '{name}' element is invalid - The value '{text[:20]}' is invalid.")
    return int(text)


def _push_url(wanted: Node) -> str:
    url = (wanted.findtext(f"{xml.T}URL") or "").strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ResponseError("ErrorInvalidPushSubscriptionUrl", "The push notification URL is invalid.")
    return url
