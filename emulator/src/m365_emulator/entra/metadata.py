"""Discovery documents: OpenID metadata, keys, instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.entra.answers import METADATA_HEADERS, base_url, error_answer, json_answer
from m365_emulator.entra.authority import MSA_TENANT_ID, Authority, resolve_authority
from m365_emulator.entra.errors import EntraError

if TYPE_CHECKING:
    from m365_emulator.world.world import World

GLOBAL_HOSTS = ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net")
_CLAIMS = [
    "sub",
    "iss",
    "cloud_instance_name",
    "cloud_instance_host_name",
    "cloud_graph_host_name",
    "msgraph_host",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "nonce",
    "preferred_username",
    "name",
    "tid",
    "ver",
    "at_hash",
    "c_hash",
    "email",
]


def issuer(authority: Authority, base: str) -> str:
    """Return the version 2 issuer; for many tenants a template with `{tenantid}` in braces."""
    if authority.tenant is not None:
        return f"{base}/{authority.tenant.id}/v2.0"
    if authority.segment == "consumers":
        return f"{base}/{MSA_TENANT_ID}/v2.0"
    return f"{base}/{{tenantid}}/v2.0"


def _authority(world: World, request: Request) -> Authority:
    try:
        return resolve_authority(world, request.path_params["tenant"])
    except EntraError as error:
        error.error = "invalid_tenant"
        raise


async def openid_configuration(world: World, request: Request) -> Response:
    """`GET /{tenant}/v2.0/.well-known/openid-configuration`.

    Source: recorded documents; PKCE is deliberately not advertised, as at Microsoft.
    """
    try:
        authority = _authority(world, request)
    except EntraError as error:
        return error_answer(world, request, error)
    base = base_url(request)
    root = f"{base}/{authority.path}"
    host = urlsplit(base).hostname or ""
    is_real_name = host in GLOBAL_HOSTS
    document: dict[str, Any] = {
        "token_endpoint": f"{root}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": [
            "client_secret_post",
            "private_key_jwt",
            "client_secret_basic",
        ],
        "jwks_uri": f"{root}/discovery/v2.0/keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer(authority, base),
        "request_uri_parameter_supported": False,
        "userinfo_endpoint": f"{'https://graph.microsoft.com' if is_real_name else base}/oidc/userinfo",
        "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
        "http_logout_supported": True,
        "frontchannel_logout_supported": True,
        "end_session_endpoint": f"{root}/oauth2/v2.0/logout",
        "claims_supported": _CLAIMS,
        "kerberos_endpoint": f"{root}/kerberos",
        "tenant_region_scope": authority.tenant.region if authority.tenant else None,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    }
    return json_answer(document, headers=METADATA_HEADERS)


async def openid_configuration_v1(world: World, request: Request) -> Response:
    """`GET /{tenant}/.well-known/openid-configuration`."""
    try:
        authority = _authority(world, request)
    except EntraError as error:
        return error_answer(world, request, error)
    base = base_url(request)
    root = f"{base}/{authority.path}"
    tenant_id = authority.tenant.id if authority.tenant else "{tenantid}"
    document: dict[str, Any] = {
        "token_endpoint": f"{root}/oauth2/token",
        "token_endpoint_auth_methods_supported": [
            "client_secret_post",
            "private_key_jwt",
            "client_secret_basic",
        ],
        "jwks_uri": f"{base}/common/discovery/keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "token id_token", "token"],
        "scopes_supported": ["openid"],
        "issuer": f"https://sts.windows.net/{tenant_id}/",
        "authorization_endpoint": f"{root}/oauth2/authorize",
        "device_authorization_endpoint": f"{root}/oauth2/devicecode",
        "http_logout_supported": True,
        "frontchannel_logout_supported": True,
        "end_session_endpoint": f"{root}/oauth2/logout",
        "claims_supported": _CLAIMS,
        "tenant_region_scope": authority.tenant.region if authority.tenant else None,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    }
    return json_answer(document, headers=METADATA_HEADERS)


async def keys(world: World, request: Request) -> Response:
    """`GET /{tenant}/discovery/v2.0/keys`: every published key with the issuers it may sign for."""
    try:
        authority = _authority(world, request)
    except EntraError as error:
        return error_answer(world, request, error)
    signs_for = issuer(authority, base_url(request))
    published = [{**key.as_jwk(), "issuer": signs_for} for key in world.keyring.keys]
    return json_answer({"keys": published}, headers=METADATA_HEADERS)


async def instances(world: World, request: Request) -> Response:
    """`GET /common/discovery/instance`: which hosts are one authority, our own included."""
    base = base_url(request)
    own = urlsplit(base).netloc
    asked = request.query_params.get("authorization_endpoint", "")
    try:
        parts = urlsplit(asked)
        parts.hostname  # noqa: B018 - a malformed host raises here
    except ValueError:
        return error_answer(world, request, EntraError(50049))
    if asked and parts.netloc not in (*GLOBAL_HOSTS, own) and parts.hostname != urlsplit(base).hostname:
        return error_answer(world, request, EntraError(50049))
    segment = (parts.path.strip("/").split("/")[0] if asked else "") or "common"
    host = f"{parts.scheme}://{parts.netloc}" if asked and parts.netloc in GLOBAL_HOSTS else base
    metadata: list[dict[str, Any]] = [
        {
            "preferred_network": GLOBAL_HOSTS[0],
            "preferred_cache": GLOBAL_HOSTS[1],
            "aliases": list(GLOBAL_HOSTS),
        },
        {
            "preferred_network": "login.partner.microsoftonline.cn",
            "preferred_cache": "login.partner.microsoftonline.cn",
            "aliases": ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        },
        {
            "preferred_network": "login.microsoftonline.us",
            "preferred_cache": "login.microsoftonline.us",
            "aliases": ["login.microsoftonline.us", "login.usgovcloudapi.net"],
        },
    ]
    if own not in GLOBAL_HOSTS:
        metadata.append({"preferred_network": own, "preferred_cache": own, "aliases": [own]})
    document: dict[str, Any] = {
        "tenant_discovery_endpoint": f"{host}/{segment}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": metadata,
    }
    return json_answer(document, headers=METADATA_HEADERS)


async def user_realm(world: World, request: Request) -> Response:
    """`GET /common/userrealm/{user}`: every emulated domain is managed in the cloud."""
    domain = request.path_params["user"].rpartition("@")[2]
    known = world.find_tenant(domain) is not None
    document: dict[str, Any] = {
        "ver": "1.0",
        "account_type": "Managed" if known else "Unknown",
        "domain_name": domain[:253],
        "cloud_instance_name": "microsoftonline.com",
        "cloud_audience_urn": "urn:federation:MicrosoftOnline",
    }
    return json_answer(document)
