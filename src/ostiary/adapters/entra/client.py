"""The token endpoint, over the shared HTTP session."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast

import aiohttp
import orjson

from ostiary.adapters.entra import urls
from ostiary.adapters.entra.assertion import ClientCredential, in_order
from ostiary.adapters.entra.clouds import Cloud
from ostiary.adapters.entra.errors import parse_token_error, translate
from ostiary.adapters.entra.id_token import IdTokenVerifier
from ostiary.adapters.entra.keys import SigningKeys
from ostiary.adapters.entra.validation_token import ValidationTokenVerifier
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Misconfigured,
    OstiaryError,
    ProviderContractBroken,
    TemporarilyUnavailable,
)
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.secret import Secret
from ostiary.core.reasons.model import Where
from ostiary.core.signin.model import AppRegistration, TokenSet
from ostiary.core.signin.ports import ServicePrincipalState

CALL_SECONDS: Final = 15.0
"""Total time of one call: a person waits for it at a redirect."""
MOST_BODY_BYTES: Final = 512 * 1024
"""Far above any token answer or key list."""
_LONGEST_TOKEN_LIFE_SECONDS: Final = 48 * 3600
_ABSENT: Final = frozenset({"AADSTS700016", "AADSTS7000229", "AADSTS90002"})
"""Answers of the probe that mean "our app is not in that tenant" (entra-id.md §2.7, §2.8)."""


class EntraAuthorizationServer:
    """Entra ID behind the ``AuthorizationServer`` port."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        cloud: Cloud,
        credentials: Mapping[str, ClientCredential],
        clock: Clock,
        entropy: Entropy,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        """``credentials`` by registration id."""
        self._session = session
        self._cloud = cloud
        self._credentials = credentials
        self._clock = clock
        self._entropy = entropy
        self._call_seconds = call_seconds
        self._keys = SigningKeys(fetch=self._fetch_keys, clock=clock)
        self._verifier = IdTokenVerifier(cloud=cloud, keys=self._keys, clock=clock)

    def validation_tokens(self, client_ids: Collection[str]) -> ValidationTokenVerifier:
        """Return what verifies that posts of notifications to these registrations are Microsoft's."""
        return ValidationTokenVerifier(
            cloud=self._cloud, keys=self._keys, clock=self._clock, client_ids=client_ids
        )

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
        return urls.authorize_url(
            self._cloud,
            client_id=registration.client_id,
            authority=authority,
            redirect_uri=redirect_uri,
            scopes=scopes,
            state=state,
            nonce=nonce,
            code_challenge=code_challenge,
            prompt=prompt,
            login_hint=login_hint,
            domain_hint=domain_hint,
            most_age_seconds=most_age_seconds,
            authentication_context=authentication_context,
        )

    def admin_consent_url(
        self,
        registration: AppRegistration,
        *,
        authority: str,
        redirect_uri: str,
        scopes: Sequence[str],
        state: str,
    ) -> str:
        return urls.admin_consent_url(
            self._cloud,
            client_id=registration.client_id,
            authority=authority,
            redirect_uri=redirect_uri,
            scopes=scopes,
            state=state,
        )

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
        body = await self._token_request(
            registration,
            authority,
            {
                "grant_type": "authorization_code",
                "code": code.reveal(),
                "redirect_uri": redirect_uri,
                "code_verifier": code_verifier.reveal(),
                "scope": " ".join(urls.wire_scopes(self._cloud, scopes)),
            },
            where=Where.CONNECT,
        )
        id_token = body.get("id_token")
        if not isinstance(id_token, str):
            raise ProviderContractBroken("Microsoft's answer holds no ID token.", reason="microsoft_down")
        return await self._token_set(registration, body, id_token, nonce=nonce)

    async def refresh(
        self,
        registration: AppRegistration,
        *,
        tenant_id: str,
        refresh_token: Secret,
        scopes: Sequence[str],
    ) -> TokenSet:
        body = await self._token_request(
            registration,
            tenant_id,
            {
                "grant_type": "refresh_token",
                "refresh_token": refresh_token.reveal(),
                "scope": " ".join(urls.wire_scopes(self._cloud, scopes)),
            },
            where=Where.HEALTH,
        )
        id_token = body.get("id_token")
        return await self._token_set(
            registration, body, id_token if isinstance(id_token, str) else None, nonce=None
        )

    async def service_principal_state(
        self, registration: AppRegistration, *, tenant_id: str
    ) -> ServicePrincipalState:
        # An app-only token is issued exactly when our app exists and is enabled there; it is thrown away.
        form = {"grant_type": "client_credentials", "scope": f"{self._cloud.graph_resource}/.default"}
        try:
            await self._token_request(registration, tenant_id, form, where=Where.HEALTH)
        except OstiaryError as error:
            if error.provider is not None and error.provider.code in _ABSENT:
                return ServicePrincipalState.ABSENT
            if isinstance(error, AccessBlocked) and error.reason == "app_disabled":
                return ServicePrincipalState.DISABLED
            raise
        return ServicePrincipalState.PRESENT

    async def _token_set(
        self,
        registration: AppRegistration,
        body: Mapping[str, Any],
        id_token: str | None,
        *,
        nonce: str | None,
    ) -> TokenSet:
        claims = None
        if id_token is not None:
            claims = await self._verifier.verify(id_token, client_id=registration.client_id, nonce=nonce)
        access_token, refresh_token = body.get("access_token"), body.get("refresh_token")
        scope, life = body.get("scope"), body.get("expires_in")
        if (
            not isinstance(access_token, str)
            or not access_token
            or str(body.get("token_type")).lower() != "bearer"
            or not isinstance(life, int)
            or not 0 < life <= _LONGEST_TOKEN_LIFE_SECONDS
        ):
            raise ProviderContractBroken("Microsoft's token answer is incomplete.", reason="microsoft_down")
        return TokenSet(
            access_token=Secret(access_token),
            expires_at=self._clock.now() + timedelta(seconds=life),
            scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
            refresh_token=Secret(refresh_token) if isinstance(refresh_token, str) and refresh_token else None,
            claims=claims,
        )

    async def _token_request(
        self, registration: AppRegistration, authority: str, form: Mapping[str, str], *, where: Where
    ) -> Mapping[str, Any]:
        credential = self._credentials.get(registration.id)
        if credential is None:
            raise Misconfigured("There is no credential for this app registration.", reason="our_fault")
        url = urls.token_url(self._cloud, authority)
        failure: Exception = _unavailable()
        now = self._clock.now()
        for proof in in_order(credential, now):
            identity = await proof.form(
                client_id=registration.client_id, audience=url, now=now, entropy=self._entropy
            )
            status, headers, content = await self._exchange("POST", url, form={**form, **identity})
            body = _decoded(content)
            if status == 200 and isinstance(body, dict):
                return cast("dict[str, Any]", body)
            error = parse_token_error(body) if status != 200 else None
            failure = translate(
                status, error, where=where, retry_after_seconds=_seconds(headers.get("Retry-After"))
            )
            # Nothing else is tried twice: only who we are is in doubt, and nothing was used up yet.
            if error is None or error.error != "invalid_client":
                break
        raise failure

    async def check(self) -> None:
        """Ask for the public signing keys, which needs no credential.

        Raises:
            TemporarilyUnavailable: Microsoft's sign-in host does not answer as it should.
        """
        await self._fetch_keys()

    async def _fetch_keys(self) -> object:
        status, _, content = await self._exchange("GET", urls.keys_url(self._cloud), form=None)
        if status != 200:
            raise _unavailable()
        return _decoded(content)

    async def _exchange(
        self, method: str, url: str, *, form: Mapping[str, str] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {
            "Accept": "application/json",
            # Comes back as correlation_id, so that support can find the call in Microsoft's log.
            "client-request-id": str(uuid.UUID(bytes=self._entropy.token_bytes(16), version=4)),
        }
        try:
            async with (
                asyncio.timeout(self._call_seconds),
                self._session.request(
                    method,
                    url,
                    data=form,
                    headers=headers,
                    # A redirect would carry the client's credential to wherever it points.
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=self._call_seconds, connect=5),
                ) as response,
            ):
                if method == "POST":
                    await hit(Failpoint.TOKEN_REQUEST_SENT)
                content = await _bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _unavailable() from error
        if method == "POST":
            await hit(Failpoint.TOKEN_RESPONSE_READ)
        return response.status, response.headers, content


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > MOST_BODY_BYTES:
            raise ProviderContractBroken(
                "Microsoft gave an answer larger than we take.", reason="microsoft_down"
            )
    return bytes(content)


def _decoded(content: bytes) -> object:
    """Return the JSON value, or None: a page of HTML says nothing that we could act on."""
    try:
        return cast(object, orjson.loads(content))
    except orjson.JSONDecodeError:
        return None


def _seconds(value: str | None) -> float | None:
    # Entra sends whole seconds, never a date (entra-id.md §5.2).
    return float(value) if value is not None and value.isdigit() and len(value) < 8 else None


def _unavailable() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Microsoft isn’t answering properly.", reason="microsoft_down")
