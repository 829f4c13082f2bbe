"""Device code: the program waits while a person types a short code into a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.grant_types.call import TokenCall, check_app_in_tenant, check_person, person_answer
from m365_emulator.entra.scopes import graph_only, parse_scopes
from m365_emulator.entra.tokens import SignIn, token_id

if TYPE_CHECKING:
    from m365_emulator.world.world import World

DEVICE_CODE_SECONDS = 900
POLL_SECONDS = 5
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXYZ23456789"


@dataclass(slots=True)
class PendingDevice:
    """One device that waits for its person."""

    device_code: str
    user_code: str
    app_id: str
    authority: str
    scope: str
    expires_at: float
    status: Literal["waiting", "approved", "declined"] = "waiting"
    tenant_id: str = ""
    oid: str = ""
    signed_in_at: float = 0.0
    passed_mfa: bool = False
    session_id: str = ""


def _pending(world: World) -> dict[str, PendingDevice]:
    return world.state.setdefault("entra.devices", {})


def start(world: World, *, app_id: str, authority: str, scope: str) -> PendingDevice:
    """Begin a device sign-in."""
    device = PendingDevice(
        device_code="D" + token_id(world) + token_id(world),
        user_code="".join(world.rng.choice(USER_CODE_LETTERS) for _ in range(9)),
        app_id=app_id,
        authority=authority,
        scope=scope,
        expires_at=world.clock.now().timestamp() + DEVICE_CODE_SECONDS,
    )
    _pending(world)[device.device_code] = device
    return device


def find_by_user_code(world: World, user_code: str) -> PendingDevice | None:
    """Return the waiting device that shows this code, any case, spaces and dashes ignored."""
    wanted = user_code.upper().replace("-", "").replace(" ", "")
    now = world.clock.now().timestamp()
    return next(
        (
            device
            for device in _pending(world).values()
            if device.user_code == wanted and device.status == "waiting" and device.expires_at > now
        ),
        None,
    )


def answer(call: TokenCall) -> dict[str, Any]:
    """Answer one poll.

    Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
    """
    world = call.world
    device = _pending(world).get(call.need("device_code"))
    if device is None or device.app_id != call.app.app_id:
        raise EntraError(70018)
    if device.expires_at <= world.clock.now().timestamp():
        raise EntraError(70020)
    if device.status == "waiting":
        raise EntraError(70016)
    if device.status == "declined":
        del _pending(world)[device.device_code]
        raise EntraError(70044)
    tenant = world.find_tenant(device.tenant_id)
    user = world.find_user(device.oid, tenant)
    if tenant is None or user is None:
        raise EntraError(50034)
    check_app_in_tenant(tenant, call.app)
    check_person(tenant, user)
    asked = parse_scopes(world, device.scope)
    sign_in = SignIn(
        tenant, user, datetime.fromtimestamp(device.signed_in_at, UTC), device.passed_mfa, device.session_id
    )
    result = person_answer(
        call,
        sign_in,
        next(iter(asked.resources), None) or graph_only(world),
        asked.oidc,
        platform="public",
        with_refresh_token="offline_access" in asked.oidc,
    )
    del _pending(world)[device.device_code]
    return result
