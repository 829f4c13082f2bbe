"""Read an authorization or admin consent request, and answer it by redirect."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode, urlsplit

from starlette.responses import RedirectResponse, Response

from m365_emulator.entra.answers import described
from m365_emulator.entra.authority import Authority, resolve_authority
from m365_emulator.entra.clients import find_app
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.grant_types.call import declares_cp1
from m365_emulator.entra.scopes import ScopeRequest, parse_scopes
from m365_emulator.web import render
from m365_emulator.world.apps import AppRegistration

if TYPE_CHECKING:
    from m365_emulator.world.world import World

Kind = Literal["authorize", "authorize_v1", "adminconsent", "adminconsent_v1", "device"]
MAX_QUERY_CHARACTERS = 12_000
RESPONSE_TYPES = ("code", "id_token", "code id_token")
PROMPTS = ("login", "none", "consent", "select_account", "create")
TENANT_ADMIN_KINDS = ("adminconsent", "adminconsent_v1")


class Stopped(Exception):
    """The request fails on our own page and the browser never returns to the app."""

    def __init__(self, error: EntraError, *, offers_other_account: bool = False) -> None:
        super().__init__(error.text)
        self.error = error
        self.offers_other_account = offers_other_account


class Refused(Exception):
    """The request fails and the browser is sent back to the app with the error."""

    def __init__(self, error: EntraError, *, subcode: str | None = None) -> None:
        super().__init__(error.text)
        self.error = error
        self.subcode = subcode


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request whose client and reply address are known to be good."""

    kind: Kind
    authority: Authority
    app: AppRegistration
    redirect_uri: str
    platform: str
    params: dict[str, str] = field(repr=False)
    base_url: str

    @property
    def is_for_tenant(self) -> bool:
        """True for the admin consent endpoints."""
        return self.kind in TENANT_ADMIN_KINDS

    @property
    def state(self) -> str | None:
        """The client's state, to be echoed."""
        return self.params.get("state")

    @property
    def prompt(self) -> str:
        """The prompt, or an empty text."""
        return self.params.get("prompt", "")

    @property
    def response_type(self) -> str:
        """Sorted words of the response type."""
        return " ".join(sorted(self.params.get("response_type", "").split()))

    @property
    def response_mode(self) -> str:
        """How the answer travels."""
        default = "fragment" if "id_token" in self.response_type else "query"
        mode = self.params.get("response_mode", "")
        return mode if mode in ("query", "fragment", "form_post") else default


def parse_request(
    world: World, kind: Kind, segment: str, params: dict[str, str], base_url: str
) -> AuthorizationRequest:
    """Check what must be right before anything may be sent to the reply address.

    Raises:
        Stopped: Unknown tenant or client, or a reply address that is not registered.
    """
    if sum(len(name) + len(value) for name, value in params.items()) > MAX_QUERY_CHARACTERS:
        raise Stopped(EntraError(90015))
    try:
        authority = resolve_authority(world, segment)
        client_id = params.get("client_id", "")
        if not client_id:
            raise EntraError(900144, "Parameter: 'client_id'.")
        app = find_app(world, client_id, segment)
        if kind == "device":
            redirect_uri, platform = "", "public"
        else:
            redirect_uri, platform = _reply_address(app, params.get("redirect_uri", ""))
    except EntraError as error:
        raise Stopped(error) from None
    if authority.segment == "consumers" and app.audience != "AzureADandPersonalMicrosoftAccount":
        raise Stopped(EntraError(9002332, f"Application: '{app.display_name}'."))
    if app.audience == "AzureADMyOrg":
        if authority.tenant is None:
            raise Stopped(EntraError(50194, f"Application: '{app.display_name}'."))
        if authority.tenant.id != app.home_tenant_id:
            raise Stopped(EntraError(700016, f"Application '{app.app_id}', directory '{segment[:120]}'."))
    return AuthorizationRequest(kind, authority, app, redirect_uri, platform, params, base_url)


def _reply_address(app: AppRegistration, asked: str) -> tuple[str, str]:
    if not app.redirect_uris:
        raise EntraError(500113)
    if not asked:
        return app.redirect_uris[0].url, app.redirect_uris[0].platform
    registered = app.find_redirect_uri(asked)
    if registered is None:
        raise EntraError(50011, f"Redirect URI '{asked[:256]}', application '{app.app_id}'.")
    return asked, registered.platform


def check_protocol(world: World, request: AuthorizationRequest) -> ScopeRequest | None:
    """Check the rest of the request; failures go back to the app.

    Returns:
        The scopes; None for version 1 admin consent, which has none.

    Raises:
        Refused: Something about response type, scope, prompt, PKCE or claims is wrong.
    """
    params = request.params
    try:
        if request.kind == "adminconsent_v1":
            return None
        if request.kind == "adminconsent":
            if request.authority.segment == "common":
                raise EntraError(90023, "Use the tenant's id or 'organizations' instead of 'common'.")
            if not params.get("scope", "").strip():
                raise EntraError(900144, "Parameter: 'scope'.")
            return parse_scopes(world, params["scope"])
        if request.kind == "authorize":
            _check_authorize(request)
        declares_cp1(params.get("claims"))
        return parse_scopes(world, _scope_text(request))
    except EntraError as error:
        raise Refused(error) from None


def _scope_text(request: AuthorizationRequest) -> str:
    scope = request.params.get("scope", "")
    if request.kind == "authorize_v1" and request.params.get("resource"):
        scope = f"openid profile offline_access {request.params['resource'].rstrip('/')}/.default"
    if not scope.strip():
        if request.kind == "authorize_v1":
            return "openid profile"
        raise EntraError(900144, "Parameter: 'scope'.")
    return scope


def _check_authorize(request: AuthorizationRequest) -> None:
    params = request.params
    if not params.get("response_type"):
        raise EntraError(900144, "Parameter: 'response_type'.")
    if request.response_type not in RESPONSE_TYPES:
        raise EntraError(70005, f"Response type: '{params['response_type'][:64]}'.")
    if "id_token" in request.response_type:
        if not request.app.implicit_id_token:
            raise EntraError(700054)
        if not params.get("nonce"):
            raise EntraError(900144, "Parameter: 'nonce'.")
        if params.get("response_mode") == "query":
            raise EntraError(90023, "Parameter: 'response_mode' cannot be 'query' for an ID token.")
    if params.get("response_mode", "query") not in ("query", "fragment", "form_post"):
        raise EntraError(90023, "Parameter: 'response_mode'.")
    if request.prompt and request.prompt not in PROMPTS:
        raise EntraError(90023, "Parameter: 'prompt'.")
    if params.get("code_challenge_method", "plain") not in ("plain", "S256"):
        raise EntraError(90023, "Parameter: 'code_challenge_method'.")
    if request.platform == "spa" and not params.get("code_challenge"):
        raise EntraError(9002325)
    max_age = params.get("max_age", "")
    if max_age and not max_age.isdigit():
        raise EntraError(90023, "Parameter: 'max_age'.")


def send_back(request: AuthorizationRequest, values: dict[str, str]) -> Response:
    """Return the browser to the app with `values`, in the response mode it asked for."""
    pairs = [(name, value) for name, value in values.items() if value]
    if request.response_mode == "form_post" and not request.is_for_tenant:
        return render("form_post.html", title="Back to the app", action=request.redirect_uri, fields=pairs)
    address = request.redirect_uri
    if urlsplit(address).path == "":
        # An address registered without a path comes back with a slash.
        address += "/"
    query = urlencode(pairs)
    if request.response_mode == "fragment" and not request.is_for_tenant:
        target = f"{address}#{query}"
    else:
        target = f"{address}{'&' if '?' in address else '?'}{query}#"
    return RedirectResponse(target, 302, {"cache-control": "no-store", "referrer-policy": "no-referrer"})


def send_error_back(
    world: World, request: AuthorizationRequest, error: EntraError, *, subcode: str | None, correlation: str
) -> Response:
    """Return the browser to the app with an error.

    Someone who leaves "Need admin approval" comes back with `error_subcode=cancel`
    and without a description. Admin consent errors carry `admin_consent=True` too.
    """
    values = {"error": error.oauth_error}
    if subcode:
        values["error_subcode"] = subcode
    if error.code:
        values["error_description"] = described(
            world, error, str(uuid.uuid4()), correlation, line_break="\r\n"
        )
        values["error_uri"] = f"{request.base_url}/error?code={error.code}"
    if request.is_for_tenant:
        values["admin_consent"] = "True"
    values["state"] = request.state or ""
    return send_back(request, values)
