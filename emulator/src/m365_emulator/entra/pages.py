"""Build the pages a person sees; what they mean is decided in `sign_in`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.entra.answers import correlation_id
from m365_emulator.entra.authorization import AuthorizationRequest, Stopped
from m365_emulator.entra.consent import Ask, ConsentDecision, Permissions
from m365_emulator.entra.flow import Flow
from m365_emulator.entra.scopes import own_api
from m365_emulator.entra.session import Session
from m365_emulator.web import render
from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.request_log import mask
from m365_emulator.world.scenarios import SCENARIOS
from m365_emulator.world.tenants import ROLE_NAMES, Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def initials(name: str) -> str:
    """Return one or two letters for the picture."""
    words = [word for word in name.split() if word[:1].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()


def role_name(user: User) -> str:
    """Return the role to show beside an account."""
    if user.is_guest:
        return "Guest"
    return ROLE_NAMES.get(user.roles[0], "Administrator") if user.roles else "Member"


def account_view(user: User) -> dict[str, str]:
    """Return what the account box shows."""
    return {
        "name": user.display_name,
        "address": (user.mail or user.upn) if user.is_guest else user.upn,
        "role": role_name(user),
        "initials": initials(user.display_name),
    }


def app_view(app: AppRegistration, tenant: Tenant | None = None) -> dict[str, Any]:
    """Return what the app box shows."""
    pretend_unverified = tenant is not None and tenant.policies.publisher_unverified
    return {
        "name": app.display_name,
        "publisher": app.publisher_name or app.publisher_domain or "Unknown publisher",
        "verified": app.publisher_verified and not pretend_unverified,
    }


def permission_views(world: World, wanted: Permissions) -> list[dict[str, str]]:
    """Return the permission list; sign-in basics appear only when nothing says more."""
    found: list[dict[str, str]] = []
    has_profile = any("User.Read" in names for names in wanted.delegated.values())
    for resource_id, names in wanted.delegated.items():
        resource = world.resources.get(resource_id)
        if resource is None and resource_id in world.apps:
            resource = own_api(world.apps[resource_id])
        for name in names:
            permission = resource.find_delegated(name) if resource else None
            if permission is None or (has_profile and name in ("openid", "profile", "email")):
                continue
            found.append(
                {"name": name, "title": permission.title, "detail": permission.detail, "kind": "delegated"}
            )
    for resource_id, names in wanted.application.items():
        resource = world.resources.get(resource_id)
        for name in names:
            permission = resource.application.get(name) if resource else None
            if permission is not None:
                found.append(
                    {
                        "name": name,
                        "title": permission.title,
                        "detail": permission.detail,
                        "kind": "application",
                    }
                )
    last = [entry for entry in found if entry["name"] == "offline_access"]
    return [entry for entry in found if entry["name"] != "offline_access"] + last


def short(text: str, *, keep: int = 8) -> str:
    """Shorten an opaque value for the controls."""
    return text if len(text) <= keep * 2 else f"{text[:keep]}…{text[-4:]}"


def controls(world: World, flow: Flow, tenant: Tenant | None) -> dict[str, Any]:
    """Return the emulator controls beside a page."""
    known = tenant or world.find_tenant(flow.segment)
    choices = [known] if known else world.tenants
    method = "GET" if flow.kind != "device" else "POST"
    return {
        "tenants": [{"id": choice.id, "name": choice.display_name} for choice in choices],
        "scenarios": [{"id": item.id, "title": item.title} for item in SCENARIOS.values()],
        "active": known.scenario if known else None,
        "tenant": known.default_domain if known else flow.segment,
        "endpoint": f"{method} {flow.path}",
        "returns_to": urlsplit_host(flow.params.get("redirect_uri", "")) or "nowhere",
        "state": short(flow.params.get("state", "")) or "none",
        "clock": f"{world.clock.now():%Y-%m-%d %H:%M} UTC",
        "back_to": flow.start_url() if flow.kind != "device" else flow.path,
        "raw": mask(f"{method} {flow.path}?{urlencode(flow.params)}"),
    }


def urlsplit_host(address: str) -> str:
    """Return host and port of an address, or an empty text."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""


def groups_of_accounts(
    world: World, flow: Flow, session: Session, tenant: Tenant | None
) -> list[dict[str, Any]]:
    """Return the accounts to pick from: those signed in first, then everybody of the tenant(s)."""
    signed_in = {account.oid for account in session.accounts}
    groups: list[dict[str, Any]] = []
    hinted = world.find_tenant(flow.params.get("domain_hint", ""))
    for candidate in [chosen] if (chosen := tenant or hinted) else world.tenants:
        accounts: list[dict[str, Any]] = []
        for user in candidate.users:
            if user.deleted or (user.is_guest and tenant is None):
                continue
            view: dict[str, Any] = {**account_view(user), "upn": user.upn}
            view["signed_in"] = (user.home_oid or user.oid) in signed_in
            accounts.append(view)
        accounts.sort(key=lambda view: not view["signed_in"])
        if accounts:
            groups.append({"name": candidate.display_name, "accounts": accounts})
    return groups


def stopped_page(
    world: World, request: Request, flow: Flow, stopped: Stopped, tenant: Tenant | None
) -> Response:
    """Render an error that never returns to the app."""
    changes = {"prompt": "select_account"} if flow.kind in ("authorize", "authorize_v1") else {}
    return render(
        "stopped.html",
        status=400,
        title=f"Sign-in stopped, AADSTS{stopped.error.code}",
        step=None,
        text=stopped.error.text,
        code=stopped.error.code,
        correlation_id=correlation_id(request),
        trace_id=str(uuid.uuid4()),
        at=f"{world.clock.now():%Y-%m-%dT%H:%M:%SZ}",
        other_account_url=flow.start_url(**changes) if stopped.offers_other_account else None,
        controls=controls(world, flow, tenant),
    )


def pick_page(
    world: World, flow: Flow, request: AuthorizationRequest, session: Session, message: str = ""
) -> Response:
    """Render "Pick an account"."""
    tenant = request.authority.tenant
    return render(
        "pick.html",
        title="Pick an account",
        step=1,
        app=app_view(request.app),
        groups=groups_of_accounts(world, flow, session, tenant),
        flow=flow.sealed(world),
        message=message,
        controls=controls(world, flow, tenant),
    )


def address_page(
    world: World, flow: Flow, request: AuthorizationRequest, *, message: str = "", unknown_domain: str = ""
) -> Response:
    """Render "Use another account"."""
    return render(
        "address.html",
        title="Use another account",
        step=1,
        app=app_view(request.app),
        address=flow.address,
        flow=flow.sealed(world),
        message=message,
        unknown_domain=unknown_domain,
        controls=controls(world, flow, request.authority.tenant),
    )


def password_page(
    world: World, flow: Flow, request: AuthorizationRequest, user: User, message: str = ""
) -> Response:
    """Render "Password"."""
    return render(
        "password.html",
        title="Password",
        step=2,
        account=account_view(user),
        flow=flow.sealed(world),
        message=message,
        controls=controls(world, flow, request.authority.tenant or user.tenant),
    )


def second_step_page(world: World, flow: Flow, user: User, tenant: Tenant) -> Response:
    """Render the second step (MFA)."""
    return render(
        "second_step.html",
        title="Second step",
        step=2,
        account=account_view(user),
        tenant_name=tenant.display_name,
        flow=flow.sealed(world),
        controls=controls(world, flow, tenant),
    )


def consent_page(
    world: World,
    flow: Flow,
    request: AuthorizationRequest,
    user: User,
    tenant: Tenant,
    decision: ConsentDecision,
) -> Response:
    """Render "Permissions requested"."""
    return render(
        "permissions.html",
        title="Permissions requested",
        step=3,
        account=account_view(user),
        app=app_view(request.app, tenant),
        permissions=permission_views(world, decision.permissions),
        for_tenant=decision.ask is Ask.ORGANIZATION,
        offers_organization=decision.ask is Ask.PERSON_OR_ORGANIZATION,
        tenant_name=tenant.display_name,
        is_risky=decision.is_risky,
        code=decision.code,
        return_url=return_url(world, flow),
        flow=flow.sealed(world),
        controls=controls(world, flow, tenant),
    )


def approval_page(
    world: World,
    flow: Flow,
    request: AuthorizationRequest,
    user: User,
    tenant: Tenant,
    decision: ConsentDecision,
    message: str = "",
) -> Response:
    """Render "Need admin approval", or "Approval required" with its form."""
    workflow = tenant.policies.admin_consent_workflow
    changes = {} if request.is_for_tenant else {"prompt": "select_account"}
    return render(
        "need_approval.html",
        title="Approval required" if workflow else "Need admin approval",
        step=3,
        account=account_view(user),
        app=app_view(request.app, tenant),
        permissions=permission_views(world, decision.permissions),
        tenant_name=tenant.display_name,
        workflow=workflow,
        is_risky=decision.is_risky,
        code=decision.code,
        message=message,
        admin_url=flow.start_url(**changes) if flow.kind != "device" else flow.path,
        return_url=return_url(world, flow),
        flow=flow.sealed(world),
        controls=controls(world, flow, tenant),
    )


def request_sent_page(
    world: World, flow: Flow, request: AuthorizationRequest, user: User, tenant: Tenant
) -> Response:
    """Render "Request sent"."""
    return render(
        "request_sent.html",
        title="Request sent",
        step=3,
        account=account_view(user),
        app=app_view(request.app, tenant),
        tenant_name=tenant.display_name,
        return_url=return_url(world, flow),
        controls=controls(world, flow, tenant),
    )


def return_url(world: World, flow: Flow) -> str:
    """Return the address behind "Return to the app without granting"."""
    return f"/return-to-app?{urlencode({'flow': flow.sealed(world)})}"
