"""Tenants with what they approved, as tables show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.consent.permissions import Permission, missing_permissions
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.tenants.model import BindingState, Tenant
from ostiary.entrypoints.console.words import CONSENT_WORDS, Word


@dataclass(frozen=True, slots=True)
class ConsentCell:
    """What one tenant approved for one access method."""

    method: AccessMethod
    consent: Consent | None

    @property
    def short(self) -> str:
        """The method as tables name it."""
        return "Graph" if self.method is AccessMethod.GRAPH else "EWS"

    @property
    def state(self) -> ConsentState:
        """``none`` when nobody asked yet."""
        return ConsentState.NONE if self.consent is None else self.consent.state

    @property
    def word(self) -> Word:
        """The state as people read it; approved EWS always says when it ends."""
        if self.method is AccessMethod.EWS and self.state is ConsentState.VERIFIED:
            return Word("Approved, ends 1 April 2027", "warn", "check")
        return CONSENT_WORDS[self.state]

    @property
    def missing(self) -> tuple[Permission, ...]:
        """Permissions needed and not granted; empty when nothing was granted at all."""
        if self.consent is None or not self.consent.granted_scopes:
            return ()
        return missing_permissions(self.method, self.consent.granted_scopes)


@dataclass(frozen=True, slots=True)
class TenantRow:
    """One tenant of an organization."""

    tenant: Tenant
    graph: ConsentCell
    ews: ConsentCell

    @property
    def id(self) -> str:
        """Our id of it."""
        return self.tenant.id

    @property
    def name(self) -> str:
        """What the tenant calls itself."""
        return self.tenant.display_name or self.tenant.primary_domain

    @property
    def domain(self) -> str:
        """The domain people know it by."""
        return self.tenant.primary_domain

    @property
    def is_pending(self) -> bool:
        """Whether somebody still has to confirm that it belongs to the organization."""
        return self.tenant.binding is BindingState.PENDING

    @property
    def checked_at(self) -> datetime | None:
        """When we last asked Microsoft."""
        moments = [cell.consent.checked_at for cell in (self.graph, self.ews) if cell.consent is not None]
        return max((moment for moment in moments if moment is not None), default=None)

    @property
    def approved(self) -> Consent | None:
        """The newest consent somebody gave, for *approved by and when*."""
        given = [cell.consent for cell in (self.graph, self.ews) if cell.consent is not None]
        dated = [(consent.verified_at, consent) for consent in given if consent.verified_at is not None]
        return max(dated, key=lambda pair: pair[0])[1] if dated else None


def tenant_rows(tenants: Iterable[Tenant], consents: Iterable[Consent]) -> tuple[TenantRow, ...]:
    """Return one row per tenant, by domain."""
    by_key = {(consent.cloud, consent.tenant_id, consent.method): consent for consent in consents}

    def cell(tenant: Tenant, method: AccessMethod) -> ConsentCell:
        return ConsentCell(method, by_key.get((tenant.cloud, tenant.tenant_id, method)))

    return tuple(
        TenantRow(tenant, cell(tenant, AccessMethod.GRAPH), cell(tenant, AccessMethod.EWS))
        for tenant in sorted(tenants, key=lambda tenant: tenant.primary_domain)
    )
