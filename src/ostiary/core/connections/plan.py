"""How one person is sent to Microsoft: method, authority, prompt and hint, from what we know. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from ostiary.core.connections.model import Connection
from ostiary.core.consent.features import Feature, grantable_features
from ostiary.core.consent.model import EWS_ENDS_ON, Consent, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import AccessBlocked, InvalidRequest
from ostiary.core.organizations.model import Member, Organization
from ostiary.core.tenants.model import BindingState, Tenant

ORGANIZATIONS: Final = "organizations"
"""Authority for a person whose tenant is not known: any work or school account (entra-id.md §1.2)."""

SELECT_ACCOUNT: Final = "select_account"
_LONGEST_HINT: Final = 254


class Approval(StrEnum):
    """What we know of the organization's approval before the person tries (UX 6.1)."""

    GIVEN = "given"
    PARTLY = "partly"
    """For one of email and calendar only."""
    MAY_BE_NEEDED = "may_be_needed"
    NOT_GIVEN = "not_given"


@dataclass(frozen=True, slots=True)
class ConnectPlan:
    """How to send this person to Microsoft."""

    method: AccessMethod
    authority: str
    tenant_id: str | None
    """The tenant the person must come back from, when exactly one is possible."""
    approval: Approval
    unapproved: frozenset[Feature] = frozenset()
    """What the tenant's approval is known not to be enough for."""


def plan_connect(
    *,
    organization: Organization,
    member: Member,
    tenants: Sequence[Tenant],
    consents: Sequence[Consent],
    offer_ews: bool,
    today: date,
    reconnects: Connection | None = None,
    prefer: AccessMethod | None = None,
) -> ConnectPlan:
    """Choose for a member of an organization.

    Args:
        reconnects: The connection to renew; it keeps its method and tenant.
        prefer: What the person asked for, as "Use Graph instead" does; an organization's pin outweighs it,
            unless it is a pin on EWS that can be kept no more.

    Raises:
        AccessBlocked: The organization is pinned to EWS, which has ended or is no longer offered.
    """
    bound = tuple(tenant for tenant in tenants if tenant.binding is BindingState.BOUND)
    tenant_id = _tenant_id(organization, member, bound, reconnects)
    approved = _approved_methods(consents, tenant_id, bound)
    ews_is_possible = offer_ews and today < EWS_ENDS_ON
    kept = prefer or (reconnects.method if reconnects is not None else None)
    method = _method(organization, approved, kept, ews_is_possible)
    unapproved: frozenset[Feature] = frozenset()
    if method in approved:
        approval = Approval.GIVEN
    elif usable := _partly_approved(consents, tenant_id, method):
        approval, unapproved = Approval.PARTLY, frozenset(Feature) - usable
    elif tenant_id is not None and any(tenant.tenant_id == tenant_id for tenant in bound):
        approval = Approval.NOT_GIVEN
    else:
        approval = Approval.MAY_BE_NEEDED
    return ConnectPlan(method, tenant_id or ORGANIZATIONS, tenant_id, approval, unapproved)


def prompt_for(*, login_hint: str | None, another_account: bool) -> str | None:
    """Return the ``prompt`` to send: none with a hint, the account picker without one.

    ``consent`` is never sent: after an admin consent it locks ordinary people out (DESIGN §2.2).
    """
    return SELECT_ACCOUNT if another_account or login_hint is None else None


def clean_hint(text: str | None) -> str | None:
    """Return the account name a person typed as a hint for Microsoft's page, or None when it is empty.

    Raises:
        InvalidRequest: It cannot be an account name.
    """
    hint = (text or "").strip()
    if not hint:
        return None
    if len(hint) > _LONGEST_HINT or "@" not in hint or not hint.isprintable() or " " in hint:
        raise InvalidRequest(
            "Enter your work account like name@company.com, or leave it empty.", field="login_hint"
        )
    return hint


def _tenant_id(
    organization: Organization, member: Member, bound: Sequence[Tenant], reconnects: Connection | None
) -> str | None:
    if reconnects is not None:
        return reconnects.tenant_id
    if member.tenant_id is not None and any(tenant.tenant_id == member.tenant_id for tenant in bound):
        return member.tenant_id
    if len(bound) == 1:
        return bound[0].tenant_id
    return None if bound else organization.expected_tenant_id


def _approved_methods(
    consents: Sequence[Consent], tenant_id: str | None, bound: Sequence[Tenant]
) -> frozenset[AccessMethod]:
    """Methods that every tenant the person may come from has approved."""
    possible = {tenant_id} if tenant_id is not None else {tenant.tenant_id for tenant in bound}
    given = {
        (consent.tenant_id, consent.method) for consent in consents if consent.state is ConsentState.VERIFIED
    }
    return frozenset(
        method for method in AccessMethod if possible and all((known, method) in given for known in possible)
    )


def _partly_approved(
    consents: Sequence[Consent], tenant_id: str | None, method: AccessMethod
) -> frozenset[Feature]:
    """What an incomplete approval of the one tenant the person can come from is enough for."""
    for consent in consents:
        if (consent.tenant_id, consent.method, consent.state) == (tenant_id, method, ConsentState.PARTIAL):
            return grantable_features(method, consent.granted_scopes)
    return frozenset()


def _method(
    organization: Organization,
    approved: frozenset[AccessMethod],
    kept: AccessMethod | None,
    ews_is_possible: bool,
) -> AccessMethod:
    if organization.pinned_method is AccessMethod.EWS and not ews_is_possible:
        if kept is AccessMethod.GRAPH:
            # "Connect with Graph" is what is left to do about it.
            return AccessMethod.GRAPH
        raise AccessBlocked("EWS is not offered any more.", reason="ews_ended")
    if organization.pinned_method is not None:
        return organization.pinned_method
    if kept is not None and (kept is AccessMethod.GRAPH or ews_is_possible):
        return kept
    if AccessMethod.EWS in approved and AccessMethod.GRAPH not in approved and ews_is_possible:
        return AccessMethod.EWS
    return AccessMethod.GRAPH
