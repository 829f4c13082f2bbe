"""Microsoft approval: each tenant's state and evidence, and the links that invite an IT administrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.approvals.message import AdministratorMessage, administrator_message
from ostiary.core.consent.model import AdminConsentLink
from ostiary.core.consent.permissions import PERMISSIONS, missing_permissions
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.organizations.model import Organization
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Where
from ostiary.core.tenants.model import Tenant
from ostiary.entrypoints.console.shell import recently_signed_in, render_console
from ostiary.entrypoints.console.tenant_rows import ConsentCell, TenantRow, tenant_rows
from ostiary.entrypoints.web.context import actor, organization_id, principal, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.sign_in_host import sign_in_origin
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class PermissionLine:
    """One permission that is needed, and whether it was granted."""

    name: str
    so_that: str
    granted: bool


@router.get("/console/approval", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_approval(request: Request) -> Response:
    """Show all tenants, and the links that still work."""
    return await _page(request)


@router.post("/console/approval/links", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def create_link(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    email: Annotated[str, Form(max_length=300)] = "",
    reason: Annotated[str, Form(max_length=280)] = "",
    tenant: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Make a link and show it, with the message to send, this once."""
    own = organization_id(request)
    at = services(request)
    caller = principal(request)
    expected = None
    if tenant:
        expected = (await at.tenants.get(tenant, organization_id=own)).tenant_id
    issued = await at.consent.links.create(
        organization_id=own,
        asked_by_name=caller.name,
        asked_by_member_id=caller.id,
        expected_tenant_id=expected,
        sent_to=email.strip() or None,
        actor=actor(request),
    )
    async with at.transactions() as transaction:
        organization = await transaction.organizations.get(own)
        waiting = await transaction.approval_requests.count_waiting(own)
    settings = at.settings
    message: AdministratorMessage = administrator_message(
        vendor=settings.vendor_name,
        link=issued.url.reveal(),
        app_id=settings.app_client_id,
        publisher=settings.vendor_publisher,
        publisher_verified=settings.vendor_publisher_verified,
        waiting_count=waiting,
        sender_name=caller.name,
        administrator_name=name.strip() or organization.it_contact_name,
        reason=reason.strip() or None,
    )
    return await render_console(
        request,
        "console/approval_link.html",
        section="approval",
        link=issued.link,
        url=issued.url.reveal(),
        message=message,
    )


@router.post("/console/approval/links/{link_id}/withdraw", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def withdraw_link(request: Request, link_id: str) -> Response:
    """End a link before its time."""
    await services(request).consent.links.withdraw(
        link_id, organization_id=organization_id(request), actor=actor(request)
    )
    return see_other("/console/approval")


@router.post("/console/approval/contact", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def set_contact(
    request: Request,
    name: Annotated[str, Form(max_length=300)] = "",
    email: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """Record whom to ask for approvals."""
    try:
        await services(request).organizations.set_it_contact(
            organization_id(request), name=name.strip(), email=email.strip(), actor=actor(request)
        )
    except InvalidRequest as refusal:
        field = "contact-email" if refusal.field == "it_contact_email" else "contact-name"
        return await _page(request, problems=[(field, refusal.message)], status_code=400)
    return see_other("/console/approval")


@router.get("/console/approval/{tenant_key}", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_tenant(request: Request, tenant_key: str, confirm: str = "", unanswered: str = "") -> Response:
    """Show one tenant: what is granted against what is needed, history, links."""
    own = organization_id(request)
    async with services(request).transactions() as transaction:
        organization = await transaction.organizations.get(own)
        tenant = await transaction.tenants.get(tenant_key, organization_id=own)
        consents = await transaction.consents.list_for_organization(own)
        attempts = await transaction.consent_attempts.page_for_organization(own, limit=50)
        history = await transaction.audit.page(organization_id=own, object_id=tenant.id, limit=20)
        live = await transaction.admin_consent_links.live_for(own, now=services(request).clock.now())
    row = tenant_rows([tenant], consents)[0]
    return await render_console(
        request,
        "console/tenant.html",
        section="approval",
        row=row,
        cells=[
            (cell, _lines(cell), _explanation(request, organization, row, cell))
            for cell in (row.graph, row.ews)
        ],
        attempts=[attempt for attempt in attempts if attempt.tenant_id == tenant.tenant_id],
        links=[link for link in live if link.expected_tenant_id in (None, tenant.tenant_id)],
        records=history.items,
        confirming=bool(confirm) and row.is_pending,
        is_fresh=recently_signed_in(request),
        is_from_there=_is_from(request, tenant),
        unanswered=bool(unanswered),
        form_targets=[sign_in_origin(request)],
    )


@router.post(
    "/console/approval/{tenant_key}/confirm", dependencies=[requires(Permission.CONSOLE_MANAGE, fresh=True)]
)
async def confirm_tenant(request: Request, tenant_key: str) -> Response:
    """Bind a tenant on the word of an admin who just signed in from that very tenant (SR-16, ADR 0008)."""
    path = f"/console/approval/{tenant_key}"
    own = organization_id(request)
    tenant = await services(request).tenants.get(tenant_key, organization_id=own)
    if not _is_from(request, tenant):
        return see_other(f"{path}?confirm=1")
    await services(request).consent.confirm_tenant(tenant.id, organization_id=own, actor=actor(request))
    return see_other(path)


@router.post("/console/approval/{tenant_key}/check", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def check_tenant(request: Request, tenant_key: str) -> Response:
    """Ask Microsoft now whether the app is still there and switched on."""
    own = organization_id(request)
    tenant = await services(request).tenants.get(tenant_key, organization_id=own)
    answered = await services(request).consent.watch.check_tenant(
        cloud=tenant.cloud, tenant_id=tenant.tenant_id
    )
    return see_other(f"/console/approval/{tenant.id}" + ("" if answered else "?unanswered=1"))


def _is_from(request: Request, tenant: Tenant) -> bool:
    """Whether the caller signed in from this tenant. Whoever did not proves nothing about it."""
    return principal(request).home_tenant_id == tenant.tenant_id


async def _page(
    request: Request, *, problems: list[tuple[str, str]] | None = None, status_code: int = 200
) -> Response:
    own = organization_id(request)
    async with services(request).transactions() as transaction:
        tenants = await transaction.tenants.list_for(own)
        consents = await transaction.consents.list_for_organization(own)
        links: tuple[AdminConsentLink, ...] = await transaction.admin_consent_links.live_for(
            own, now=services(request).clock.now()
        )
    return await render_console(
        request,
        "console/approval.html",
        section="approval",
        status_code=status_code,
        rows=tenant_rows(tenants, consents),
        links=links,
        problems=problems or [],
    )


def _lines(cell: ConsentCell) -> list[PermissionLine]:
    if cell.consent is None:
        return []
    missing = {each.name for each in missing_permissions(cell.method, cell.consent.granted_scopes)}
    return [
        PermissionLine(each.name, each.so_that, each.name not in missing) for each in PERMISSIONS[cell.method]
    ]


def _explanation(
    request: Request, organization: Organization, row: TenantRow, cell: ConsentCell
) -> Explanation | None:
    if cell.consent is None or cell.consent.reason is None:
        return None
    settings = services(request).settings
    missing = cell.missing
    return explain(
        cell.consent.reason,
        where=Where.CONSENT,
        values={
            "vendor": settings.vendor_name,
            "org": organization.name,
            "domain": row.domain,
            "app_id": settings.app_client_id,
            "help": settings.vendor_help_email,
            "ref": cell.consent.reference,
            "n": str(len(missing)) if missing else None,
            "list": ", ".join(each.name for each in missing) or None,
        },
    )
