"""The delegated permissions we ask for, each with its reason (SR-23, UX §4.1).

One table feeds the approval page, the requests to Microsoft and the check of what was granted, so that the
three cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ostiary.core.kernel.access_method import AccessMethod

GRAPH_RESOURCE: Final = "https://graph.microsoft.com"
EXCHANGE_RESOURCE: Final = "https://outlook.office365.com"


@dataclass(frozen=True, slots=True)
class Permission:
    """One delegated permission."""

    name: str
    """Microsoft's name, such as ``Mail.ReadWrite``."""
    resource: str
    """Resource identifier URI, or empty for the OpenID scopes."""
    can: str
    """Ends the sentence "{vendor} can …" on the approval page."""
    so_that: str

    @property
    def scope(self) -> str:
        """The text on the wire (entra-id.md §1.10)."""
        return f"{self.resource}/{self.name}" if self.resource else self.name


_MAIL: Final = Permission(
    "Mail.ReadWrite", GRAPH_RESOURCE, "Read and update mail", "replies are logged and drafts can be saved"
)
_SEND: Final = Permission(
    "Mail.Send",
    GRAPH_RESOURCE,
    "Send mail as the person",
    "messages they write in {vendor} leave from their own address",
)
_CALENDARS: Final = Permission(
    "Calendars.ReadWrite",
    GRAPH_RESOURCE,
    "Read and update calendars",
    "meetings are booked at times that are free",
)
_SETTINGS: Final = Permission(
    "MailboxSettings.Read", GRAPH_RESOURCE, "Read mailbox settings", "the right time zone is used"
)
_USER: Final = Permission(
    "User.Read", GRAPH_RESOURCE, "See who signed in", "the mailbox is matched to the right person"
)
_OFFLINE: Final = Permission(
    "offline_access", "", "Stay connected", "people don’t have to sign in every hour"
)
_EWS: Final = Permission(
    "EWS.AccessAsUser.All",
    EXCHANGE_RESOURCE,
    "Use the whole mailbox of a person who has signed in",
    "mail and calendar work where Graph can’t be used yet",
)

PERMISSIONS: Final[dict[AccessMethod, tuple[Permission, ...]]] = {
    AccessMethod.GRAPH: (_MAIL, _SEND, _CALENDARS, _SETTINGS, _USER, _OFFLINE),
    AccessMethod.EWS: (_EWS, _USER, _OFFLINE),
}

OPENID_SCOPES: Final = ("openid", "profile", "offline_access")
"""Named explicitly, so that people are not stopped later where user consent is off (entra-id.md §2.1)."""


def consent_scopes(methods: Iterable[AccessMethod]) -> tuple[str, ...]:
    """Scopes of an admin-consent request for one or more methods, OpenID scopes first, no repeats.

    A repeat consent may drop what an earlier one granted, so ask for the union of every method the tenant
    already approved and the new one (entra-id.md §2.6).
    """
    wanted: list[str] = [*OPENID_SCOPES]
    for method in sorted(set(methods)):
        wanted.extend(permission.scope for permission in PERMISSIONS[method])
    return tuple(dict.fromkeys(wanted))


def token_scopes(method: AccessMethod) -> tuple[str, ...]:
    """Scopes of a token request for the method's one resource.

    A token is for exactly one resource, so EWS leaves ``User.Read`` (Graph) out (entra-id.md §1.10).
    """
    resource = GRAPH_RESOURCE if method is AccessMethod.GRAPH else EXCHANGE_RESOURCE
    own = tuple(p.scope for p in PERMISSIONS[method] if p.resource == resource)
    return (*OPENID_SCOPES, *own)


def remaining_scopes(method: AccessMethod) -> tuple[str, ...]:
    """Scopes of a token request for whatever the tenant still grants on the method's resource.

    Source: learn.microsoft.com/entra/identity-platform/scopes-oidc, "The .default scope".
    """
    resource = GRAPH_RESOURCE if method is AccessMethod.GRAPH else EXCHANGE_RESOURCE
    return (*OPENID_SCOPES, f"{resource}/.default")


def missing_permissions(method: AccessMethod, granted: Iterable[str]) -> tuple[Permission, ...]:
    """Permissions of the method's resource that ``granted`` lacks.

    Accepts short names, full URIs and either Exchange host, in any letter case: Microsoft echoes the form it
    likes (entra-id.md §1.9). ``offline_access`` is never echoed and so never missing here.
    """
    resource = GRAPH_RESOURCE if method is AccessMethod.GRAPH else EXCHANGE_RESOURCE
    names = {scope.rsplit("/", 1)[-1].lower() for scope in granted}
    return tuple(
        permission
        for permission in PERMISSIONS[method]
        if permission.resource == resource and permission.name.lower() not in names
    )


def unexpected_permissions(granted: Iterable[str]) -> tuple[str, ...]:
    """Names in ``granted`` that no method of ours asks for: somebody gave the app more than we know of (SR-23)."""
    asked = {permission.name.lower() for each in PERMISSIONS.values() for permission in each}
    asked |= {scope.lower() for scope in (*OPENID_SCOPES, "email")}
    names = {scope.rsplit("/", 1)[-1] for scope in granted}
    return tuple(sorted(name for name in names if name.lower() not in asked))
