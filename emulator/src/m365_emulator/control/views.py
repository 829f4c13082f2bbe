"""What the control API and its pages say about things in the world."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.tenants import ROLE_NAMES, Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def clock(world: World) -> dict[str, Any]:
    """Return the time and how far it is from the machine's."""
    return {
        "now": world.clock.now().isoformat(timespec="milliseconds"),
        "offset_seconds": round(world.clock.offset.total_seconds(), 3),
        "is_frozen": world.clock.is_frozen,
    }


def tenant(item: Tenant) -> dict[str, Any]:
    """Return one tenant with its policies."""
    return {
        "id": item.id,
        "display_name": item.display_name,
        "domains": item.domains,
        "scenario": item.scenario,
        "users": len(item.users),
        "reviewer_oids": item.reviewer_oids,
        "policies": asdict(item.policies),
    }


def user(person: User) -> dict[str, Any]:
    """Return one person."""
    return {
        "oid": person.oid,
        "tenant": person.tenant.default_domain,
        "tenant_id": person.tenant.id,
        "upn": person.upn,
        "display_name": person.display_name,
        "mail": person.mail,
        "proxy_addresses": person.proxy_addresses,
        "roles": [ROLE_NAMES.get(role, role) for role in person.roles],
        "licensed": person.licensed,
        "user_type": person.user_type,
        "mailbox_location": person.mailbox_location,
        "account_enabled": person.account_enabled,
        "ews_enabled": person.ews_enabled,
        "ews_application_access_policy": person.ews_application_access_policy,
        "ews_allow_list": person.ews_allow_list,
        "ews_block_list": person.ews_block_list,
        "frontline_licence": person.frontline_licence,
        "mfa_required": person.mfa_required,
        "deleted": person.deleted,
        "time_zone": person.time_zone,
        "sessions_valid_from": person.sessions_valid_from.isoformat() if person.sessions_valid_from else None,
    }


def app(item: AppRegistration) -> dict[str, Any]:
    """Return one app registration; secrets are only counted."""
    return {
        "app_id": item.app_id,
        "display_name": item.display_name,
        "home_tenant_id": item.home_tenant_id,
        "publisher_name": item.publisher_name,
        "publisher_verified": item.publisher_verified,
        "is_disabled": item.is_disabled,
        "single_use_refresh_tokens": item.single_use_refresh_tokens,
        "is_public_client": item.is_public_client,
        "redirect_uris": [asdict(uri) for uri in item.redirect_uris],
        "delegated": item.delegated,
        "application": item.application,
        "secret_count": len(item.secrets),
        "certificate_count": len(item.certificates),
    }


def grants(item: Tenant) -> dict[str, Any]:
    """Return what was consented to in one tenant."""
    return {
        "service_principals": [asdict(principal) for principal in item.service_principals.values()],
        "oauth2_permission_grants": [
            {
                "id": grant.id,
                "app_id": grant.client_app_id,
                "resource_app_id": grant.resource_app_id,
                "consent_type": grant.consent_type,
                "principal_oid": grant.principal_oid,
                "scope": " ".join(sorted(grant.scopes)),
                "effective_at": grant.effective_at.isoformat(),
            }
            for grant in item.grants
        ],
        "app_role_assignments": [
            {
                "id": assignment.id,
                "app_id": assignment.client_app_id,
                "resource_app_id": assignment.resource_app_id,
                "role": assignment.role,
                "effective_at": assignment.effective_at.isoformat(),
            }
            for assignment in item.app_role_assignments
        ],
    }
