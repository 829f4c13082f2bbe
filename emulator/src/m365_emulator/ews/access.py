"""Who may use EWS at all: the gates of Exchange Online, evaluated together, where any "no" blocks.

A blocked caller gets a bare HTTP 403 with an empty body on a connection that stays open, after its token was found
good; a caller whose token is not good for EWS gets HTTP 401 with a challenge.

Source: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-control-access-to-ews-in-exchange
Source: https://techcommunity.microsoft.com/blog/exchange/introducing-ewsallowedappids-preparing-for-the-final-phase-of-ews-retirement/4529471
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from m365_emulator.entra.tokens import AccessToken, InvalidToken, read_access_token
from m365_emulator.world.tenants import Tenant, User
from m365_emulator.world.user_agents import agent_allowed
from m365_emulator.world.world import World

AUDIENCES = frozenset(
    f"{name}{slash}"
    for name in (
        "https://outlook.office365.com",
        "https://outlook.office.com",
        "00000002-0000-0ff1-ce00-000000000000",
    )
    for slash in ("", "/")
)
DELEGATED_PERMISSION = "EWS.AccessAsUser.All"
APPLICATION_PERMISSION = "full_access_as_app"

RETIRED_AT = datetime(2027, 4, 1, tzinfo=UTC)
"""Exchange Online answers no EWS request from here on, whatever a tenant sets."""

FRONTLINE_BLOCKED_AT = datetime(2026, 6, 30, tzinfo=UTC)
"""From here on mailboxes with only a kiosk or frontline licence have no EWS (Message Center MC1191578)."""

LIST_REQUIRED_AT = datetime(2026, 10, 10, tzinfo=UTC)
"""From here on a tenant with EwsEnabled true and no list of applications blocks everyone."""


class EWSBlocked(Exception):
    """One of the gates says no; the caller sees HTTP 403 with an empty body and nothing that says which gate."""


class Unauthorized(Exception):
    """The token is missing, not good, or holds no EWS permission; the caller sees HTTP 401 and a challenge."""

    def __init__(self, diagnostics: str, *, challenge: str) -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics
        self.challenge = challenge


def authenticate(world: World, authorization: str | None) -> AccessToken:
    """Return the caller's token.

    Raises:
        Unauthorized: There is no token for EWS here.
    """
    try:
        token = read_access_token(world, authorization, set(AUDIENCES))
    except InvalidToken as error:
        raise Unauthorized(
            f'2000010;reason="{_plain(error.reason)}";error_category="invalid_token"',
            challenge=_challenge("invalid_token" if authorization else None),
        ) from error
    granted = token.scopes if token.user is not None else token.roles
    needed = DELEGATED_PERMISSION if token.user is not None else APPLICATION_PERMISSION
    if needed not in granted:
        raise Unauthorized(
            '2000008;reason="The token contains not enough scope to make this call.";'
            'error_category="insufficient_scope"',
            challenge=_challenge("invalid_token"),
        )
    return token


def check_organization(tenant: Tenant, app_id: str, now: datetime) -> None:
    """Let the request pass the gates that do not depend on the mailbox.

    Raises:
        EWSBlocked: EWS is retired, switched off in the organization, or not allowed for this application.
    """
    policies = tenant.policies
    if now >= RETIRED_AT or not application_allowed(
        policies.ews_enabled, policies.ews_allowed_app_ids, app_id, now
    ):
        raise EWSBlocked


def application_allowed(
    ews_enabled: bool | None, allowed_app_ids: Collection[str], app_id: str, now: datetime
) -> bool:
    """Apply the organization's EwsEnabled and EwsAllowedAppIDs as Exchange Online does on the day ``now``.

    Null ignores the list and allows everyone; true lets only listed applications in, and before 2026-10-10 everyone
    when the list is empty; false blocks everyone.
    """
    if ews_enabled is None:
        return True
    if not ews_enabled:
        return False
    if allowed_app_ids:
        return app_id.lower() in {listed.lower() for listed in allowed_app_ids}
    return now < LIST_REQUIRED_AT


def check_mailbox(user: User, user_agent: str, now: datetime) -> None:
    """Let the request pass the gates of one mailbox.

    Raises:
        EWSBlocked: EWS is switched off for the mailbox (``Set-CASMailbox -EwsEnabled $false``), its licence holds no
            EWS, or the program is not allowed (``EwsApplicationAccessPolicy`` of organization or mailbox).
    """
    if (
        user.ews_enabled is False
        or (user.frontline_licence and now >= FRONTLINE_BLOCKED_AT)
        or not agent_allowed(user, user_agent)
    ):
        raise EWSBlocked


def _challenge(error: str | None) -> str:
    challenge = (
        'Bearer client_id="00000002-0000-0ff1-ce00-000000000000", '
        'trusted_issuers="00000001-0000-0000-c000-000000000000@*", '
        'token_types="app_asserted_user_v1 service_asserted_app_v1", '
        'authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'
    )
    return f'{challenge}, error="{error}"' if error else challenge


def _plain(reason: str) -> str:
    """Return ``reason`` fit for an HTTP header value."""
    return "".join(char if char.isascii() and char.isprintable() and char != '"' else " " for char in reason)
