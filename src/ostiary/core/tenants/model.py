"""Tenants and how far each is known to belong to an organization."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

_EVERYBODYS: Final = (".onmicrosoft.com", ".onmicrosoft.us", ".partner.onmschina.cn")
"""Each directory gets one of these for nothing, so they prove nothing (SR-16)."""


class BindingState(StrEnum):
    """How sure we are that the tenant belongs to the organization."""

    PENDING = "pending"
    """Somebody signed in from it; the organization admin or the vendor has to confirm (``tenant_pending``)."""
    BOUND = "bound"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One Microsoft Entra directory. The key is (cloud, tenant id), never a domain."""

    id: str
    cloud: str
    tenant_id: str
    organization_id: str
    binding: BindingState
    bound_how: str
    """``expected_tenant``, ``verified_domain``, ``confirmed_by_admin`` or empty while pending."""
    display_name: str
    domains: tuple[str, ...]
    created_at: datetime
    bound_at: datetime | None = None

    @property
    def primary_domain(self) -> str:
        """The domain people recognise it by, or the tenant id when none is known."""
        return self.domains[0] if self.domains else self.tenant_id


class ClaimOutcome(StrEnum):
    """What became of an organization's claim to a directory."""

    BOUND = "bound"
    PENDING = "pending"
    TAKEN = "taken"
    """Another organization holds it. Whose is never said (SR-17)."""


def binding_evidence(
    *,
    tenant_id: str,
    verified_domains: Iterable[str],
    expected_tenant_ids: Iterable[str | None],
    allowed_domains: Iterable[str],
) -> str | None:
    """Return what proves that the directory belongs to the organization, or None when nothing does (SR-16)."""
    if tenant_id in {expected.lower() for expected in expected_tenant_ids if expected}:
        return "expected_tenant"
    wanted = {a_label(domain) for domain in allowed_domains} - {None}
    proven = {a_label(domain) for domain in verified_domains if not domain.lower().endswith(_EVERYBODYS)}
    return "verified_domain" if wanted & proven else None


def a_label(domain: str) -> str | None:
    """Return a domain as DNS writes it: lower case, international letters as ``xn--``; None when it is none."""
    try:
        return domain.strip().rstrip(".").encode("idna").decode("ascii").lower() or None
    except UnicodeError:
        return None
