"""Entra's endpoints, out of its routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.routing import Route

from m365_emulator.entra.routes import routes
from m365_emulator.openapi.schemas import TEXT, Schema, choice
from m365_emulator.world.seed import SeedSource
from m365_emulator.world.world import World

_GRANTS = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "password",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:device_code",
    "device_code",
)
_ASSERTION = choice("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "x")
_FLAG = choice("1", "0", "x")


def _texts(names: str, **known: Schema) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), TEXT) | known


_AUTHORIZE = _texts(
    "client_id redirect_uri scope resource state nonce code_challenge login_hint domain_hint claims max_age",
    response_type=choice("code", "id_token", "code id_token", "token", ""),
    response_mode=choice("query", "fragment", "form_post", "x"),
    code_challenge_method=choice("S256", "plain", "x"),
    prompt=choice("none", "login", "consent", "select_account", "create", "admin_consent", "x"),
    client_info=_FLAG,
)
_CONSENT = _texts("client_id redirect_uri scope state")
_TOKEN = _texts(
    "client_id client_secret client_assertion code code_verifier redirect_uri refresh_token scope resource assertion"
    " device_code username password claims",
    grant_type=choice(*_GRANTS, "x"),
    client_assertion_type=_ASSERTION,
    requested_token_use=choice("on_behalf_of", "x"),
    client_info=_FLAG,
)
_PAGE = _texts(
    "flow account address add_tenant password justification",
    decision=choice("next", "back", "approve", "deny", "accept", "cancel", "request", "x"),
    for_organization=_FLAG,
)
_FIELDS: dict[str, dict[str, Schema]] = {
    "authorize": _AUTHORIZE,
    "adminconsent": _CONSENT,
    "token": _TOKEN,
    "devicecode": _texts("client_id scope resource"),
    "logout": _texts("post_logout_redirect_uri state id_token_hint logout_hint"),
    "devicelogin": _texts("user_code"),
    "error": _texts("code"),
    "return-to-app": _texts("flow"),
    "instance": _texts("authorization_endpoint", **{"api-version": choice("1.1", "1.0", "x")}),
    "userinfo": {},
}
"""Fields of a form or query by the last segment of the path; the pages between share one form."""


def paths() -> dict[str, Any]:
    """Return every address of the login host."""
    found: dict[str, Any] = {}
    for route in routes(World(source=SeedSource("empty"))):
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                found.setdefault(route.path, {})[method.lower()] = _operation(
                    method, route.path, route.param_convertors
                )
    return found


def _operation(method: str, path: str, places: Iterable[str]) -> dict[str, Any]:
    fields = _FIELDS.get(path.rpartition("/")[2], _PAGE if method == "POST" else {})
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in places
    ]
    found: dict[str, Any] = {
        "operationId": f"{method.lower()}{path}",
        "tags": ["entra"],
        "parameters": parameters,
        "responses": {
            "default": {"description": "A page, a redirect, JSON, or an error with its AADSTS number."}
        },
    }
    if path == "/oidc/userinfo":
        found["security"] = [{"bearer": []}]
    if method == "GET":
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in fields.items()]
    elif fields:
        form = {"type": "object", "properties": fields}
        found["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": form}}}
    return found
