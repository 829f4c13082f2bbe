"""Authorization requests and what a completed one proves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.secret import Secret

AUTHORIZATION_REQUEST_LIFE: Final = timedelta(minutes=10)
"""How long a person may stay at Microsoft (SR-1); its code lives about as long (entra-id.md §1.7)."""

PERSONAL_ACCOUNTS_TENANT_ID: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The one tenant of all personal Microsoft accounts (entra-id.md, head)."""


class FlowKind(StrEnum):
    """What the round trip is for. A return is only accepted at the address of its own kind."""

    ADMIN_CONSENT = "admin_consent"
    """At Microsoft's admin consent page: comes back without a code."""
    ADMIN_CONFIRM = "admin_confirm"
    """The sign-in right after it that proves tenant, person and scopes."""
    CONNECT = "connect"
    CONSOLE = "console"
    TRUST = "trust"
    """A customer's own IT, looking at who is connected; no seat needed."""


@dataclass(frozen=True, slots=True)
class AppRegistration:
    """The vendor's application object in Entra. One may serve both access methods, or each its own."""

    id: str
    """Our short name for it, part of the redirect addresses (SR-6): ``main`` or ``ews``."""
    cloud: str
    client_id: str
    display_name: str
    publisher: str
    publisher_verified: bool
    methods: frozenset[AccessMethod]


@dataclass(frozen=True, slots=True)
class Registrations:
    """The vendor's app registrations in this instance: one for both access methods, or one each."""

    items: tuple[AppRegistration, ...]

    def __iter__(self) -> Iterator[AppRegistration]:
        return iter(self.items)

    def find(self, registration_id: str) -> AppRegistration | None:
        """Return the registration with our short name, or None."""
        return next((item for item in self.items if item.id == registration_id), None)

    def for_method(self, method: AccessMethod) -> AppRegistration:
        """Return the registration that serves ``method``.

        Raises:
            NotFound: This instance does not offer the method.
        """
        found = next((item for item in self.items if method in item.methods), None)
        if found is None:
            raise NotFound(f"{method.label} is not offered here.")
        return found


@dataclass(frozen=True, slots=True)
class RedirectAddresses:
    """Where Microsoft sends browsers back to. Each address names the registration it belongs to (SR-6)."""

    public_url: str
    console_url: str

    def redirect_uri(self, kind: FlowKind, registration_id: str) -> str:
        """Return the exact redirect URI of one kind of flow; the operator registers it at Microsoft."""
        if kind is FlowKind.CONSOLE:
            return f"{self.console_url.rstrip('/')}/console/return/{registration_id}"
        page = {FlowKind.CONNECT: "connect", FlowKind.TRUST: "trust"}.get(kind, "admin-consent")
        return f"{self.public_url.rstrip('/')}/{page}/return/{registration_id}"


@dataclass(frozen=True, slots=True)
class MicrosoftIdentity:
    """Who somebody is at Microsoft. Addresses and names are display data, never keys (SR-28)."""

    cloud: str
    tenant_id: str
    object_id: str


@dataclass(frozen=True, slots=True)
class SignedClaims:
    """Claims of an ID token whose signature, issuer, audience, times and nonce were all verified (SR-10)."""

    identity: MicrosoftIdentity
    username: str
    """``preferred_username``: display only."""
    display_name: str
    issued_at: datetime
    role_template_ids: frozenset[str] = frozenset()
    """``wids``; often absent, so its absence proves nothing (SR-18)."""
    is_guest: bool = False
    login_hint: str | None = None
    authenticated_at: datetime | None = None
    """``auth_time``: when the person last proved who they are. Told only where a greatest age was asked for."""
    authentication_methods: frozenset[str] = frozenset()
    """``amr``, such as ``pwd``, ``mfa``; absent unless the registration has it as an optional claim."""
    authentication_contexts: frozenset[str] = frozenset()
    """``acrs``: the Conditional Access contexts that the sign-in satisfied, such as ``c1``."""


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What the token endpoint answered."""

    access_token: Secret
    expires_at: datetime
    scopes: frozenset[str]
    """Granted delegated permissions as Microsoft wrote them; may be more than asked for."""
    refresh_token: Secret | None = None
    claims: SignedClaims | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One pending round trip. Holds no secret: state and browser secret only as SHA-256.

    The PKCE verifier and the nonce are derived from the state and an instance key when needed, so a stolen
    database cannot finish anybody's sign-in.
    """

    id: str
    kind: FlowKind
    state_hash: bytes
    browser_hash: bytes
    registration_id: str
    cloud: str
    authority: str
    """Tenant segment used at Microsoft: a tenant id, or ``organizations``."""
    redirect_uri: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    subject: Mapping[str, str] = field(default_factory=dict[str, str])
    """Ids of what the flow is for, such as ``attempt_id``, ``connect_session_id``; never from the browser."""
    consumed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StartedFlow:
    """Where to send the browser."""

    request_id: str
    url: str


@dataclass(frozen=True, slots=True)
class ReturnParameters:
    """The query of a return from Microsoft: untrusted text, each value capped, none repeated (SR-5)."""

    state: str | None = None
    code: Secret | None = None
    error: str | None = None
    error_subcode: str | None = None
    error_description: str | None = None
    admin_consent: str | None = None
    tenant: str | None = None
    scope: str | None = None
    error_codes: tuple[int, ...] = ()
    """AADSTS numbers found in the description: hints only."""
    correlation_id: str | None = None

    @property
    def provider_code(self) -> str | None:
        """What support reads: Microsoft's number where it gave one, else the OAuth word."""
        return f"AADSTS{self.error_codes[0]}" if self.error_codes else self.error
