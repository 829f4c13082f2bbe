"""Who has granted what to whom: reading and recording consent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.ids import stable_guid
from m365_emulator.world.resources import GRAPH
from m365_emulator.world.tenants import (
    AppRoleAssignment,
    Oauth2PermissionGrant,
    ServicePrincipal,
    Tenant,
    User,
)

IMPLIED_BY_USER_READ = frozenset({"openid", "profile", "email"})
"""A person who may be read may also be signed in; nobody is asked again for these."""

INCLUDED_IN_FIRST_CONSENT = ("openid", "profile", "email", "offline_access", "User.Read")
"""Added by Microsoft to any consent. Source: permissions and consent overview."""


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """What one act of consent granted."""

    delegated: dict[str, list[str]]
    application: dict[str, list[str]]


def ensure_service_principal(tenant: Tenant, app: AppRegistration, now: datetime) -> ServicePrincipal:
    """Return the app's service principal in the tenant, creating it on first consent."""
    found = tenant.service_principals.get(app.app_id)
    if found is None:
        found = ServicePrincipal(
            id=stable_guid("service-principal", tenant.id, app.app_id),
            app_id=app.app_id,
            display_name=app.display_name,
            created_at=now,
        )
        tenant.service_principals[app.app_id] = found
    return found


def granted_scopes(
    tenant: Tenant, app_id: str, user: User | None, *, at: datetime | None = None
) -> dict[str, set[str]]:
    """Return delegated permissions by resource, for one person.

    Args:
        user: None asks only for what holds for everybody.
        at: Leaves out grants that have not spread by then; None counts all.
    """
    found: dict[str, set[str]] = {}
    for grant in tenant.grants:
        if grant.client_app_id != app_id or (at is not None and grant.effective_at > at):
            continue
        if grant.consent_type == "AllPrincipals" or (user and grant.principal_oid == user.oid):
            found.setdefault(grant.resource_app_id, set()).update(grant.scopes)
    graph = found.get(GRAPH, set())
    if "User.Read" in graph or "openid" in graph:
        graph |= IMPLIED_BY_USER_READ
    return found


def granted_roles(tenant: Tenant, app_id: str, resource_app_id: str, *, at: datetime) -> list[str]:
    """Return the application permissions that the app holds for one resource."""
    return sorted(
        assignment.role
        for assignment in tenant.app_role_assignments
        if assignment.client_app_id == app_id
        and assignment.resource_app_id == resource_app_id
        and assignment.effective_at <= at
    )


def record_consent(
    tenant: Tenant,
    app: AppRegistration,
    record: ConsentRecord,
    *,
    now: datetime,
    for_user: User | None,
    replaces: bool,
) -> None:
    """Write grants and create the service principal.

    Args:
        for_user: None grants for everybody in the tenant.
        replaces: Tenant-wide permissions that are not in `record` are dropped,
            as Microsoft warns for repeated admin consent.
    """
    ensure_service_principal(tenant, app, now)
    effective_at = now + timedelta(seconds=tenant.policies.consent_propagation_seconds)
    withheld = set(tenant.policies.withheld_scopes)
    delegated = {
        resource: {scope for scope in scopes if scope not in withheld}
        for resource, scopes in record.delegated.items()
    }
    if delegated:
        delegated.setdefault(GRAPH, set()).update(INCLUDED_IN_FIRST_CONSENT)
    if replaces:
        _drop_missing(tenant, app.app_id, delegated)
    for resource_id, scopes in delegated.items():
        _grant_delegated(tenant, app.app_id, resource_id, scopes, for_user, effective_at)
    for resource_id, roles in record.application.items():
        for role in roles:
            _grant_role(tenant, app.app_id, resource_id, role, now, effective_at)


def _drop_missing(tenant: Tenant, app_id: str, wanted: dict[str, set[str]]) -> None:
    for grant in list(tenant.grants):
        if grant.client_app_id != app_id or grant.consent_type != "AllPrincipals":
            continue
        grant.scopes &= wanted.get(grant.resource_app_id, set())
        if not grant.scopes:
            tenant.grants.remove(grant)


def _grant_delegated(
    tenant: Tenant,
    app_id: str,
    resource_id: str,
    scopes: set[str],
    user: User | None,
    effective_at: datetime,
) -> None:
    if not scopes:
        return
    principal = user.oid if user else None
    for grant in tenant.grants:
        if (grant.client_app_id, grant.resource_app_id, grant.principal_oid) == (
            app_id,
            resource_id,
            principal,
        ):
            if scopes - grant.scopes:
                grant.effective_at = max(grant.effective_at, effective_at)
            grant.scopes |= scopes
            return
    tenant.grants.append(
        Oauth2PermissionGrant(
            id=stable_guid("grant", tenant.id, app_id, resource_id, principal or ""),
            client_app_id=app_id,
            resource_app_id=resource_id,
            consent_type="Principal" if user else "AllPrincipals",
            principal_oid=principal,
            scopes=set(scopes),
            effective_at=effective_at,
        )
    )


def _grant_role(
    tenant: Tenant, app_id: str, resource_id: str, role: str, now: datetime, effective_at: datetime
) -> None:
    for assignment in tenant.app_role_assignments:
        if (assignment.client_app_id, assignment.resource_app_id, assignment.role) == (
            app_id,
            resource_id,
            role,
        ):
            return
    tenant.app_role_assignments.append(
        AppRoleAssignment(
            id=stable_guid("role", tenant.id, app_id, resource_id, role),
            client_app_id=app_id,
            resource_app_id=resource_id,
            role=role,
            created_at=now,
            effective_at=effective_at,
        )
    )


def remove_grants(tenant: Tenant, app_id: str | None = None) -> int:
    """Withdraw every delegated and application permission (of one app, or of all apps)."""

    def _goes(client: str) -> bool:
        return app_id is None or client == app_id

    before = len(tenant.grants) + len(tenant.app_role_assignments)
    tenant.grants = [grant for grant in tenant.grants if not _goes(grant.client_app_id)]
    tenant.app_role_assignments = [
        assignment for assignment in tenant.app_role_assignments if not _goes(assignment.client_app_id)
    ]
    return before - len(tenant.grants) - len(tenant.app_role_assignments)
