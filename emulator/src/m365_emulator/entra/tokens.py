"""Issue and read tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from m365_emulator.world.tenants import Tenant, User
from m365_emulator.world.world import World


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A verified access token, as a resource (Graph, EWS) needs it."""

    tenant: Tenant
    user: User | None
    """None when the app acts for itself."""
    app_id: str
    scopes: frozenset[str]
    """Delegated permissions, short names (`Mail.Read`)."""
    roles: frozenset[str]
    """Application permissions."""
    expires_at: datetime


class InvalidToken(Exception):
    """The request carries no token that this resource can use; answer 401.

    Args:
        reason: A sentence for the error body.
        code: `InvalidAuthenticationToken` and the like.
        claims_challenge: JSON of claims to ask for, when the client can cure it
            by asking for a new token with them (CAE).
    """

    def __init__(self, reason: str, code: str, claims_challenge: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.claims_challenge = claims_challenge


def read_access_token(
    world: World, authorization_header: str | None, audiences: set[str]
) -> AccessToken:
    """Verify a bearer token for one of `audiences` and return what it says.

    Raises:
        InvalidToken: No token, not ours, expired, revoked, or for another resource.
    """
    raise NotImplementedError
