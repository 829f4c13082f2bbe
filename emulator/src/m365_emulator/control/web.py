"""The plain pages: tenants, people, mailboxes, sent notifications, the request log, the reviewer inbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from m365_emulator.control import mail_view, views
from m365_emulator.entra.answers import read_form
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.pages import role_name
from m365_emulator.entra.reviews import NotAReviewer, decide_request
from m365_emulator.web import plain_file, render
from m365_emulator.world.request_log import matcher
from m365_emulator.world.scenarios import SCENARIOS

if TYPE_CHECKING:
    from m365_emulator.world.world import World

REQUESTS_SHOWN = 200
Handler = Callable[["World", Request], Awaitable[Response]]


def routes(world: World) -> list[BaseRoute]:
    """Return the pages and static files."""

    def bound(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await handler(world, request)

        return endpoint

    return [
        Route("/", bound(_index), methods=["GET"]),
        Route("/healthz", bound(_health), methods=["GET"]),
        Route("/static/{name}", bound(_static), methods=["GET"]),
        Route("/inbox", bound(_inbox), methods=["GET", "POST"]),
        Route("/requests", bound(_requests), methods=["GET"]),
        Route("/requests/{number:int}", bound(_request), methods=["GET"]),
        Route("/notifications", bound(_notifications), methods=["GET"]),
        Route("/mailboxes/{address}", bound(mail_view.folder_page), methods=["GET"]),
        Route("/mailboxes/{address}/calendar", bound(mail_view.calendar_page), methods=["GET"]),
        Route("/mailboxes/{address}/items/{identity:int}", bound(mail_view.item_page), methods=["GET"]),
    ]


async def _index(world: World, request: Request) -> Response:
    tenants = [
        {
            "name": tenant.display_name,
            "id": tenant.id,
            "domains": ", ".join(tenant.domains),
            "scenario": tenant.scenario or "",
            "consent": tenant.policies.user_consent,
            "ews": {None: "never set", True: "on", False: "off"}[tenant.policies.ews_enabled],
            "people": [
                {
                    "name": user.display_name,
                    "address": user.upn,
                    "role": role_name(user),
                    "has_mailbox": world.mailbox_of(user) is not None
                    if user.oid in world.mailboxes
                    else _may(user),
                    "note": _note(user),
                }
                for user in tenant.users
                if not user.deleted
            ],
            "apps": [principal.display_name for principal in tenant.service_principals.values()],
        }
        for tenant in world.tenants
    ]
    return render(
        "index.html",
        title="Start",
        tenants=tenants,
        scenarios=[{"id": item.id, "title": item.title} for item in SCENARIOS.values()],
        clock=views.clock(world),
        faults=[fault.as_dict() for fault in world.faults],
        requests=world.request_log.newest(8),
        waiting=sum(
            item.decision == "waiting" for tenant in world.tenants for item in tenant.consent_requests
        ),
    )


def _may(user: object) -> bool:
    return bool(getattr(user, "licensed", False)) and getattr(user, "mailbox_location", None) == "cloud"


def _note(user: object) -> str:
    if not getattr(user, "account_enabled", True):
        return "account disabled"
    if getattr(user, "user_type", "") == "Guest":
        return "mailbox in the home tenant"
    if getattr(user, "mailbox_location", None) == "on_premises":
        return "mailbox on premises"
    return "" if getattr(user, "licensed", True) else "no licence"


async def _health(world: World, request: Request) -> Response:
    return PlainTextResponse("ok")


async def _static(world: World, request: Request) -> Response:
    return plain_file(request.path_params["name"]) or PlainTextResponse("Not found", 404)


async def _inbox(world: World, request: Request) -> Response:
    """Show the reviewers' inbox of Microsoft's own approval workflow, and take decisions."""
    message = ""
    if request.method == "POST":
        message = await _decide(world, request)
        if not message:
            return RedirectResponse("/inbox", 303)
    waiting = [
        {
            "tenant": tenant.display_name,
            "tenant_id": tenant.id,
            "id": item.id,
            "app": world.apps[item.app_id].display_name,
            "by": _name(world, item.requested_by_oid),
            "reason": item.reason,
            "scopes": [scope.rpartition("/")[2] for scope in item.scopes],
            "at": f"{item.created_at:%Y-%m-%d %H:%M} UTC",
            "decision": item.decision,
            "reviewers": [
                {"address": user.upn, "name": user.display_name}
                for user in tenant.users
                if user.oid in tenant.reviewer_oids
            ],
        }
        for tenant in world.tenants
        for item in tenant.consent_requests
    ]
    return render("inbox.html", title="Reviewer inbox", requests=waiting, message=message)


def _name(world: World, oid: str) -> str:
    user = world.find_user(oid)
    return user.display_name if user else "somebody who has left"


async def _decide(world: World, request: Request) -> str:
    try:
        form = await read_form(request)
    except EntraError:
        return "The form cannot be read."
    tenant = world.find_tenant(form.get("tenant", ""))
    found = (
        next((i for i in tenant.consent_requests if i.id == form.get("request")), None) if tenant else None
    )
    reviewer = world.find_user(form.get("reviewer", ""), tenant)
    decision = form.get("decision")
    if tenant is None or found is None or reviewer is None or decision not in ("approve", "deny", "block"):
        return "That request is not there any more."
    try:
        decide_request(world, tenant, found, reviewer, decision)
    except NotAReviewer as error:
        return str(error)
    return ""


async def _requests(world: World, request: Request) -> Response:
    path = request.query_params.get("path", "")
    entries = world.request_log.newest(REQUESTS_SHOWN, matcher(path=path))
    return render("requests.html", title="Request log", entries=entries, path=path)


async def _request(world: World, request: Request) -> Response:
    entry = world.request_log.find(request.path_params["number"])
    if entry is None:
        return render("message.html", status=404, title="Not kept", text="That request is not kept any more.")
    return render("request.html", title=f"Request {entry.number}", entry=entry, text=entry.as_text())


async def _notifications(world: World, request: Request) -> Response:
    sent = list(world.state.get("sent_notifications", []))[-REQUESTS_SHOWN:][::-1]
    return render("notifications.html", title="Sent notifications", sent=sent)
