"""App registrations and signing keys."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from starlette.requests import Request

from m365_emulator.control import views
from m365_emulator.control.api.call import (
    BadRequest,
    Body,
    named_app,
)
from m365_emulator.world.apps import ClientSecret, RedirectURI

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def apps(world: World, request: Request, body: Body) -> Body:
    return {"apps": [views.app(app) for app in world.apps.values()]}


def app_detail(world: World, request: Request, body: Body) -> Body:
    return views.app(named_app(world, request))


def change_app(world: World, request: Request, body: Body) -> Body:
    app = named_app(world, request)
    known = {"publisher_verified", "is_disabled", "implicit_id_token", "directory_role_claims", "is_public_client",
             "single_use_refresh_tokens",
             "redirect_uris", "secrets", "certificates", "delegated", "application", "optional_claims"}  # fmt: skip
    if unknown := set(body) - known:
        raise BadRequest(f"Unknown field: {', '.join(sorted(unknown))}.")
    for name, value in body.items():
        if isinstance(getattr(app, name), bool):
            if not isinstance(value, bool):
                raise BadRequest(f"'{name}' must be true or false.")
            setattr(app, name, value)
    if "redirect_uris" in body:
        app.redirect_uris = [_redirect(entry) for entry in cast("list[Any]", body["redirect_uris"])]
    if "secrets" in body:
        app.secrets = [_secret(entry) for entry in cast("list[Any]", body["secrets"])]
    for name in ("certificates", "optional_claims"):
        if name in body:
            setattr(app, name, [str(value) for value in cast("list[Any]", body[name])])
    for name in ("delegated", "application"):
        if name in body:
            if not isinstance(body[name], dict):
                raise BadRequest(f"'{name}' must map a resource id to permissions.")
            setattr(app, name, {str(key): [str(v) for v in values] for key, values in body[name].items()})
    return views.app(app)


def _redirect(entry: Any) -> RedirectURI:
    if isinstance(entry, str):
        return RedirectURI(entry)
    platform = entry.get("platform", "web")
    if platform not in ("web", "spa", "public") or not isinstance(entry.get("url"), str):
        raise BadRequest("A redirect URI is a text, or has 'url' and 'platform' web, spa or public.")
    return RedirectURI(entry["url"], platform)


def _secret(entry: Any) -> ClientSecret:
    if isinstance(entry, str):
        return ClientSecret(entry)
    try:
        expires = datetime.fromisoformat(entry["expires_at"]) if entry.get("expires_at") else None
        return ClientSecret(str(entry["value"]), expires)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadRequest("A secret is a text, or has 'value' and 'expires_at' (RFC 3339).") from None


def roll_keys(world: World, request: Request, body: Body) -> Body:
    current = world.keyring.roll()
    return {"current": current.kid, "published": [key.kid for key in world.keyring.keys]}
