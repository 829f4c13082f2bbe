"""Two customers with people, tenants and connections, for tests of the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from ostiary.bootstrap import Services
from ostiary.core.access.model import Role
from ostiary.core.access.sessions import begin_session
from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState, Waiter
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.consent.permissions import PERMISSIONS
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import ProviderDetail
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.tenants.model import BindingState, Tenant


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer and everything of it that a page could show."""

    organization: Organization
    admin: Member
    people: tuple[Member, ...]
    bound: Tenant
    pending: Tenant
    consent: Consent
    connections: tuple[Connection, ...]
    request: ApprovalRequest
    session: Secret
    """Of the signed-in admin."""

    @property
    def traces(self) -> tuple[str, ...]:
        """Words that only pages of this customer may show."""
        return (
            self.organization.id,
            self.organization.name,
            self.admin.display_name,
            self.bound.primary_domain,
            self.pending.primary_domain,
            self.consent.reference,
            self.request.reference,
            *(member.email for member in self.people),
            *(connection.reference for connection in self.connections),
        )


STATUSES = (
    ConnectionStatus.CONNECTED,
    ConnectionStatus.NEEDS_SIGN_IN,
    ConnectionStatus.FAILING,
    ConnectionStatus.PAUSED,
    ConnectionStatus.DISCONNECTED,
)
_REASONS = {ConnectionStatus.NEEDS_SIGN_IN: "sign_in_needed", ConnectionStatus.FAILING: "mailbox_missing"}


async def make_customer(services: Services, external_id: str, name: str, admin_name: str) -> Customer:
    """Add a customer whose console has something on every page."""
    now = services.clock.now()
    entropy = services.entropy
    organization, _ = await services.organizations.create(external_id=external_id, name=name, actor=SYSTEM)
    domain = f"{external_id}.example"

    async def person(number: int, display_name: str, role: MemberRole = MemberRole.MEMBER) -> Member:
        member, _ = await services.organizations.add_member(
            organization_id=organization.id,
            external_id=f"u{number}",
            email=f"u{number}@{domain}",
            display_name=display_name,
            role=role,
            licensed=number < 8,
            actor=SYSTEM,
        )
        return member

    admin = await person(0, admin_name, MemberRole.ORGANIZATION_ADMIN)
    people = tuple([await person(number, f"Person {number} of {external_id}") for number in range(1, 9)])

    def tenant(prefix: str, binding: BindingState) -> Tenant:
        return Tenant(
            id=new_id("ten", entropy),
            cloud="global",
            tenant_id=str(UUID(bytes=entropy.token_bytes(16))),
            organization_id=organization.id,
            binding=binding,
            bound_how="verified_domain" if binding is BindingState.BOUND else "",
            display_name=f"{name} {prefix}",
            domains=(f"{prefix}.{domain}",),
            created_at=now,
            bound_at=now if binding is BindingState.BOUND else None,
        )

    bound, pending = tenant("main", BindingState.BOUND), tenant("nordics", BindingState.PENDING)
    consent = Consent(
        id=new_id("con", entropy),
        cloud="global",
        tenant_id=bound.tenant_id,
        organization_id=organization.id,
        method=AccessMethod.GRAPH,
        state=ConsentState.VERIFIED,
        reference=new_reference(ReferenceKind.CONSENT, entropy),
        granted_scopes=tuple(each.name for each in PERMISSIONS[AccessMethod.GRAPH]),
        approved_by_username=f"priya@{domain}",
        approved_by_name="Priya Nair",
        verified_at=now - timedelta(hours=2),
        verified_how="token_scope",
        checked_at=now,
        changed_at=now,
    )
    connections = tuple(
        Connection(
            id=new_id("cnn", entropy),
            organization_id=organization.id,
            member_id=member.id,
            cloud="global",
            tenant_id=bound.tenant_id,
            object_id=str(UUID(bytes=entropy.token_bytes(16))),
            method=AccessMethod.GRAPH,
            registration_id="main",
            mail=True,
            calendar=True,
            status=status,
            reference=new_reference(ReferenceKind.CONNECT, entropy),
            address=member.email,
            display_name=member.display_name,
            created_at=now,
            changed_at=now,
            reason=_REASONS.get(status),
            provider=ProviderDetail(code="AADSTS50173") if status in _REASONS else None,
            connected_at=now,
            last_success_at=now,
        )
        for member, status in zip(people, STATUSES, strict=False)
    )
    request = ApprovalRequest(
        id=new_id("apr", entropy),
        reference=new_reference(ReferenceKind.APPROVAL_REQUEST, entropy),
        organization_id=organization.id,
        method=AccessMethod.GRAPH,
        state=ApprovalRequestState.WAITING,
        asked_by_member_id=people[5].id,
        asked_by_name=people[5].display_name,
        created_at=now,
        updated_at=now,
        reason="I need this to book customer meetings.",
    )
    async with services.transactions() as transaction:
        await transaction.tenants.add(bound)
        await transaction.tenants.add(pending)
        await transaction.consents.save(consent)
        for connection in connections:
            await transaction.connections.add(connection)
        await transaction.approval_requests.add(request)
        await transaction.approval_requests.join(Waiter(request.id, people[5].id, True, True, now))
        signed_in = await begin_session(
            transaction,
            role=Role.ORGANIZATION_ADMIN,
            subject_id=admin.id,
            name=admin.display_name,
            organization_id=organization.id,
            entropy=entropy,
            now=now,
            replaces=None,
            authenticated_at=services.clock.now(),
            home_tenant_id=pending.tenant_id,
        )
    await services.consent.links.create(
        organization_id=organization.id, asked_by_name=admin.display_name, actor=SYSTEM
    )
    return Customer(
        organization, admin, people, bound, pending, consent, connections, request, signed_in.secret
    )


def console_pages(customer: Customer) -> list[str]:
    """Return every page of a customer's console."""
    connection = customer.connections[2].id
    return [
        "/console",
        "/console/approval",
        f"/console/approval/{customer.bound.id}",
        f"/console/approval/{customer.pending.id}",
        "/console/requests",
        "/console/requests?tab=declined",
        f"/console/requests/{customer.request.id}",
        "/console/members",
        "/console/members?show=waiting",
        "/console/members?q=Person",
        "/console/members?status=failing",
        "/console/members/new",
        "/console/members/import",
        f"/console/members/{customer.people[0].id}",
        "/console/connections",
        "/console/connections?status=failing",
        "/console/connections?method=ews",
        "/console/connections?reason=mailbox_missing",
        f"/console/connections/{connection}",
        f"/console/connections/{connection}/disconnect",
        f"/console/connections/{connection}/erase",
        f"/console/members/{customer.people[0].id}/erase",
        "/console/incidents",
        "/console/incidents?show=all",
        "/console/unused-permissions",
        "/console/audit",
        "/console/audit?what=member",
        "/console/settings",
        "/console/account",
    ]


OPERATOR_PAGES = (
    "/operator",
    "/operator/customers",
    "/operator/ews",
    "/operator/incidents",
    "/operator/webhooks",
    "/operator/traffic",
    "/operator/freezes",
    "/operator/freezes/new?target=everything",
    "/operator/apps",
    "/operator/failures",
    "/operator/audit",
    "/operator/keys",
    "/operator/people",
    "/operator/reference",
)
