"""Webhooks on the operator's pages: endpoints, their secrets, the delivery log, sending again."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.feed.model import FeedEventType
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound
from ostiary.core.webhooks.endpoints import LONGEST_DESCRIPTION, EndpointNotProven, Issued
from ostiary.core.webhooks.model import DeliveryState, DisabledBecause, EndpointStatus, WebhookEndpoint
from ostiary.core.webhooks.ports import DeliveryFilter
from ostiary.entrypoints.console.shell import PAGE_SIZE, render_operator
from ostiary.entrypoints.console.words import Word
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)

_READ: Final = [requires(Permission.OPERATOR_READ)]
_MANAGE: Final = [requires(Permission.OPERATOR_MANAGE)]
_FRESH: Final = [requires(Permission.OPERATOR_MANAGE, fresh=True)]

_STATE_WORDS: Final = {
    DeliveryState.PENDING: Word("On its way", "warn", "clock"),
    DeliveryState.DELIVERED: Word("Delivered", "ok", "check"),
    DeliveryState.DEAD: Word("Given up", "bad", "alert"),
}
_DISABLED_WORDS: Final = {
    DisabledBecause.BY_HAND: "Switched off",
    DisabledBecause.GONE: "Switched off: it said it is gone",
    DisabledBecause.FAILED: "Switched off after five days of failures",
}
_DONE: Final = {
    "verified": "It answered the challenge. Events go there from now on.",
    "disabled": "Switched off. Events wait until it is verified again.",
    "deleted": "Deleted, with everything that was to go there.",
    "replayed": "Sent again with the same ids.",
    "nothing": "Nothing there was finished, so nothing is sent again.",
}


@router.get("/operator/webhooks", dependencies=_READ)
async def show_endpoints(request: Request, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """List endpoints, and offer to add one."""
    return await _endpoints(request, done=done)


@router.post("/operator/webhooks", dependencies=_FRESH)
async def add_endpoint(
    request: Request,
    url: Annotated[str, Form(max_length=2000)] = "",
    description: Annotated[str, Form(max_length=LONGEST_DESCRIPTION)] = "",
    only: Annotated[list[FeedEventType] | None, Form()] = None,
) -> Response:
    """Add an endpoint and show its secret this once."""
    try:
        issued = await services(request).webhooks.endpoints.add(
            url.strip(), description=description.strip(), types=only or (), actor=actor(request)
        )
    except (InvalidRequest, Conflict) as error:
        field = error.field if isinstance(error, InvalidRequest) else None
        return await _endpoints(
            request,
            problems=[(field or "url", error.message)],
            typed={"url": url, "description": description, "only": only or []},
            status_code=400,
        )
    return _secret(request, issued)


@router.get("/operator/webhooks/{endpoint_id}", dependencies=_READ)
async def show_endpoint(
    request: Request,
    endpoint_id: str,
    state: DeliveryState | None = None,
    kind: FeedEventType | Literal[""] = "",
    after: Annotated[str | None, Query(max_length=400)] = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show an endpoint with its delivery log."""
    return await _endpoint(request, endpoint_id, state=state, kind=kind or None, after=after, done=done)


@router.post("/operator/webhooks/{endpoint_id}/verify", dependencies=_MANAGE)
async def verify(request: Request, endpoint_id: str) -> Response:
    """Send the challenge."""
    try:
        await services(request).webhooks.endpoints.prove(endpoint_id, actor=actor(request))
    except EndpointNotProven as refusal:
        return await _endpoint(request, endpoint_id, problems=[("verify", refusal.message)], status_code=409)
    return see_other(f"/operator/webhooks/{endpoint_id}?done=verified")


@router.post("/operator/webhooks/{endpoint_id}/disable", dependencies=_MANAGE)
async def disable(request: Request, endpoint_id: str) -> Response:
    """Stop sending there."""
    await services(request).webhooks.endpoints.disable(endpoint_id, actor=actor(request))
    return see_other(f"/operator/webhooks/{endpoint_id}?done=disabled")


@router.post("/operator/webhooks/{endpoint_id}/rotate", dependencies=_FRESH)
async def rotate(request: Request, endpoint_id: str) -> Response:
    """Give a new secret and show it this once."""
    return _secret(
        request,
        await services(request).webhooks.endpoints.rotate_secret(endpoint_id, actor=actor(request)),
    )


@router.post("/operator/webhooks/{endpoint_id}/delete", dependencies=_FRESH)
async def delete(
    request: Request, endpoint_id: str, typed: Annotated[str, Form(max_length=2000)] = ""
) -> Response:
    """Delete an endpoint, once its address was typed."""
    endpoints = services(request).webhooks.endpoints
    endpoint = await endpoints.get(endpoint_id)
    if typed.strip() != endpoint.url:
        return await _endpoint(
            request,
            endpoint_id,
            problems=[("typed", "That isn’t the address of this endpoint.")],
            status_code=400,
        )
    await endpoints.delete(endpoint_id, actor=actor(request))
    return see_other("/operator/webhooks?done=deleted")


@router.post("/operator/webhooks/{endpoint_id}/replay", dependencies=_MANAGE)
async def replay(
    request: Request,
    endpoint_id: str,
    since: Annotated[date, Form()],
    until: Annotated[date, Form()],
    only_dead: Annotated[bool, Form()] = False,
) -> Response:
    """Send finished deliveries of some days again."""
    wanted = DeliveryFilter(
        endpoint_id=endpoint_id,
        states=(DeliveryState.DEAD,) if only_dead else (),
        since=datetime.combine(since, time(), UTC),
        until=datetime.combine(until, time(), UTC) + timedelta(days=1),
    )
    try:
        replayed = await services(request).webhooks.deliveries.replay(
            endpoint_id, wanted, actor=actor(request)
        )
    except InvalidRequest as error:
        return await _endpoint(request, endpoint_id, problems=[("until", error.message)], status_code=400)
    return see_other(f"/operator/webhooks/{endpoint_id}?done={'replayed' if replayed else 'nothing'}")


@router.get("/operator/webhooks/deliveries/{delivery_id}", dependencies=_READ)
async def show_delivery(
    request: Request, delivery_id: str, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Show what was sent, and every attempt."""
    at = services(request).webhooks
    delivery, attempts = await at.deliveries.get(delivery_id)
    return render_operator(
        request,
        "console/operator_delivery.html",
        section="webhooks",
        delivery=delivery,
        attempts=attempts,
        endpoint=await at.endpoints.get(delivery.endpoint_id),
        word=_STATE_WORDS[delivery.state],
        done=_DONE.get(done),
    )


@router.post("/operator/webhooks/deliveries/{delivery_id}/replay", dependencies=_MANAGE)
async def replay_delivery(request: Request, delivery_id: str) -> Response:
    """Send one delivery again."""
    await services(request).webhooks.deliveries.replay_one(delivery_id, actor=actor(request))
    return see_other(f"/operator/webhooks/deliveries/{delivery_id}?done=replayed")


def _secret(request: Request, issued: Issued) -> Response:
    return render_operator(
        request,
        "console/operator_webhook_secret.html",
        section="webhooks",
        endpoint=issued.endpoint,
        secret=issued.secret.reveal(),
    )


async def _endpoints(
    request: Request,
    *,
    done: str = "",
    problems: list[tuple[str, str]] | None = None,
    typed: dict[str, object] | None = None,
    status_code: int = 200,
) -> Response:
    endpoints = services(request).webhooks.endpoints
    counts = await endpoints.counts()
    return render_operator(
        request,
        "console/operator_webhooks.html",
        section="webhooks",
        status_code=status_code,
        rows=[(each, _endpoint_word(each), counts.get(each.id, {})) for each in await endpoints.list_all()],
        kinds=list(FeedEventType),
        done=_DONE.get(done),
        problems=problems or [],
        typed=typed or {"url": "", "description": "", "only": []},
    )


async def _endpoint(
    request: Request,
    endpoint_id: str,
    *,
    state: DeliveryState | None = None,
    kind: FeedEventType | None = None,
    after: str | None = None,
    done: str = "",
    problems: list[tuple[str, str]] | None = None,
    status_code: int = 200,
) -> Response:
    at = services(request)
    endpoint = await at.webhooks.endpoints.get(endpoint_id)
    try:
        page = await at.webhooks.deliveries.page(
            DeliveryFilter(
                endpoint_id=endpoint_id,
                states=() if state is None else (state,),
                types=() if kind is None else (kind.value,),
            ),
            cursor=after,
            limit=PAGE_SIZE,
        )
    except InvalidRequest as error:
        raise NotFound("There is no such page.") from error
    path = f"/operator/webhooks/{endpoint_id}"
    query = {key: value.value for key, value in (("state", state), ("kind", kind)) if value is not None}
    organization = None
    if endpoint.organization_id is not None:
        organization = await at.organizations.get(endpoint.organization_id)
    return render_operator(
        request,
        "console/operator_webhook.html",
        section="webhooks",
        status_code=status_code,
        endpoint=endpoint,
        only_for=organization,
        word=_endpoint_word(endpoint),
        rows=[(each, _STATE_WORDS[each.state]) for each in page.items],
        state=state,
        kind=kind,
        path=path,
        states=[(each, _STATE_WORDS[each].text) for each in DeliveryState],
        kinds=list(FeedEventType),
        first_href=path + (f"?{urlencode(query)}" if query else ""),
        next_href=page.next_cursor and f"{path}?{urlencode({**query, 'after': page.next_cursor})}",
        on_first=after is None,
        today=at.clock.now().date(),
        done=_DONE.get(done),
        problems=problems or [],
    )


def _endpoint_word(endpoint: WebhookEndpoint) -> Word:
    if endpoint.status is EndpointStatus.UNPROVEN:
        return Word("Not verified", "warn", "warning")
    if endpoint.status is EndpointStatus.DISABLED:
        because = endpoint.disabled_because or DisabledBecause.BY_HAND
        return Word(_DISABLED_WORDS[because], "" if because is DisabledBecause.BY_HAND else "bad", "pause")
    if endpoint.failing_since is not None:
        return Word("Failing", "bad", "alert")
    return Word("Works", "ok", "check")
