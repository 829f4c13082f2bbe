"""Who may call what: tokens, permissions, and whose mailbox a path names."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from m365_emulator.entra.tokens import AccessToken, InvalidToken, read_access_token
from m365_emulator.world.user_agents import agent_allowed

from .errors import GraphError, access_denied, bad_request, no_mailbox

if TYPE_CHECKING:
    from m365_emulator.world.mailbox import Mailbox
    from m365_emulator.world.tenants import User
    from m365_emulator.world.world import World

AUDIENCES = {"https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"}


@dataclass(frozen=True, slots=True)
class Permission:
    """The permissions any one of which allows a call.

    `own` are delegated ones for the signed-in person's mailbox, `shared` those for a mailbox that was shared with the
    person, `application` those of an app that acts for itself.
    """

    own: frozenset[str]
    shared: frozenset[str]
    application: frozenset[str]


def _family(prefix: str, *levels: str) -> Permission:
    own = frozenset(f"{prefix}.{level}" for level in levels)
    shared = frozenset(f"{prefix}.{level}.Shared" for level in levels)
    application = own | {f"{prefix}.{level}.All" for level in levels}
    return Permission(own | shared, shared, application)


NOTHING = Permission(frozenset(), frozenset(), frozenset())
MAIL_READ_BASIC = _family("Mail", "ReadBasic", "Read", "ReadWrite")
MAIL_READ = _family("Mail", "Read", "ReadWrite")
MAIL_WRITE = _family("Mail", "ReadWrite")
MAIL_SEND = _family("Mail", "Send")
MAIL_ADVANCED = _family("Mail-Advanced", "ReadWrite")
CALENDAR_READ_BASIC = _family("Calendars", "ReadBasic", "Read", "ReadWrite")
CALENDAR_READ = _family("Calendars", "Read", "ReadWrite")
CALENDAR_WRITE = _family("Calendars", "ReadWrite")
MEETING_TIMES = Permission(
    frozenset(
        {"Calendars.Read.Shared", "Calendars.ReadWrite.Shared", "Calendars.Read", "Calendars.ReadWrite"}
    ),
    frozenset({"Calendars.Read.Shared", "Calendars.ReadWrite.Shared"}),
    frozenset(),
)
SETTINGS_READ = _family("MailboxSettings", "Read", "ReadWrite")
SETTINGS_WRITE = _family("MailboxSettings", "ReadWrite")
USER_READ = Permission(
    frozenset(
        {
            "User.Read",
            "User.ReadWrite",
            "User.ReadBasic.All",
            "User.Read.All",
            "User.ReadWrite.All",
            "Directory.Read.All",
        }
    ),
    frozenset({"User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All"}),
    frozenset({"User.Read.All", "User.ReadWrite.All", "User.ReadBasic.All", "Directory.Read.All"}),
)
_REVOKING = frozenset({"User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"})
REVOKE_SESSIONS = Permission(_REVOKING, _REVOKING, _REVOKING)
USER_SETTINGS = Permission(USER_READ.own, frozenset(), frozenset())
TRANSLATE = Permission(
    USER_READ.own, USER_READ.shared, frozenset({"User.Read", "User.Read.All", "User.ReadBasic.All"})
)
"""Least privilege per call. Source: Graph permissions reference and the pages of the single calls."""


@dataclass(frozen=True, slots=True)
class Target:
    """The mailbox a path names, and whether it is the caller's own."""

    user: User
    mailbox: Mailbox
    is_own: bool


def read_token(world: World, header: str | None, base_url: str) -> AccessToken:
    """Return the caller's token; raises GraphError 401 as Graph words it."""
    try:
        return read_access_token(world, header, AUDIENCES)
    except InvalidToken as error:
        login = "https://login.microsoftonline.com" if base_url == "https://graph.microsoft.com" else base_url
        challenge = (
            f'Bearer realm="", authorization_uri="{login}/common/oauth2/authorize", '
            'client_id="00000003-0000-0000-c000-000000000000"'
        )
        if error.claims_challenge:
            claims = base64.b64encode(error.claims_challenge.encode()).decode()
            challenge += f', error="insufficient_claims", claims="{claims}"'
        raise GraphError(401, error.code, error.reason, headers={"WWW-Authenticate": challenge}) from error


def find_user(world: World, token: AccessToken, name: str | None, *, directory: bool = False) -> User:
    """Return the user a path names: None is /me.

    Raises:
        GraphError: /me without a person in the token, or nobody of that name in the token's tenant.
    """
    if name is None:
        if token.user is None:
            raise bad_request("/me request is only valid with delegated authentication flow.")
        return token.user
    user = world.find_user(name, token.tenant)
    if user is None and directory:
        raise GraphError(
            404,
            "Request_ResourceNotFound",
            f"Resource '{name[:200]}' does not exist or one of its queried reference-property objects are not present.",
        )
    if user is None:
        raise GraphError(404, "ErrorInvalidUser", f"The requested user '{name[:200]}' is invalid.")
    return user


def open_target(world: World, token: AccessToken, permission: Permission, name: str | None) -> Target:
    """Return the mailbox a path names, if the token's permissions and the mailbox's own rights allow the call.

    Raises:
        GraphError: 403 for a missing permission or right, 404 for a user without a mailbox, in this order.
    """
    user = find_user(world, token, name)
    require(token, permission, is_own=token.user is user)
    mailbox = world.mailbox_of(user)
    if mailbox is None:
        raise no_mailbox()
    target = Target(user, mailbox, token.user is user)
    if token.user is not None and not target.is_own and token.user.oid not in mailbox.permissions.full_access:
        raise access_denied()
    return target


def check_user_agent(target: Target, user_agent: str) -> None:
    """Raise GraphError 403 where Exchange's policy by user agent keeps the program from the mailbox."""
    if not agent_allowed(target.user, user_agent):
        raise GraphError(403, "ErrorAccessDenied", "Access to OData is disabled.")


def require(token: AccessToken, permission: Permission, *, is_own: bool) -> None:
    """Raise GraphError 403 unless the token carries one of the permissions."""
    if not allows(token, permission, is_own=is_own):
        raise access_denied()


def allows(token: AccessToken, permission: Permission, *, is_own: bool) -> bool:
    """Return whether the token carries one of the permissions."""
    if token.user is None:
        return not permission.application.isdisjoint(token.roles)
    return not (permission.own if is_own else permission.shared).isdisjoint(token.scopes)
