"""Gathers evidence with the administrator's own tokens, and drops them (SR-13, SR-16, SR-18)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ostiary.core.consent.model import ConsentAttempt
from ostiary.core.consent.permissions import GRAPH_RESOURCE, OPENID_SCOPES, missing_permissions, token_scopes
from ostiary.core.consent.ports import EWSAvailability
from ostiary.core.consent.verdict import Evidence
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import FlowRejected, OstiaryError
from ostiary.core.signin.model import AppRegistration, Registrations, SignedClaims, TokenSet
from ostiary.core.signin.ports import AuthorizationServer
from ostiary.core.tenants.ports import DirectoryFacts, TenantDirectory

_TRIES: Final = 3
_PAUSE_SECONDS: Final = 2.0
"""Three tries two seconds apart: a person waits for this page, and 8 seconds is the most (UX §4.2)."""

Sleep = Callable[[float], Awaitable[None]]


class EvidenceGatherer:
    """Turns the tokens of one return into facts. Nothing of it writes, and no token leaves it."""

    def __init__(
        self,
        *,
        authorization_server: AuthorizationServer,
        directory: TenantDirectory,
        ews: EWSAvailability | None,
        registrations: Registrations,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._server = authorization_server
        self._directory = directory
        self._ews = ews
        self._registrations = registrations
        self._sleep = sleep

    async def gather(
        self, attempt: ConsentAttempt, registration: AppRegistration, tokens: TokenSet
    ) -> Evidence:
        """Return what Microsoft's back channel says of this attempt.

        What cannot be read stays unknown in the result; it never fails the attempt.

        Raises:
            FlowRejected: The exchange brought no verified person.
        """
        claims = tokens.claims
        if claims is None:
            raise FlowRejected("Microsoft's answer names nobody.", reason="session_lost")
        tokens = await self._until_complete(attempt, registration, claims, tokens)
        directory = await self._directory_facts(attempt.method, registration, claims, tokens)
        ews_reachable = None
        if attempt.method is AccessMethod.EWS and self._ews is not None:
            ews_reachable = await self._ews_answer(self._ews, claims, tokens)
        return Evidence(
            claims=claims,
            granted_scopes=tokens.scopes,
            directory=directory,
            ews_reachable=ews_reachable,
        )

    async def _until_complete(
        self,
        attempt: ConsentAttempt,
        registration: AppRegistration,
        claims: SignedClaims,
        tokens: TokenSet,
    ) -> TokenSet:
        """Ask again for a few seconds while permissions are missing that the redirect named."""
        for _ in range(_TRIES):
            missing = missing_permissions(attempt.method, tokens.scopes)
            named = missing_permissions(attempt.method, attempt.claimed_scopes)
            if tokens.refresh_token is None or not missing or missing == named:
                break
            await self._sleep(_PAUSE_SECONDS)
            try:
                tokens = await self._server.refresh(
                    registration,
                    tenant_id=claims.identity.tenant_id,
                    refresh_token=tokens.refresh_token,
                    scopes=token_scopes(attempt.method),
                )
            except OstiaryError:
                break
        return tokens

    async def _directory_facts(
        self,
        method: AccessMethod,
        registration: AppRegistration,
        claims: SignedClaims,
        tokens: TokenSet,
    ) -> DirectoryFacts | None:
        try:
            if method is AccessMethod.GRAPH:
                access_token = tokens.access_token
            else:
                # A token is for one resource: the EWS sign-in's refresh token buys one for Graph, once.
                if tokens.refresh_token is None:
                    return None
                for_graph = await self._server.refresh(
                    registration,
                    tenant_id=claims.identity.tenant_id,
                    refresh_token=tokens.refresh_token,
                    scopes=(*OPENID_SCOPES, f"{GRAPH_RESOURCE}/User.Read"),
                )
                access_token = for_graph.access_token
            facts = await self._directory.read(access_token=access_token)
        except OstiaryError:
            return None
        return facts if facts.tenant_id == claims.identity.tenant_id else None

    async def _ews_answer(self, ews: EWSAvailability, claims: SignedClaims, tokens: TokenSet) -> bool | None:
        try:
            return await ews.is_reachable(access_token=tokens.access_token, address=claims.username)
        except OstiaryError:
            return None
