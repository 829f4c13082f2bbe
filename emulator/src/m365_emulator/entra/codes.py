"""Authorization codes: sealed, good for ten minutes and one redemption."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.seal import seal, unseal
from m365_emulator.entra.tokens import CODE_SECONDS, token_id

if TYPE_CHECKING:
    from m365_emulator.world.world import World


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """Everything a code stands for."""

    id: str
    app_id: str
    tenant_id: str
    oid: str
    redirect_uri: str
    scope: str
    issued_at: float
    signed_in_at: float
    passed_mfa: bool
    session_id: str
    platform: str
    nonce: str | None
    challenge: str | None
    challenge_method: str | None
    wants_auth_time: bool
    authority: str


def new_code_id(world: World) -> str:
    """Return an id for one code."""
    return token_id(world)


def seal_code(world: World, code: AuthorizationCode) -> str:
    """Return the code as the client sees it."""
    return "1." + seal(world, "authorization code", asdict(code))


def open_code(world: World, text: str) -> AuthorizationCode:
    """Read a code back without using it up.

    Raises:
        EntraError: 9002313 malformed, 54005 used, 70008 too old.
    """
    content = unseal(world, "authorization code", text[2:]) if text.startswith("1.") else None
    if content is None:
        raise EntraError(9002313, "The code is malformed.", error="invalid_grant")
    code = AuthorizationCode(**content)
    if code.id in _redeemed(world):
        raise EntraError(54005)
    if world.clock.now().timestamp() - code.issued_at > CODE_SECONDS:
        raise EntraError(70008, "The authorization code was issued more than 10 minutes ago.")
    return code


def use_up(world: World, code: AuthorizationCode) -> None:
    """Mark a code as redeemed."""
    redeemed = _redeemed(world)
    horizon = world.clock.now().timestamp() - CODE_SECONDS
    for code_id in [known for known, issued_at in redeemed.items() if issued_at < horizon]:
        del redeemed[code_id]
    redeemed[code.id] = code.issued_at


def _redeemed(world: World) -> dict[str, float]:
    return world.state.setdefault("entra.redeemed_codes", {})
