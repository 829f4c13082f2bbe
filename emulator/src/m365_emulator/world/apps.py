"""App registrations: a vendor's application object in its home tenant."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

Platform = Literal["web", "spa", "public"]
Audience = Literal["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount"]


@dataclass(slots=True)
class ClientSecret:
    """One client secret; several may be valid at once."""

    value: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(slots=True)
class FederatedCredential:
    """Trust in tokens of another issuer (workload identity federation)."""

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"
    jwks: dict[str, object] | None = field(default=None, repr=False)
    """Public keys of the issuer; the emulator fetches nothing."""


@dataclass(slots=True)
class RedirectURI:
    """One reply address and the platform it is registered under."""

    url: str
    platform: Platform = "web"

    def matches(self, asked: str) -> bool:
        """Compare as Entra does: exact, but any port on localhost.

        Source: learn.microsoft.com/entra/identity-platform/reply-url
        """
        if asked == self.url:
            return True
        try:
            mine, theirs = urlsplit(self.url), urlsplit(asked)
            theirs.port  # noqa: B018 - a malformed port raises here
        except ValueError:
            return False
        if mine.hostname in ("localhost", "127.0.0.1") and mine.hostname == theirs.hostname:
            return (mine.scheme, mine.path or "/", mine.query, "") == (
                theirs.scheme,
                theirs.path or "/",
                theirs.query,
                theirs.fragment,
            )
        return not mine.path and asked == self.url + "/"


@dataclass(eq=False, slots=True)
class AppRegistration:
    """What the vendor registered; service principals in tenants point to it by `app_id`."""

    app_id: str
    display_name: str
    home_tenant_id: str
    created_at: datetime
    publisher_name: str = ""
    publisher_verified: bool = False
    publisher_domain: str = ""
    audience: Audience = "AzureADMultipleOrgs"
    redirect_uris: list[RedirectURI] = field(default_factory=list[RedirectURI])
    secrets: list[ClientSecret] = field(default_factory=list[ClientSecret], repr=False)
    certificates: list[str] = field(default_factory=list[str], repr=False)
    """PEM X.509 certificates that may sign client assertions."""
    federated_credentials: list[FederatedCredential] = field(default_factory=list[FederatedCredential])
    delegated: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Static list: delegated permissions by resource application id."""
    application: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Static list: application permissions by resource application id."""
    identifier_uris: list[str] = field(default_factory=list[str])
    exposed_scopes: list[str] = field(default_factory=list[str])
    """Delegated permissions of the app's own API (on-behalf-of needs one)."""
    is_public_client: bool = False
    implicit_id_token: bool = False
    directory_role_claims: bool = False
    """`groupMembershipClaims` is `DirectoryRole` or `All`: ID tokens carry `wids`."""
    optional_claims: list[str] = field(default_factory=list[str])
    is_disabled: bool = False
    single_use_refresh_tokens: bool = False
    """Strict mode, unlike Microsoft: redeeming a refresh token ends it, as servers that rotate strictly do."""
    spent_refresh_tokens: set[str] = field(default_factory=set[str], repr=False)
    """SHA-256 of those that were redeemed in strict mode."""
    logout_url: str | None = None

    def find_redirect_uri(self, asked: str) -> RedirectURI | None:
        """Return the registered reply address that `asked` matches."""
        return next((uri for uri in self.redirect_uris if uri.matches(asked)), None)
