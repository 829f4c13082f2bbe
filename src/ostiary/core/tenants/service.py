"""Which organization a Microsoft directory belongs to: claims, confirmation, look-ups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Organization
from ostiary.core.tenants.model import BindingState, ClaimOutcome, Tenant, binding_evidence
from ostiary.core.tenants.ports import TenantTransaction


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory as its own signed-in administrator showed it to us."""

    cloud: str
    tenant_id: str
    display_name: str
    verified_domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim; ``tenant`` is missing when another organization holds the directory."""

    outcome: ClaimOutcome
    tenant: Tenant | None = None


class TenantService:
    """The binding rule (SR-16, SR-17). Claims run inside the transaction of the flow that makes them."""

    def __init__(
        self, *, transactions: Transactions[TenantTransaction], clock: Clock, entropy: Entropy
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy

    async def claim(
        self,
        transaction: TenantTransaction,
        directory: Directory,
        *,
        organization: Organization,
        expected_tenant_id: str | None,
        may_bind: bool,
        actor: Actor,
    ) -> Claim:
        """Claim a directory for an organization, because somebody of it signed in.

        Args:
            expected_tenant_id: Given with the link, beside the one the organization may have on file.
            may_bind: The person holds a role that can approve apps; otherwise the claim waits (SR-18).
        """
        evidence = binding_evidence(
            tenant_id=directory.tenant_id,
            verified_domains=directory.verified_domains,
            expected_tenant_ids=(expected_tenant_id, organization.expected_tenant_id),
            allowed_domains=organization.allowed_domains,
        )
        how = evidence if may_bind else None
        known = await transaction.tenants.find_by_tenant_id(
            cloud=directory.cloud, tenant_id=directory.tenant_id
        )
        if known is None:
            return await self._first_claim(transaction, directory, organization, how, actor)
        if known.organization_id != organization.id:
            if known.binding is BindingState.BOUND or how is None:
                return await self._refuse(transaction, directory, organization, actor)
            # A claim that nobody confirmed must not keep the rightful organization out.
            known = replace(known, organization_id=organization.id)
        elif known.binding is BindingState.BOUND:
            await transaction.tenants.save(self._described(known, directory))
            return Claim(ClaimOutcome.BOUND, known)
        tenant = self._described(known, directory)
        if how is not None:
            tenant = self._bound(tenant, how)
            await self._record_bound(transaction, tenant, actor)
        await transaction.tenants.save(tenant)
        return Claim(_outcome(tenant), tenant)

    async def confirm(
        self, transaction: TenantTransaction, tenant_key: str, *, organization_id: str, actor: Actor
    ) -> Tenant:
        """Bind a waiting directory on the word of the organization admin or the vendor.

        Raises:
            NotFound: Not a tenant of this organization.
        """
        tenant = await transaction.tenants.get(tenant_key, organization_id=organization_id)
        if tenant.binding is BindingState.BOUND:
            return tenant
        tenant = self._bound(tenant, "confirmed_by_admin")
        await transaction.tenants.save(tenant)
        await self._record_bound(transaction, tenant, actor)
        return tenant

    async def list_for(self, organization_id: str) -> tuple[Tenant, ...]:
        """Return the directories of an organization, oldest first."""
        async with self._transactions() as transaction:
            return await transaction.tenants.list_for(organization_id)

    async def get(self, tenant_key: str, *, organization_id: str) -> Tenant:
        """Return one directory of an organization, or raise NotFound."""
        async with self._transactions() as transaction:
            return await transaction.tenants.get(tenant_key, organization_id=organization_id)

    async def _first_claim(
        self,
        transaction: TenantTransaction,
        directory: Directory,
        organization: Organization,
        how: str | None,
        actor: Actor,
    ) -> Claim:
        tenant = Tenant(
            id=new_id("ten", self._entropy),
            cloud=directory.cloud,
            tenant_id=directory.tenant_id,
            organization_id=organization.id,
            binding=BindingState.PENDING,
            bound_how="",
            display_name=directory.display_name,
            domains=directory.verified_domains,
            created_at=self._clock.now(),
        )
        if how is not None:
            tenant = self._bound(tenant, how)
        try:
            await transaction.tenants.add(tenant)
        except Conflict:
            # Another flow claimed it since we looked: the rule is applied to what stands there now.
            known = await transaction.tenants.find_by_tenant_id(
                cloud=directory.cloud, tenant_id=directory.tenant_id
            )
            if known is None or known.organization_id != organization.id:
                return await self._refuse(transaction, directory, organization, actor)
            return Claim(_outcome(known), known)
        if tenant.binding is BindingState.BOUND:
            await self._record_bound(transaction, tenant, actor)
        else:
            await transaction.audit.record(
                "tenant.waiting",
                f"{tenant.display_name or tenant.tenant_id} waits until the organization is confirmed.",
                actor=actor,
                organization_id=organization.id,
                object_id=tenant.id,
                detail={"tenant_id": tenant.tenant_id, "domains": ", ".join(tenant.domains[:20])},
            )
        return Claim(_outcome(tenant), tenant)

    async def _refuse(
        self, transaction: TenantTransaction, directory: Directory, organization: Organization, actor: Actor
    ) -> Claim:
        await transaction.audit.record(
            "tenant.claim_refused",
            "A Microsoft directory could not be connected here. The vendor has to look at it.",
            actor=actor,
            outcome="refused",
            organization_id=organization.id,
            reason="tenant_taken",
            detail={"tenant_id": directory.tenant_id},
        )
        return Claim(ClaimOutcome.TAKEN)

    async def _record_bound(self, transaction: TenantTransaction, tenant: Tenant, actor: Actor) -> None:
        await transaction.audit.record(
            "tenant.bound",
            f"{tenant.display_name or tenant.tenant_id} now belongs to this organization.",
            actor=actor,
            organization_id=tenant.organization_id,
            object_id=tenant.id,
            detail={"tenant_id": tenant.tenant_id, "how": tenant.bound_how},
        )

    def _bound(self, tenant: Tenant, how: str) -> Tenant:
        return replace(tenant, binding=BindingState.BOUND, bound_how=how, bound_at=self._clock.now())

    @staticmethod
    def _described(tenant: Tenant, directory: Directory) -> Tenant:
        """Take over what the directory says of itself now, unless it said nothing."""
        return replace(
            tenant,
            display_name=directory.display_name or tenant.display_name,
            domains=directory.verified_domains or tenant.domains,
        )


def owner_of(
    known: Tenant | None, candidates: Sequence[Organization], directory: Directory
) -> Organization | None:
    """Return the one organization a directory can belong to when no link names it; None unless it is certain."""
    if known is not None and known.binding is BindingState.BOUND:
        return next((one for one in candidates if one.id == known.organization_id), None)
    fitting = [
        one
        for one in candidates
        if binding_evidence(
            tenant_id=directory.tenant_id,
            verified_domains=directory.verified_domains,
            expected_tenant_ids=(one.expected_tenant_id,),
            allowed_domains=one.allowed_domains,
        )
    ]
    return fitting[0] if len(fitting) == 1 else None


def _outcome(tenant: Tenant) -> ClaimOutcome:
    return ClaimOutcome.BOUND if tenant.binding is BindingState.BOUND else ClaimOutcome.PENDING
