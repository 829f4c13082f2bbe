"""What a tenant says of itself and of the signed-in person's roles, as connecting apps ask for it."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.ids import stable_guid
from m365_emulator.world.tenants import ROLE_NAMES, Tenant, User

from . import consents
from .access import USER_READ, Permission
from .call import Call, Reply
from .errors import GraphError
from .odata.listing import Listing, page_json, select_page
from .operations import Operations
from .people import USER
from .shapes.fields import Shape

operations = Operations()
operations.rows += consents.operations.rows

USERS_READ = Permission(USER_READ.shared, frozenset(), USER_READ.application)
"""Source: Graph "List users": User.ReadBasic.All is the least that lists."""
DOMAINS_READ = Permission(
    frozenset({"Domain.Read.All", "Directory.Read.All"}),
    frozenset(),
    frozenset({"Domain.Read.All", "Directory.Read.All"}),
)

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

DOMAIN = Shape(
    "microsoft.graph.domain",
    {
        "id": lambda call, name: name,
        "authenticationType": lambda call, name: "Managed",
        "isAdminManaged": lambda call, name: True,
        "isDefault": lambda call, name: name == call.token.tenant.default_domain,
        "isInitial": lambda call, name: False,
        "isRoot": lambda call, name: True,
        "isVerified": lambda call, name: True,
        "supportedServices": lambda call, name: ["Email", "OfficeCommunicationsOnline"],
    },
)

USER_LISTING = Listing(
    "microsoft.graph.user",
    {
        "id": lambda user: user.oid,
        "displayname": lambda user: user.display_name,
        "userprincipalname": lambda user: user.upn,
        "mail": lambda user: user.mail,
        "givenname": lambda user: user.given_name,
        "surname": lambda user: user.surname,
        "usertype": lambda user: user.user_type,
        "accountenabled": lambda user: user.account_enabled,
        "jobtitle": lambda user: user.job_title,
    },
    default_top=100,
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


@operations.get("/organization/{organization}", ORGANIZATION_READ, needs_mailbox=False)
def get_organization(call: Call) -> Reply:
    """Return the token's own tenant by its id."""
    tenant = call.token.tenant
    if call.arguments["organization"].lower() != tenant.id:
        raise _not_in_directory(call.arguments["organization"])
    body = {name: get(call, tenant) for name, get in ORGANIZATION.selection(call)}
    return Reply(json={"@odata.context": f"{call.root}/$metadata#organization/$entity", **body})


@operations.get("/domains", DOMAINS_READ, needs_mailbox=False)
def list_domains(call: Call) -> Reply:
    """List the tenant's domains."""
    fields = DOMAIN.selection(call)
    value = [{name: get(call, domain) for name, get in fields} for domain in call.token.tenant.domains]
    return Reply(json={"@odata.context": f"{call.root}/$metadata#domains", "value": value})


@operations.get("/domains/{domain}", DOMAINS_READ, needs_mailbox=False)
def get_domain(call: Call) -> Reply:
    """Return one domain of the tenant."""
    domain = call.arguments["domain"].lower()
    if domain not in call.token.tenant.domains:
        raise _not_in_directory(domain)
    body = {name: get(call, domain) for name, get in DOMAIN.selection(call)}
    return Reply(json={"@odata.context": f"{call.root}/$metadata#domains/$entity", **body})


@operations.get("/users", USERS_READ, needs_mailbox=False)
def list_users(call: Call) -> Reply:
    """List the people of the tenant, guests too."""
    people = [user for user in call.token.tenant.users if not user.deleted]
    page = select_page(call, USER_LISTING, people)
    fields = USER.selection(call)
    rendered = [{name: get(call, user) for name, get in fields} for user in page.items]
    return Reply(json=page_json(call, page, f"{call.root}/$metadata#users", rendered))


@operations.get("/users/$count", USERS_READ, needs_mailbox=False)
def count_users(call: Call) -> Reply:
    """Return the number of people; advanced queries need the eventual consistency level."""
    if call.headers.get("consistencylevel", "").lower() != "eventual":
        raise GraphError(
            400,
            "Request_BadRequest",
            "$count is not currently supported without the ConsistencyLevel header.",
        )
    number = sum(not user.deleted for user in call.token.tenant.users)
    return Reply(content=str(number).encode(), content_type="text/plain")


def _not_in_directory(name: str) -> GraphError:
    return consents.not_in_directory(name)


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
