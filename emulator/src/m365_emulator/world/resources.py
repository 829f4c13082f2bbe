"""The APIs that tokens are for, and the permissions they publish."""

from __future__ import annotations

from dataclasses import dataclass, field

GRAPH = "00000003-0000-0000-c000-000000000000"
EXCHANGE = "00000002-0000-0ff1-ce00-000000000000"

OIDC_SCOPES = ("openid", "profile", "email", "offline_access")
"""Recorded as Graph permissions in a grant, as Microsoft does."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One delegated or application permission of a resource."""

    value: str
    id: str
    title: str
    detail: str
    admin_only: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """An API that an app can get a token for."""

    app_id: str
    display_name: str
    identifier_uris: tuple[str, ...]
    delegated: dict[str, Permission] = field(repr=False)
    application: dict[str, Permission] = field(repr=False)

    @property
    def default_uri(self) -> str:
        """The URI used when a permission is written out in full."""
        return self.identifier_uris[0]

    def find_delegated(self, name: str) -> Permission | None:
        """Return the delegated permission called `name`, any case."""
        wanted = name.lower()
        return next((p for v, p in self.delegated.items() if v.lower() == wanted), None)


MANAGED_POLICY_BLOCKS: dict[str, frozenset[str]] = {
    GRAPH: frozenset(
        [
            "Files.Read.All",
            "Files.ReadWrite.All",
            "Sites.Read.All",
            "Sites.ReadWrite.All",
            "Mail.Read",
            "Mail.ReadWrite",
            "Mail.ReadBasic",
            "Mail.Read.Shared",
            "Mail.ReadBasic.Shared",
            "Mail.ReadWrite.Shared",
            "MailboxItem.Read",
            "Calendars.Read",
            "Calendars.ReadBasic",
            "Calendars.ReadWrite",
            "Calendars.Read.Shared",
            "Calendars.ReadWrite.Shared",
            "Chat.Read",
            "Chat.ReadWrite",
            "OnlineMeetings.Read",
            "OnlineMeetings.ReadWrite",
            "MailboxFolder.Read",
            "MailboxFolder.ReadWrite",
            "MailboxSettings.Read",
            "MailboxSettings.ReadWrite",
            "Contacts.ReadWrite",
            "Contacts.Read.Shared",
            "Contacts.ReadWrite.Shared",
            "Tasks.Read",
            "Tasks.Read.Shared",
            "Tasks.ReadWrite",
            "Tasks.ReadWrite.Shared",
            "People.Read",
        ]
    ),
    EXCHANGE: frozenset(
        ["EAS.AccessAsUser.All", "EWS.AccessAsUser.All", "IMAP.AccessAsUser.All", "POP.AccessAsUser.All"]
    ),
}
"""Delegated permissions that people may not consent to under "Let Microsoft manage".

Source: learn.microsoft.com/entra/identity/enterprise-apps/manage-app-consent-policies
"""

LOW_IMPACT = frozenset({*OIDC_SCOPES, "User.Read"})
"""What the "verified publishers, low impact" policy lets people consent to by default."""
