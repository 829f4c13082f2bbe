"""A stand-in for Entra in memory: keeps its rules about codes, states no page, speaks no HTTP. For tests only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import FlowRejected, OstiaryError, ReauthorizationRequired
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.derivation import code_challenge as challenge_of
from ostiary.core.signin.model import AppRegistration, MicrosoftIdentity, SignedClaims, TokenSet
from ostiary.core.signin.ports import ServicePrincipalState

_ORIGIN = "https://login.memory.example"


@dataclass(frozen=True, slots=True)
class MemoryPerson:
    """Somebody who can sign in."""

    tenant_id: str
    object_id: str
    username: str
    display_name: str
    is_guest: bool = False
    role_template_ids: frozenset[str] = frozenset()
    authenticated_at: datetime | None = None
    """When they typed their password, where that is not now."""
    authentication_contexts: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Issued:
    person: MemoryPerson
    scopes: frozenset[str]
    redirect_uri: str
    nonce: str
    code_challenge: str
    authenticated_at: datetime | None
    used: bool = False


@dataclass(slots=True)
class MemoryAuthorizationServer:
    """Implements ``AuthorizationServer``. A test plays the person: it takes an address and gets the return's query."""

    clock: Clock
    exchange_count: int = 0
    """Token requests with a code, good or not."""
    refresh_count: int = 0
    fail_next: list[OstiaryError] = field(default_factory=list[OstiaryError])
    """Raised by the next calls of the back channel, first one first."""
    refreshed_scopes: frozenset[str] | None = None
    """What a refresh grants; None means what was asked."""
    principals: dict[str, ServicePrincipalState] = field(default_factory=dict[str, ServicePrincipalState])
    """By tenant id; absent where none is named."""
    _codes: dict[str, _Issued] = field(default_factory=dict[str, _Issued])
    _refresh_tokens: dict[str, MemoryPerson] = field(default_factory=dict[str, MemoryPerson])

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
        if prompt == "consent":
            raise ValueError("prompt=consent is never sent")
        query = {
            "client_id": registration.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge,
            "prompt": prompt,
            "login_hint": login_hint,
            "domain_hint": domain_hint,
            "max_age": None if most_age_seconds is None else str(most_age_seconds),
            "acrs": authentication_context,
        }
        return f"{_ORIGIN}/{authority}/authorize?{_encoded(query)}"

    def admin_consent_url(
        self,
        registration: AppRegistration,
        *,
        authority: str,
        redirect_uri: str,
        scopes: Sequence[str],
        state: str,
    ) -> str:
        query = {
            "client_id": registration.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(scopes),
            "state": state,
        }
        return f"{_ORIGIN}/{authority}/adminconsent?{_encoded(query)}"

    def accept(self, url: str, *, tenant_id: str, scope: str | None = None) -> list[tuple[str, str]]:
        """An administrator chose Accept on the approval page; the app is in the tenant from now on."""
        self.principals[tenant_id] = ServicePrincipalState.PRESENT
        asked = _query(url)
        return [
            ("admin_consent", "True"),
            ("tenant", tenant_id),
            ("scope", asked["scope"] if scope is None else scope),
            ("state", asked["state"]),
        ]

    def refuse(self, url: str, error: str, **more: str) -> list[tuple[str, str]]:
        """Microsoft sent the browser back with an error."""
        return [("error", error), *more.items(), ("state", _query(url)["state"])]

    def sign_in(
        self, url: str, person: MemoryPerson, *, scopes: Sequence[str] | None = None
    ) -> list[tuple[str, str]]:
        """A person signed in; the answer's token will hold ``scopes``, or those asked for."""
        asked = _query(url)
        code = f"code-{len(self._codes)}"
        granted = asked["scope"].split() if scopes is None else scopes
        self._codes[code] = _Issued(
            person=person,
            scopes=frozenset(granted) - {"openid", "profile", "offline_access"},
            redirect_uri=asked["redirect_uri"],
            nonce=asked["nonce"],
            code_challenge=asked["code_challenge"],
            # Entra tells it to those who asked for a greatest age.
            authenticated_at=(person.authenticated_at or self.clock.now()) if "max_age" in asked else None,
        )
        return [("code", code), ("state", asked["state"])]

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
        self.exchange_count += 1
        self._fail_if_told()
        issued = self._codes.get(code.reveal())
        if (
            issued is None
            or issued.used
            or issued.redirect_uri != redirect_uri
            or issued.nonce != nonce
            or issued.code_challenge != challenge_of(code_verifier)
        ):
            raise FlowRejected("The code is not good.", reason="session_lost")
        issued.used = True
        return self._tokens(registration, issued.person, issued.scopes, issued.authenticated_at)

    async def refresh(
        self,
        registration: AppRegistration,
        *,
        tenant_id: str,
        refresh_token: Secret,
        scopes: Sequence[str],
    ) -> TokenSet:
        self.refresh_count += 1
        self._fail_if_told()
        person = self._refresh_tokens.get(refresh_token.reveal())
        if person is None:
            raise ReauthorizationRequired("The token is not good.", reason="sign_in_needed")
        granted = frozenset(scopes) if self.refreshed_scopes is None else self.refreshed_scopes
        return self._tokens(registration, person, granted)

    async def service_principal_state(
        self, registration: AppRegistration, *, tenant_id: str
    ) -> ServicePrincipalState:
        self._fail_if_told()
        return self.principals.get(tenant_id, ServicePrincipalState.ABSENT)

    def _tokens(
        self,
        registration: AppRegistration,
        person: MemoryPerson,
        scopes: frozenset[str],
        authenticated_at: datetime | None = None,
    ) -> TokenSet:
        number = len(self._refresh_tokens)
        self._refresh_tokens[f"refresh-{number}"] = replace(person)
        return TokenSet(
            access_token=Secret(f"access-{number}"),
            expires_at=self.clock.now() + timedelta(hours=1),
            scopes=scopes,
            refresh_token=Secret(f"refresh-{number}"),
            claims=replace(
                _claims(registration, person, self.clock.now()), authenticated_at=authenticated_at
            ),
        )

    def _fail_if_told(self) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)


def _claims(registration: AppRegistration, person: MemoryPerson, now: datetime) -> SignedClaims:
    return SignedClaims(
        identity=MicrosoftIdentity(registration.cloud, person.tenant_id, person.object_id),
        username=person.username,
        display_name=person.display_name,
        issued_at=now,
        role_template_ids=person.role_template_ids,
        is_guest=person.is_guest,
        authentication_contexts=person.authentication_contexts,
    )


def _encoded(query: Mapping[str, str | None]) -> str:
    return urlencode({name: value for name, value in query.items() if value is not None})


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
