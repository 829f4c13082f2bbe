"""Service principals and what was granted to them, in Graph's shapes.

Mounted by `directory`. An administrator can do here what the consent pages do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from m365_emulator.world.grants import ConsentRecord, ensure_service_principal, record_consent
from m365_emulator.world.ids import stable_guid
from m365_emulator.world.resources import Permission as PublishedPermission
from m365_emulator.world.resources import Resource
from m365_emulator.world.tenants import AppRoleAssignment, Oauth2PermissionGrant, ServicePrincipal, Tenant

from .access import Permission
from .call import Call, Reply
from .errors import GraphError
from .odata.listing import Listing, page_json, select_page
from .operations import Operations
from .shapes.fields import Shape

operations = Operations()


def _permission(*names: str) -> Permission:
    return Permission(frozenset(names), frozenset(), frozenset(names))


APPLICATION_READ = _permission(
    "Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"
)
APPLICATION_WRITE = _permission("Application.ReadWrite.All", "Directory.ReadWrite.All")
GRANT_READ = _permission(
    "DelegatedPermissionGrant.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
GRANT_WRITE = _permission("DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All")
ROLE_WRITE = _permission("AppRoleAssignment.ReadWrite.All")


@dataclass(frozen=True, slots=True)
class Principal:
    """A service principal of the tenant: a client's, or that of one of Microsoft's APIs."""

    id: str
    app_id: str
    display_name: str
    client: ServicePrincipal | None
    resource: Resource | None


def not_in_directory(name: str) -> GraphError:
    """Return the 404 of the directory."""
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{name[:200]}' does not exist or one of its queried reference-property objects are not present.",
    )


def _bad(text: str) -> GraphError:
    return GraphError(400, "Request_BadRequest", text)


def principal_id(tenant: Tenant, app_id: str) -> str:
    """Return the object id of an app's service principal in a tenant, be it there already or not."""
    known = tenant.service_principals.get(app_id)
    return known.id if known else stable_guid("service-principal", tenant.id, app_id)


def _principals(call: Call) -> list[Principal]:
    tenant = call.token.tenant
    found = [
        Principal(item.id, item.app_id, item.display_name, item, None)
        for item in tenant.service_principals.values()
    ]
    found += [
        Principal(principal_id(tenant, item.app_id), item.app_id, item.display_name, None, item)
        for item in call.world.resources.values()
        if item.app_id not in tenant.service_principals
    ]
    return found


def _find(call: Call) -> Principal:
    wanted = call.arguments.get("principal", "").lower()
    app_id = call.parameters.get("appid", "").lower()
    for principal in _principals(call):
        if (wanted and principal.id == wanted) or (app_id and principal.app_id == app_id):
            return principal
    raise not_in_directory(wanted or app_id)


def _client(call: Call) -> ServicePrincipal:
    principal = _find(call)
    if principal.client is None:
        raise GraphError(
            403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
        )
    return principal.client


def _scope(permission: PublishedPermission) -> dict[str, Any]:
    return {
        "adminConsentDescription": permission.detail,
        "adminConsentDisplayName": permission.title,
        "id": permission.id,
        "isEnabled": True,
        "type": "Admin" if permission.admin_only else "User",
        "userConsentDescription": permission.detail,
        "userConsentDisplayName": permission.title,
        "value": permission.value,
    }


def _role(permission: PublishedPermission) -> dict[str, Any]:
    return {
        "allowedMemberTypes": ["Application"],
        "description": permission.detail,
        "displayName": permission.title,
        "id": permission.id,
        "isEnabled": True,
        "origin": "Application",
        "value": permission.value,
    }


def _registration(call: Call, principal: Principal) -> Any:
    return call.world.apps.get(principal.app_id)


def _publisher(call: Call, principal: Principal) -> dict[str, Any]:
    app = _registration(call, principal)
    if app is None or not app.publisher_verified:
        return {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None}
    return {
        "displayName": app.publisher_name,
        "verifiedPublisherId": str(int(stable_guid("publisher", app.publisher_name)[:6], 16)),
        "addedDateTime": app.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


PRINCIPAL = Shape(
    "microsoft.graph.servicePrincipal",
    {
        "id": lambda call, p: p.id,
        "accountEnabled": lambda call, p: p.client.account_enabled if p.client else True,
        "appDisplayName": lambda call, p: p.display_name,
        "appId": lambda call, p: p.app_id,
        "appOwnerOrganizationId": lambda call, p: getattr(
            _registration(call, p), "home_tenant_id", "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
        ),
        "appRoleAssignmentRequired": lambda call, p: (
            p.client.app_role_assignment_required if p.client else False
        ),
        "appRoles": lambda call, p: (
            [_role(item) for item in p.resource.application.values()] if p.resource else []
        ),
        "displayName": lambda call, p: p.display_name,
        "oauth2PermissionScopes": lambda call, p: (
            [_scope(item) for item in p.resource.delegated.values()] if p.resource else []
        ),
        "replyUrls": lambda call, p: [
            uri.url for uri in getattr(_registration(call, p), "redirect_uris", [])
        ],
        "servicePrincipalNames": lambda call, p: (
            list(p.resource.identifier_uris)
            if p.resource
            else [p.app_id, *getattr(_registration(call, p), "identifier_uris", [])]
        ),
        "servicePrincipalType": lambda call, p: "Application",
        "signInAudience": lambda call, p: getattr(_registration(call, p), "audience", "AzureADMultipleOrgs"),
        "tags": lambda call, p: ["WindowsAzureActiveDirectoryIntegratedApp"] if p.client else [],
        "verifiedPublisher": _publisher,
    },
)
PRINCIPAL_LISTING = Listing(
    "microsoft.graph.servicePrincipal",
    {
        "id": lambda p: p.id,
        "appid": lambda p: p.app_id,
        "displayname": lambda p: p.display_name,
        "accountenabled": lambda p: p.client.account_enabled if p.client else True,
    },
    default_top=100,
)


def _one(call: Call, shape: Shape, context: str, thing: Any, status: int = 200) -> Reply:
    body = {name: get(call, thing) for name, get in shape.selection(call)}
    return Reply(status, {"@odata.context": f"{call.root}/$metadata#{context}/$entity", **body})


def _page(call: Call, listing: Listing, shape: Shape, context: str, things: list[Any]) -> Reply:
    page = select_page(call, listing, things)
    fields = shape.selection(call)
    rendered = [{name: get(call, thing) for name, get in fields} for thing in page.items]
    return Reply(json=page_json(call, page, f"{call.root}/$metadata#{context}", rendered))


@operations.get("/servicePrincipals", APPLICATION_READ, needs_mailbox=False)
def list_principals(call: Call) -> Reply:
    """List service principals, or return the one named by `(appId='…')`."""
    if "appid" in call.parameters:
        return _one(call, PRINCIPAL, "servicePrincipals", _find(call))
    return _page(call, PRINCIPAL_LISTING, PRINCIPAL, "servicePrincipals", _principals(call))


@operations.get("/servicePrincipals/{principal}", APPLICATION_READ, needs_mailbox=False)
def get_principal(call: Call) -> Reply:
    """Return one service principal by object id."""
    return _one(call, PRINCIPAL, "servicePrincipals", _find(call))


@operations.post("/servicePrincipals", APPLICATION_WRITE, needs_mailbox=False)
def create_principal(call: Call) -> Reply:
    """Create the service principal of a registered app: how an administrator prepares approval without our link."""
    app = call.world.apps.get(str(call.json().get("appId", "")).lower())
    if app is None:
        raise _bad("The appId '…' of the service principal does not reference a valid application object.")
    tenant = call.token.tenant
    if app.app_id in tenant.service_principals:
        raise GraphError(
            409, "Request_MultipleObjectsWithSameKeyValue", "The service principal is already in use."
        )
    made = ensure_service_principal(tenant, app, call.world.clock.now())
    return _one(
        call,
        PRINCIPAL,
        "servicePrincipals",
        Principal(made.id, made.app_id, made.display_name, made, None),
        201,
    )


@operations.patch("/servicePrincipals/{principal}", APPLICATION_WRITE, needs_mailbox=False)
def update_principal(call: Call) -> Reply:
    """Switch an app off, or make assignment a condition."""
    client = _client(call)
    body = call.json()
    for name, field in (
        ("accountEnabled", "account_enabled"),
        ("appRoleAssignmentRequired", "app_role_assignment_required"),
    ):
        if name in body:
            if not isinstance(body[name], bool):
                raise _bad(f"Invalid value specified for property '{name}' of resource 'ServicePrincipal'.")
            setattr(client, field, body[name])
    return Reply(204)


@operations.delete("/servicePrincipals/{principal}", APPLICATION_WRITE, needs_mailbox=False)
def delete_principal(call: Call) -> Reply:
    """Delete an enterprise application with everything granted to it."""
    client, tenant = _client(call), call.token.tenant
    del tenant.service_principals[client.app_id]
    tenant.grants = [grant for grant in tenant.grants if grant.client_app_id != client.app_id]
    tenant.app_role_assignments = [
        item for item in tenant.app_role_assignments if item.client_app_id != client.app_id
    ]
    return Reply(204)


# -- delegated permission grants -------------------------------------------------------------------------------------

GRANT = Shape(
    "microsoft.graph.oAuth2PermissionGrant",
    {
        "clientId": lambda call, g: principal_id(call.token.tenant, g.client_app_id),
        "consentType": lambda call, g: g.consent_type,
        "id": lambda call, g: g.id,
        "principalId": lambda call, g: g.principal_oid,
        "resourceId": lambda call, g: principal_id(call.token.tenant, g.resource_app_id),
        "scope": lambda call, g: " ".join(sorted(g.scopes)),
    },
)


def _grant_listing(tenant: Tenant) -> Listing:
    return Listing(
        "microsoft.graph.oAuth2PermissionGrant",
        {
            "id": lambda g: g.id,
            "clientid": lambda g: principal_id(tenant, g.client_app_id),
            "consenttype": lambda g: g.consent_type,
            "principalid": lambda g: g.principal_oid,
            "resourceid": lambda g: principal_id(tenant, g.resource_app_id),
        },
        default_top=100,
    )


def _grants_page(call: Call, grants: list[Oauth2PermissionGrant]) -> Reply:
    return _page(call, _grant_listing(call.token.tenant), GRANT, "oauth2PermissionGrants", grants)


def _grant(call: Call) -> Oauth2PermissionGrant:
    wanted = call.arguments["grant"]
    found = next((grant for grant in call.token.tenant.grants if grant.id == wanted), None)
    if found is None:
        raise not_in_directory(wanted)
    return found


@operations.get("/oauth2PermissionGrants", GRANT_READ, needs_mailbox=False)
def list_grants(call: Call) -> Reply:
    """List delegated permission grants of the tenant."""
    return _grants_page(call, call.token.tenant.grants)


@operations.get("/oauth2PermissionGrants/{grant}", GRANT_READ, needs_mailbox=False)
def get_grant(call: Call) -> Reply:
    """Return one grant."""
    return _one(call, GRANT, "oauth2PermissionGrants", _grant(call))


@operations.get("/servicePrincipals/{principal}/oauth2PermissionGrants", GRANT_READ, needs_mailbox=False)
@operations.get("/servicePrincipals/oauth2PermissionGrants", GRANT_READ, needs_mailbox=False)
def list_grants_of_client(call: Call) -> Reply:
    """List what one client was granted."""
    app_id = _find(call).app_id
    return _grants_page(call, [grant for grant in call.token.tenant.grants if grant.client_app_id == app_id])


@operations.get("/{mailbox}/oauth2PermissionGrants", GRANT_READ, needs_mailbox=False)
def list_grants_of_person(call: Call) -> Reply:
    """List what one person granted for themselves."""
    name = call.user_name
    user = call.world.find_user(name, call.token.tenant) if name else call.token.user
    oid = user.oid if user else ""
    return _grants_page(call, [grant for grant in call.token.tenant.grants if grant.principal_oid == oid])


@operations.post("/oauth2PermissionGrants", GRANT_WRITE, needs_mailbox=False)
def create_grant(call: Call) -> Reply:
    """Grant delegated permissions without a consent page."""
    body, tenant = call.json(), call.token.tenant
    by_id = {principal.id: principal for principal in _principals(call)}
    client, resource = by_id.get(str(body.get("clientId"))), by_id.get(str(body.get("resourceId")))
    consent_type, principal_oid = body.get("consentType"), body.get("principalId")
    if client is None or client.client is None or resource is None:
        raise _bad("One or more properties are invalid: clientId, resourceId.")
    user = call.world.find_user(str(principal_oid), tenant) if principal_oid else None
    if consent_type not in ("AllPrincipals", "Principal") or (consent_type == "Principal") != (
        user is not None
    ):
        raise _bad("One or more properties are invalid: consentType, principalId.")
    scopes = set(str(body.get("scope", "")).split())
    known = (client.app_id, resource.app_id, user.oid if user else None)
    if any((g.client_app_id, g.resource_app_id, g.principal_oid) == known for g in tenant.grants):
        raise GraphError(409, "Request_MultipleObjectsWithSameKeyValue", "Permission entry already exists.")
    made = Oauth2PermissionGrant(
        id=stable_guid("grant", tenant.id, client.app_id, resource.app_id, user.oid if user else ""),
        client_app_id=client.app_id,
        resource_app_id=resource.app_id,
        consent_type=consent_type,
        principal_oid=user.oid if user else None,
        scopes=scopes,
        effective_at=call.world.clock.now(),
    )
    tenant.grants.append(made)
    return _one(call, GRANT, "oauth2PermissionGrants", made, 201)


@operations.patch("/oauth2PermissionGrants/{grant}", GRANT_WRITE, needs_mailbox=False)
def update_grant(call: Call) -> Reply:
    """Replace the permissions of a grant."""
    scope = call.json().get("scope")
    if not isinstance(scope, str):
        raise _bad("Invalid value specified for property 'scope' of resource 'OAuth2PermissionGrant'.")
    _grant(call).scopes = set(scope.split())
    return Reply(204)


@operations.delete("/oauth2PermissionGrants/{grant}", GRANT_WRITE, needs_mailbox=False)
def delete_grant(call: Call) -> Reply:
    """Withdraw a grant; tokens issued before live on until they expire."""
    call.token.tenant.grants.remove(_grant(call))
    return Reply(204)


# -- application permission grants -----------------------------------------------------------------------------------


def _role_id(call: Call, assignment: AppRoleAssignment) -> str:
    resource = call.world.resources.get(assignment.resource_app_id)
    permission = resource.application.get(assignment.role) if resource else None
    return permission.id if permission else "00000000-0000-0000-0000-000000000000"


def _client_name(call: Call, assignment: AppRoleAssignment) -> str | None:
    principal = call.token.tenant.service_principals.get(assignment.client_app_id)
    return principal.display_name if principal else None


ASSIGNMENT = Shape(
    "microsoft.graph.appRoleAssignment",
    {
        "id": lambda call, a: a.id,
        "deletedDateTime": lambda call, a: None,
        "appRoleId": _role_id,
        "createdDateTime": lambda call, a: a.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "principalDisplayName": _client_name,
        "principalId": lambda call, a: principal_id(call.token.tenant, a.client_app_id),
        "principalType": lambda call, a: "ServicePrincipal",
        "resourceDisplayName": lambda call, a: call.world.resources[a.resource_app_id].display_name,
        "resourceId": lambda call, a: principal_id(call.token.tenant, a.resource_app_id),
    },
)
ASSIGNMENT_LISTING = Listing("microsoft.graph.appRoleAssignment", {"id": lambda a: a.id}, default_top=100)


def _assignments_page(call: Call, found: list[AppRoleAssignment]) -> Reply:
    return _page(call, ASSIGNMENT_LISTING, ASSIGNMENT, "appRoleAssignments", found)


@operations.get("/servicePrincipals/{principal}/appRoleAssignments", APPLICATION_READ, needs_mailbox=False)
@operations.get("/servicePrincipals/appRoleAssignments", APPLICATION_READ, needs_mailbox=False)
def list_assignments(call: Call) -> Reply:
    """List the application permissions that a client holds."""
    app_id = _find(call).app_id
    return _assignments_page(
        call, [item for item in call.token.tenant.app_role_assignments if item.client_app_id == app_id]
    )


@operations.get("/servicePrincipals/{principal}/appRoleAssignedTo", APPLICATION_READ, needs_mailbox=False)
@operations.get("/servicePrincipals/appRoleAssignedTo", APPLICATION_READ, needs_mailbox=False)
def list_assigned(call: Call) -> Reply:
    """List who holds application permissions of a resource."""
    app_id = _find(call).app_id
    return _assignments_page(
        call, [item for item in call.token.tenant.app_role_assignments if item.resource_app_id == app_id]
    )


@operations.post("/servicePrincipals/{principal}/appRoleAssignments", ROLE_WRITE, needs_mailbox=False)
def create_assignment(call: Call) -> Reply:
    """Grant one application permission to a client."""
    client, body, tenant = _client(call), call.json(), call.token.tenant
    by_id = {principal.id: principal for principal in _principals(call)}
    resource = by_id.get(str(body.get("resourceId")))
    published = resource.resource.application.values() if resource and resource.resource else ()
    role = next((item for item in published if item.id == body.get("appRoleId")), None)
    if resource is None or role is None or body.get("principalId") != client.id:
        raise _bad("One or more properties are invalid: principalId, resourceId, appRoleId.")
    record = ConsentRecord({}, {resource.app_id: [role.value]})
    held = {item.id for item in tenant.app_role_assignments}
    record_consent(
        tenant,
        call.world.apps[client.app_id],
        record,
        now=call.world.clock.now(),
        for_user=None,
        replaces=False,
    )
    made = [item for item in tenant.app_role_assignments if item.id not in held]
    if not made:
        raise _bad("Permission being assigned already exists on the object.")
    return _one(call, ASSIGNMENT, "appRoleAssignments", made[0], 201)


@operations.delete(
    "/servicePrincipals/{principal}/appRoleAssignments/{assignment}", ROLE_WRITE, needs_mailbox=False
)
def delete_assignment(call: Call) -> Reply:
    """Take an application permission away; tokens are still issued, without it."""
    client, tenant = _client(call), call.token.tenant
    wanted = call.arguments["assignment"]
    kept = [
        item
        for item in tenant.app_role_assignments
        if not (item.id == wanted and item.client_app_id == client.app_id)
    ]
    if len(kept) == len(tenant.app_role_assignments):
        raise not_in_directory(wanted)
    tenant.app_role_assignments = kept
    return Reply(204)
