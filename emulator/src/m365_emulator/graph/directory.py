"""What a tenant says of itself and of the signed-in person's roles, as connecting apps ask for it."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.ids import stable_guid
from m365_emulator.world.tenants import ROLE_NAMES, Tenant, User

from .access import USER_READ, Permission
from .call import Call, Reply
from .operations import Operations
from .shapes.fields import Shape

operations = Operations()

ORGANIZATION_READ = Permission(
    frozenset({"User.Read", "Organization.Read.All", "Directory.Read.All", "User.Read.All"}),
    frozenset(),
    frozenset({"Organization.Read.All", "Directory.Read.All"}),
)
"""Source: Graph "List organization", permissions: User.Read suffices for id, name and verified domains."""


def _verified_domains(call: Call, tenant: Tenant) -> list[dict[str, Any]]:
    initial = f"{tenant.domains[0].partition('.')[0].replace('-', '')}.onmicrosoft.com"
    names = [*tenant.domains, initial]
    return [
        {
            "capabilities": "Email, OfficeCommunicationsOnline",
            "isDefault": name == tenant.default_domain,
            "isInitial": name == initial,
            "name": name,
            "type": "Managed",
        }
        for name in names
    ]


ORGANIZATION = Shape(
    "microsoft.graph.organization",
    {
        "id": lambda call, tenant: tenant.id,
        "displayName": lambda call, tenant: tenant.display_name,
        "countryLetterCode": lambda call, tenant: tenant.country,
        "tenantType": lambda call, tenant: "AAD",
        "verifiedDomains": _verified_domains,
    },
)

DIRECTORY_ROLE = Shape(
    "microsoft.graph.directoryRole",
    {
        "id": lambda call, role: stable_guid("directory-role", call.token.tenant.id, role),
        "displayName": lambda call, role: ROLE_NAMES.get(role, "Custom role"),
        "description": lambda call, role: None,
        "roleTemplateId": lambda call, role: role,
    },
)


@operations.get("/organization", ORGANIZATION_READ, needs_mailbox=False)
def list_organizations(call: Call) -> Reply:
    """Return the token's own tenant, the only one there is to see."""
    tenant = call.token.tenant
    body = {name: get(call, tenant) for name, get in ORGANIZATION.selection(call)}
    return Reply(json={"@odata.context": f"{call.root}/$metadata#organization", "value": [body]})


@operations.get("/{mailbox}/memberOf", USER_READ, needs_mailbox=False)
def list_memberships(call: Call) -> Reply:
    """Return the active directory roles of the person, each with its type."""
    return _roles(call, "#microsoft.graph.directoryRole")


# Paths reach the table without the "microsoft.graph." in front of a type or function.
@operations.get("/{mailbox}/memberOf/directoryRole", USER_READ, needs_mailbox=False)
def list_roles(call: Call) -> Reply:
    """Return the active directory roles of the person.

    Source: Graph "List a user's direct memberships", cast to directoryRole; roles that are only eligible are not listed.
    """
    return _roles(call, None)


def _roles(call: Call, type_name: str | None) -> Reply:
    user = call.token.user
    held = _active_roles(user) if user is not None else []
    kind = {"@odata.type": type_name} if type_name else {}
    value = [kind | {name: get(call, role) for name, get in DIRECTORY_ROLE.selection(call)} for role in held]
    return Reply(json={"@odata.context": f"{call.root}/$metadata#directoryObjects", "value": value})


def _active_roles(user: User) -> list[str]:
    return [] if user.tenant.policies.roles_inactive else list(user.roles)
