"""What sign-in needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ostiary.core.audit.ports import AuditTrail
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.model import AppRegistration, AuthorizationRequest, TokenSet


class ServicePrincipalState(StrEnum):
    """What a client-credentials probe says about our app in a tenant (entra-id.md §2.8 point 4)."""

    PRESENT = "present"
    ABSENT = "absent"
    DISABLED = "disabled"


class AuthorizationServer(Protocol):
    """Microsoft Entra ID, v2.0 endpoints.

    Every coroutine raises the kernel's errors with a reason id: ``ReauthorizationRequired``,
    ``ConsentRequired``, ``AccessBlocked``, ``Misconfigured`` (``our_fault``), ``Throttled``,
    ``TemporarilyUnavailable`` (``microsoft_down``). A transient fault is never reported as a definite one.
    """

    def authorize_url(
        self,
        registration: AppRegistration,
        *,
        authority: str,
        redirect_uri: str,
        scopes: Sequence[str],
        state: str,
        nonce: str,
        code_challenge: str,
        prompt: str | None = None,
        login_hint: str | None = None,
        domain_hint: str | None = None,
        most_age_seconds: int | None = None,
        authentication_context: str | None = None,
    ) -> str:
        """Return the ``/authorize`` address (code, query, S256). ``prompt=consent`` is refused with ValueError.

        Args:
            most_age_seconds: Somebody who proved who they are longer ago has to do so again, and the ID token
                tells when it was.
            authentication_context: Conditional Access context that the sign-in has to satisfy.
        """
        ...

    def admin_consent_url(
        self,
        registration: AppRegistration,
        *,
        authority: str,
        redirect_uri: str,
        scopes: Sequence[str],
        state: str,
    ) -> str:
        """Return the v2 ``/adminconsent`` address. ``authority`` is a tenant id or ``organizations``, never ``common``."""
        ...

    async def redeem_code(
        self,
        registration: AppRegistration,
        *,
        authority: str,
        redirect_uri: str,
        code: Secret,
        code_verifier: Secret,
        scopes: Sequence[str],
        nonce: str,
    ) -> TokenSet:
        """Exchange a code once and verify the ID token; ``claims`` of the result is always set.

        Raises:
            FlowRejected: The code or the ID token is not good; nothing of it may be used.
        """
        ...

    async def refresh(
        self,
        registration: AppRegistration,
        *,
        tenant_id: str,
        refresh_token: Secret,
        scopes: Sequence[str],
    ) -> TokenSet:
        """Redeem a refresh token for ``scopes`` of one resource. The answer carries the newer refresh token.

        ``claims`` is set when Microsoft sent an ID token (verified, without a nonce).
        """
        ...

    async def service_principal_state(
        self, registration: AppRegistration, *, tenant_id: str
    ) -> ServicePrincipalState:
        """Probe whether our app exists and is enabled in the tenant; needs no permission there."""
        ...


class AuthorizationRequestStore(Protocol):
    """Keeps pending authorization requests."""

    async def add(self, request: AuthorizationRequest) -> None: ...

    async def consume(
        self, *, state_hash: bytes, browser_hash: bytes, redirect_uri: str, now: datetime
    ) -> AuthorizationRequest | None:
        """Mark the one matching, unexpired, unconsumed request as consumed and return it, in one statement (SR-3).

        None when anything differs; the caller cannot tell which (SR-69).
        """
        ...

    async def find_by_state(self, *, state_hash: bytes) -> AuthorizationRequest | None:
        """Look without consuming, to tell a lost session from a forgery in the audit log."""
        ...

    async def delete_expired(self, *, before: datetime) -> int: ...


class SignInTransaction(Protocol):
    """What one transaction of sign-in can reach."""

    @property
    def authorization_requests(self) -> AuthorizationRequestStore: ...
    @property
    def audit(self) -> AuditTrail: ...
