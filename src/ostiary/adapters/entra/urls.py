"""Addresses at Microsoft that a browser is sent to, and the one our own token requests go to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

from ostiary.adapters.entra.clouds import CLOUDS, Cloud

ANY_WORK_ACCOUNT: Final = "organizations"
"""Tenant segment while the tenant is not known (entra-id.md §1.2)."""

_GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_PROMPTS: Final = frozenset({"login", "none", "select_account"})


def authorize_url(
    cloud: Cloud,
    *,
    client_id: str,
    authority: str,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
    nonce: str,
    code_challenge: str,
    prompt: str | None = None,
    login_hint: str | None = None,
    domain_hint: str | None = None,
    most_age_seconds: int | None = None,
    authentication_context: str | None = None,
) -> str:
    """Return the ``/authorize`` address for a code with PKCE.

    Raises:
        ValueError: ``prompt`` is one we never send; ``consent`` locks people out after an admin consent.

    Source: Microsoft identity platform, authorization code flow (entra-id.md §1.7).
    """
    if prompt is not None and prompt not in _PROMPTS:
        raise ValueError(f"prompt={prompt} is never sent")
    query = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "response_mode": "query",
        "scope": " ".join(wire_scopes(cloud, scopes)),
        "state": state,
        "nonce": nonce,
        "code_challenge": code_challenge,
        "code_challenge_method": "S256",
    }
    if prompt is not None:
        query["prompt"] = prompt
    # A hint beside select_account is undocumented; the picker shows the account anyway.
    if login_hint is not None and prompt != "select_account":
        query["login_hint"] = login_hint
    if domain_hint is not None:
        query["domain_hint"] = domain_hint
    if most_age_seconds is not None:
        query["max_age"] = str(most_age_seconds)
    if authentication_context is not None:
        # Source: Conditional Access authentication context, developer guide: claims request of ``acrs``.
        wanted = {"id_token": {"acrs": {"essential": True, "value": authentication_context}}}
        query["claims"] = json.dumps(wanted, separators=(",", ":"))
    return f"{_base(cloud, authority)}/oauth2/v2.0/authorize?{_encoded(query)}"


def admin_consent_url(
    cloud: Cloud,
    *,
    client_id: str,
    authority: str,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
) -> str:
    """Return the v2 admin-consent address.

    Source: Microsoft identity platform, v2 admin consent (entra-id.md §2.1).
    """
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(wire_scopes(cloud, scopes)),
        "state": state,
    }
    return f"{_base(cloud, authority)}/v2.0/adminconsent?{_encoded(query)}"


def token_url(cloud: Cloud, authority: str) -> str:
    """Return the token endpoint; also the audience of our client assertions (SR-9)."""
    return f"{_base(cloud, authority)}/oauth2/v2.0/token"


def keys_url(cloud: Cloud) -> str:
    """Return the address of the cloud's signing keys."""
    return f"{cloud.login_url}/{ANY_WORK_ACCOUNT}/discovery/v2.0/keys"


def wire_scopes(cloud: Cloud, scopes: Sequence[str]) -> tuple[str, ...]:
    """Return ``scopes`` with the resource identifiers of this cloud instead of the global ones."""
    world = CLOUDS["global"]
    replaced = {world.graph_resource: cloud.graph_resource, world.exchange_resource: cloud.exchange_resource}
    result: list[str] = []
    for scope in scopes:
        resource, slash, name = scope.rpartition("/")
        result.append(f"{replaced.get(resource, resource)}{slash}{name}")
    return tuple(result)


def _base(cloud: Cloud, authority: str) -> str:
    # ``common`` lets personal accounts in, and admin consent does not take it (entra-id.md §1.2, §2.1).
    if authority != ANY_WORK_ACCOUNT and _GUID.fullmatch(authority) is None:
        raise ValueError("an authority is a tenant id or 'organizations'")
    return f"{cloud.login_url}/{authority}"


def _encoded(query: dict[str, str]) -> str:
    return urlencode(query, quote_via=quote, safe="")
