"""What the evidence of one attempt amounts to. Pure: the network was asked before (SR-12 to SR-18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ostiary.core.consent.model import ConsentAttempt, ConsentState
from ostiary.core.consent.permissions import missing_permissions
from ostiary.core.signin.model import PERSONAL_ACCOUNTS_TENANT_ID, SignedClaims
from ostiary.core.tenants.ports import DirectoryFacts

CONSENTING_ROLES: Final = frozenset(
    {
        "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
        "e8611ab8-c189-46e8-94e1-60213ab1f814",  # Privileged Role Administrator
        "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
        "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
    }
)
"""Role templates that may approve delegated permissions for a whole directory.

Source: learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent (entra-id.md §2.3).
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What our own calls to Microsoft showed. The tokens they were made with are gone."""

    claims: SignedClaims
    granted_scopes: frozenset[str]
    directory: DirectoryFacts | None = None
    """None when Microsoft would not say, or said it of another directory."""
    ews_reachable: bool | None = None

    @property
    def has_consenting_role(self) -> bool:
        """Whether the person may approve apps, as the directory says to their own token (SR-18).

        Where it lists a role without naming it, the signed ``wids`` of the ID token name it. ``wids`` alone,
        with nothing in the directory beside it, never counts.
        """
        if self.directory is None:
            return False
        if self.directory.role_template_ids & CONSENTING_ROLES:
            return True
        return self.directory.has_unnamed_roles and bool(self.claims.role_template_ids & CONSENTING_ROLES)

    @property
    def lacks_consenting_role(self) -> bool:
        """Whether Microsoft listed the person's roles and none of them may approve.

        An empty list is no answer: Microsoft hides roles from tokens that may not read them.
        """
        return (
            self.directory is not None
            and bool(self.directory.role_template_ids)
            and not self.directory.has_unnamed_roles
            and not self.has_consenting_role
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where an attempt goes. ``reason`` is None when nothing stands in the way of binding the directory."""

    state: ConsentState
    reason: str | None = None
    variant: str | None = None

    @property
    def may_bind(self) -> bool:
        """Whether the directory may now be claimed for the organization."""
        return self.state in {ConsentState.VERIFIED, ConsentState.PARTIAL}


def judge(attempt: ConsentAttempt, evidence: Evidence) -> Verdict:
    """Judge one attempt. Says *approved* only where Microsoft's own answers carry it."""
    identity = evidence.claims.identity
    if identity.tenant_id == PERSONAL_ACCOUNTS_TENANT_ID:
        return Verdict(ConsentState.REFUSED, "personal_account")
    for tenant_id in (attempt.expected_tenant_id, attempt.claimed_tenant_id):
        if tenant_id is not None and tenant_id.lower() != identity.tenant_id:
            return Verdict(ConsentState.CONTRADICTED, "wrong_tenant")
    if evidence.claims.is_guest:
        return Verdict(ConsentState.REFUSED, "personal_account", "guest")
    missing = missing_permissions(attempt.method, evidence.granted_scopes)
    if missing and _may_still_come(attempt, evidence):
        return Verdict(ConsentState.VERIFYING, "not_confirmed")
    if evidence.lacks_consenting_role:
        return Verdict(ConsentState.REFUSED, "not_admin")
    if missing:
        return Verdict(ConsentState.PARTIAL, "missing_permission")
    return Verdict(ConsentState.VERIFIED)


def _may_still_come(attempt: ConsentAttempt, evidence: Evidence) -> bool:
    """Whether missing permissions may be on their way: Microsoft takes time to pass an approval on (SR-14).

    A grant arrives as a whole, so a token with none of its permissions is too early, and one with some of them
    was a short grant. Where the redirect itself named none, waiting would be in vain; that is all a hint may do.
    """
    missing = missing_permissions(attempt.method, evidence.granted_scopes)
    if len(missing) < len(missing_permissions(attempt.method, ())):
        return False
    return not attempt.claimed_scopes or missing != missing_permissions(
        attempt.method, attempt.claimed_scopes
    )
