"""Who has to agree before an app gets in: pure decisions, no pages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from m365_emulator.entra.scopes import ScopeRequest
from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.grants import granted_scopes
from m365_emulator.world.resources import GRAPH, LOW_IMPACT, MANAGED_POLICY_BLOCKS, OIDC_SCOPES
from m365_emulator.world.tenants import (
    APPLICATION_ADMINISTRATOR,
    CLOUD_APPLICATION_ADMINISTRATOR,
    GLOBAL_ADMINISTRATOR,
    PRIVILEGED_ROLE_ADMINISTRATOR,
    Tenant,
    User,
)

if TYPE_CHECKING:
    from m365_emulator.world.world import World

FULL_CONSENT_ROLES = frozenset({GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR})
"""May consent to everything for the tenant, and see the organization tick box."""
APPLICATION_ROLES = frozenset({CLOUD_APPLICATION_ADMINISTRATOR, APPLICATION_ADMINISTRATOR})
"""May consent to everything but application permissions of Graph; see no tick box."""


class Ask(StrEnum):
    """What has to be shown before the app gets in."""

    NOTHING = "nothing"
    PERSON = "person"
    """"Permissions requested": the person decides for themselves."""
    PERSON_OR_ORGANIZATION = "person_or_organization"
    """The same with the organization tick box."""
    ORGANIZATION = "organization"
    """"Review for your organization"."""
    ADMIN_APPROVAL = "admin_approval"
    """"Need admin approval", or the request form when the workflow is on."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """Permissions by resource application id."""

    delegated: dict[str, list[str]]
    application: dict[str, list[str]]

    def without_basics(self) -> set[str]:
        """Return the delegated names beyond basic sign-in."""
        return {name for names in self.delegated.values() for name in names} - LOW_IMPACT


@dataclass(frozen=True, slots=True)
class ConsentDecision:
    """What to ask, for which permissions."""

    ask: Ask
    permissions: Permissions
    is_risky: bool = False
    """The publisher is not verified and more than basic sign-in is wanted."""
    code: int = 0
    """AADSTS number behind ADMIN_APPROVAL."""


def roles_of(tenant: Tenant, user: User) -> frozenset[str]:
    """Return the activated directory roles of a person."""
    return frozenset() if tenant.policies.roles_inactive else frozenset(user.roles)


def may_consent_for_tenant(tenant: Tenant, user: User, permissions: Permissions) -> bool:
    """Say whether the person's roles allow tenant-wide consent to all of these.

    Source: learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent
    """
    roles = roles_of(tenant, user)
    if roles & FULL_CONSENT_ROLES:
        return True
    return bool(roles & APPLICATION_ROLES) and not permissions.application.get(GRAPH)


def wanted_delegated(app: AppRegistration, scopes: ScopeRequest) -> Permissions:
    """Return the delegated permissions that an ordinary sign-in asks for."""
    wanted: dict[str, list[str]] = {}
    for asked in scopes.resources:
        static = app.delegated.get(asked.resource.app_id, [])
        wanted[asked.resource.app_id] = list(static if asked.is_default else asked.names)
    if scopes.oidc:
        graph = wanted.setdefault(GRAPH, [])
        graph += [name for name in OIDC_SCOPES if name in scopes.oidc and name not in graph]
    return Permissions(wanted, {})


def wanted_for_tenant(app: AppRegistration, scopes: ScopeRequest | None) -> Permissions:
    """Return what an admin consent request asks for.

    Args:
        scopes: None (version 1) and `.default` both mean the whole static list.

    Source: learn.microsoft.com/entra/identity-platform/v2-admin-consent
    """
    if scopes is None or any(asked.is_default for asked in scopes.resources):
        delegated = {resource: list(names) for resource, names in app.delegated.items()}
        return Permissions(delegated, {resource: list(names) for resource, names in app.application.items()})
    return wanted_delegated(app, scopes)


def is_risky(tenant: Tenant, app: AppRegistration, permissions: Permissions) -> bool:
    """Say whether Microsoft would warn: an unverified publisher of another tenant wants more than basic sign-in.

    Source: learn.microsoft.com/entra/identity/enterprise-apps/configure-risk-based-step-up-consent
    """
    verified = app.publisher_verified and not tenant.policies.publisher_unverified
    return (
        tenant.policies.risky_app_step_up
        and not verified
        and app.home_tenant_id != tenant.id
        and bool(permissions.without_basics() or permissions.application)
    )


def missing_permissions(
    tenant: Tenant, user: User, app: AppRegistration, scopes: ScopeRequest
) -> Permissions:
    """Return what is asked for and not yet granted to the person.

    `.default` is content with anything granted for its resource, even an old, smaller set.
    """
    granted = granted_scopes(tenant, app.app_id, user)
    withheld = set(tenant.policies.withheld_scopes) if granted else set[str]()
    missing: dict[str, list[str]] = {}
    for asked in scopes.resources:
        resource_id = asked.resource.app_id
        held = granted.get(resource_id, set())
        if asked.is_default:
            if not held:
                missing[resource_id] = list(app.delegated.get(resource_id, []))
            continue
        lacking = [name for name in asked.names if name not in held and name not in withheld]
        if lacking:
            missing[resource_id] = lacking
    oidc = [name for name in OIDC_SCOPES if name in scopes.oidc and name not in granted.get(GRAPH, set())]
    if oidc:
        missing.setdefault(GRAPH, []).extend(oidc)
    return Permissions(missing, {})


def _person_may_consent(world: World, tenant: Tenant, app: AppRegistration, wanted: Permissions) -> bool:
    names = [(resource, name) for resource, scopes in wanted.delegated.items() for name in scopes]
    for resource_id, name in names:
        resource = world.resources.get(resource_id)
        permission = resource.find_delegated(name) if resource else None
        if permission is not None and permission.admin_only:
            return False
    policy = tenant.policies.user_consent
    if policy == "blocked":
        return False
    if policy == "managed":
        return not any(name in MANAGED_POLICY_BLOCKS.get(resource, ()) for resource, name in names)
    if policy == "verified":
        trusted = app.publisher_verified and not tenant.policies.publisher_unverified
        return (trusted or app.home_tenant_id == tenant.id) and not wanted.without_basics()
    return True


def decide(
    world: World, tenant: Tenant, user: User, app: AppRegistration, scopes: ScopeRequest, *, forced: bool
) -> ConsentDecision:
    """Decide what an ordinary sign-in has to show.

    Args:
        forced: `prompt=consent` was sent: ask even for what is granted.
    """
    missing = missing_permissions(tenant, user, app, scopes)
    if not missing.delegated and not forced:
        return ConsentDecision(Ask.NOTHING, missing)
    wanted = wanted_delegated(app, scopes) if forced else missing
    shown = wanted_delegated(app, scopes)
    risky = is_risky(tenant, app, wanted)
    roles = roles_of(tenant, user)
    if roles & FULL_CONSENT_ROLES:
        return ConsentDecision(Ask.PERSON_OR_ORGANIZATION, shown, risky, 900981 if risky else 0)
    if may_consent_for_tenant(tenant, user, wanted):
        return ConsentDecision(Ask.PERSON, shown, risky, 900981 if risky else 0)
    if risky:
        code = 900981 if tenant.policies.admin_consent_workflow else 900941
        return ConsentDecision(Ask.ADMIN_APPROVAL, shown, True, code)
    needs_assignment = assignment_required(tenant, app)
    if not needs_assignment and _person_may_consent(world, tenant, app, wanted):
        return ConsentDecision(Ask.PERSON, shown)
    return ConsentDecision(
        Ask.ADMIN_APPROVAL, shown, code=90095 if tenant.policies.admin_consent_workflow else 90094
    )


def decide_for_tenant(
    tenant: Tenant, user: User, app: AppRegistration, scopes: ScopeRequest | None
) -> ConsentDecision:
    """Decide what an admin consent request has to show."""
    wanted = wanted_for_tenant(app, scopes)
    risky = is_risky(tenant, app, wanted)
    if may_consent_for_tenant(tenant, user, wanted):
        return ConsentDecision(Ask.ORGANIZATION, wanted, risky, 900981 if risky else 0)
    code = 90095 if tenant.policies.admin_consent_workflow else 90094
    if risky:
        code = 900981 if tenant.policies.admin_consent_workflow else 900941
    return ConsentDecision(Ask.ADMIN_APPROVAL, wanted, risky, code)


def assignment_required(tenant: Tenant, app: AppRegistration) -> bool:
    """Say whether only assigned people may use the app."""
    principal = tenant.service_principals.get(app.app_id)
    return tenant.policies.assignment_required or bool(principal and principal.app_role_assignment_required)


def is_assigned(tenant: Tenant, user: User, app: AppRegistration) -> bool:
    """Say whether the person may use the app: assigned, or nobody has to be; Global Administrators always may."""
    if not assignment_required(tenant, app) or GLOBAL_ADMINISTRATOR in roles_of(tenant, user):
        return True
    principal = tenant.service_principals.get(app.app_id)
    return bool(principal and user.oid in principal.assigned_oids)
