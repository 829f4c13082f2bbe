"""The operator console: all customers, one reference, and a look over a customer's shoulder."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response

from ostiary.bootstrap import credential_facts
from ostiary.core.access.model import Permission
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.consent.model import ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.ids import parse_reference
from ostiary.core.organizations.model import MemberRole, Organization
from ostiary.core.signin.credentials import newest
from ostiary.core.tenants.model import BindingState
from ostiary.entrypoints.console.health_bar import health_bar, spoken
from ostiary.entrypoints.console.reading import read_progress
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.site.left_out import left_out_of
from ostiary.entrypoints.web.context import actor, principal, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

router = APIRouter(include_in_schema=False)

CUSTOMERS_PER_PAGE: Final = 25


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """One customer in numbers."""

    organization: Organization
    tenant_count: int
    approved_count: int
    licensed_count: int
    connected_count: int
    failing_count: int


@router.get("/operator", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_overview(request: Request) -> Response:
    """Show all customers together: numbers, health, what needs the vendor."""
    at = services(request)
    async with at.transactions() as transaction:
        customers = await transaction.organizations.count()
        statuses = await transaction.connections.count_by_status(None)
        recent = await transaction.audit.page(organization_id=None, limit=10)
        unclaimed = await transaction.consent_attempts.unclaimed(limit=20)
        frozen = await transaction.freezes.all()
        endpoints = await transaction.webhooks.list_endpoints()
    facts = newest(await asyncio.to_thread(credential_facts, at.settings))
    now = at.clock.now()
    segments = health_bar(statuses, not_connected=0)[:3]
    return render_operator(
        request,
        "console/operator_overview.html",
        section="overview",
        customer_count=customers,
        connected_count=statuses.get(ConnectionStatus.CONNECTED, 0),
        failing_count=statuses.get(ConnectionStatus.FAILING, 0),
        sign_in_count=statuses.get(ConnectionStatus.NEEDS_SIGN_IN, 0),
        segments=segments,
        spoken=spoken(segments),
        unclaimed=unclaimed,
        frozen_count=len(frozen),
        troubled=[endpoint for endpoint in endpoints if endpoint.has_trouble(now)],
        ending=[(fact, fact.days_left(now)) for fact in facts if fact.alarm(now) is not None],
        records=recent.items,
    )


@router.get("/operator/customers", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_customers(
    request: Request,
    q: Annotated[str, Query(max_length=100)] = "",
    after: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """List customers by name."""
    page = await services(request).organizations.list_organizations(
        search=q.strip() or None, cursor=after, limit=CUSTOMERS_PER_PAGE
    )
    rows = [await _row(services(request), organization) for organization in page.items]
    query = {"q": q} if q else {}
    next_query = urlencode({**query, "after": page.next_cursor}) if page.next_cursor else None
    return render_operator(
        request,
        "console/customers.html",
        section="customers",
        rows=rows,
        q=q,
        next_href=next_query and f"/operator/customers?{next_query}",
        first_href="/operator/customers" + (f"?{urlencode(query)}" if query else ""),
        on_first=after is None,
    )


@router.get("/operator/customers/{organization_id}", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_customer(request: Request, organization_id: str) -> Response:
    """Show one customer's set-up and admins, and the door to its console."""
    return await _customer(request, organization_id)


@router.post(
    "/operator/customers/{organization_id}/view", dependencies=[requires(Permission.OPERATOR_MANAGE)]
)
async def view_customer(
    request: Request, organization_id: str, reason: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Open a customer's console to look; the customer's audit log says so."""
    if not reason.strip():
        return await _customer(
            request, organization_id, problem="Say why you need to see this customer.", status_code=400
        )
    await services(request).access.view_customer(
        principal(request), organization_id=organization_id, reason=reason, actor=actor(request)
    )
    return see_other("/console")


@router.post("/operator/stop-viewing", dependencies=[requires(Permission.OPERATOR_MANAGE)])
async def stop_viewing(request: Request) -> Response:
    """Leave the customer's console."""
    caller = principal(request)
    await services(request).access.stop_viewing(caller, actor=actor(request))
    return see_other(
        f"/operator/customers/{caller.organization_id}" if caller.organization_id else "/operator"
    )


@router.post(
    "/operator/customers/{organization_id}/admins/{member_id}/link",
    dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)],
)
async def invite_admin(request: Request, organization_id: str, member_id: str) -> Response:
    """Make an admin's one-time sign-in link and show it this once."""
    at = services(request)
    link, secret = await at.access.create_admin_link(
        organization_id=organization_id, member_id=member_id, actor=actor(request)
    )
    member = await at.organizations.get_member(member_id, organization_id=organization_id)
    return render_operator(
        request,
        "console/admin_link.html",
        section="customers",
        member=member,
        link=link,
        url=f"{at.settings.effective_console_url.rstrip('/')}/console/link/{secret.reveal()}",
        back=f"/operator/customers/{organization_id}",
    )


@router.post(
    "/operator/customers/{organization_id}/tenants/{tenant_key}/confirm",
    dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)],
)
async def confirm_tenant(request: Request, organization_id: str, tenant_key: str) -> Response:
    """Bind a tenant that nothing else proves to be the customer's (SR-16, ADR 0008)."""
    await services(request).consent.confirm_tenant(
        tenant_key, organization_id=organization_id, actor=actor(request)
    )
    return see_other(f"/operator/customers/{organization_id}")


@router.post(
    "/operator/unclaimed/{reference}", dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)]
)
async def claim(request: Request, reference: str, customer: Annotated[str, Form(max_length=130)]) -> Response:
    """Give an approval that fits no customer to one."""
    at = services(request)
    organization = await at.organizations.resolve(customer.strip())
    await at.consent.claim_attempt(reference, organization_id=organization.id, actor=actor(request))
    return see_other(f"/operator/customers/{organization.id}")


@router.get("/operator/reference", dependencies=[requires(Permission.OPERATOR_READ)])
async def find_reference(request: Request, ref: Annotated[str, Query(max_length=40)] = "") -> Response:
    """Show everything that carries one reference."""
    reference = parse_reference(ref)
    at = services(request)
    records = attempt = connection = session = organization = None
    if reference is not None:
        async with at.transactions() as transaction:
            records = (await transaction.audit.page(organization_id=None, reference=reference)).items
            attempt = await transaction.consent_attempts.find_by_reference(reference)
            connection = await transaction.connections.find_by_reference(reference)
            session = await transaction.connect_sessions.find_by_reference(reference)
            owners = [each.organization_id for each in (attempt, connection, session) if each is not None]
            owners += [record.organization_id for record in records]
            owner = next((each for each in owners if each), None)
            if owner is not None:
                organization = await transaction.organizations.get(owner)
    return render_operator(
        request,
        "console/reference.html",
        section="reference",
        ref=ref,
        reference=reference,
        records=records or (),
        attempt=attempt,
        connection=connection,
        session=session,
        found_organization=organization,
        reading=None if connection is None else await read_progress(request, connection),
        left_out=None if organization is None else left_out_of(request, connection, organization),
    )


async def _row(at: Services, organization: Organization) -> CustomerRow:
    async with at.transactions() as transaction:
        tenants = await transaction.tenants.list_for(organization.id)
        consents = await transaction.consents.list_for_organization(organization.id)
        licensed = await transaction.members.count_licensed(organization.id)
        statuses = await transaction.connections.count_by_status(organization.id)
    approved = {
        consent.tenant_id
        for consent in consents
        if consent.method is AccessMethod.GRAPH and consent.state is ConsentState.VERIFIED
    }
    return CustomerRow(
        organization=organization,
        tenant_count=len(tenants),
        approved_count=len(approved),
        licensed_count=licensed,
        connected_count=statuses.get(ConnectionStatus.CONNECTED, 0),
        failing_count=statuses.get(ConnectionStatus.FAILING, 0),
    )


async def _customer(
    request: Request, organization_id: str, *, problem: str | None = None, status_code: int = 200
) -> Response:
    at = services(request)
    organization = await at.organizations.get(organization_id)
    async with at.transactions() as transaction:
        tenants = await transaction.tenants.list_for(organization.id)
    admins = await at.organizations.list_members(
        organization_id=organization_id, role=MemberRole.ORGANIZATION_ADMIN, limit=50
    )
    async with at.transactions() as transaction:
        freeze = await transaction.freezes.covering(organization.id)
    return render_operator(
        request,
        "console/customer.html",
        section="customers",
        status_code=status_code,
        row=await _row(at, organization),
        pending=[tenant for tenant in tenants if tenant.binding is BindingState.PENDING],
        admins=admins.items,
        freeze=freeze,
        problem=problem,
    )
