"""Round trips to Microsoft: begin one, take its return exactly once, exchange its code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import FlowRejected, Misconfigured
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.signin import derivation
from ostiary.core.signin.model import (
    AUTHORIZATION_REQUEST_LIFE,
    AppRegistration,
    AuthorizationRequest,
    FlowKind,
    RedirectAddresses,
    Registrations,
    ReturnParameters,
    StartedFlow,
    TokenSet,
)
from ostiary.core.signin.ports import AuthorizationServer, SignInTransaction
from ostiary.core.signin.returns import parse_return

_KEPT_AFTER_EXPIRY: Final = timedelta(days=1)
"""Spent requests stay this long, so that a late or replayed return is recognised for what it is (SR-11)."""

_SECRET_BYTES: Final = 32


class SignInService:
    """The rule behind every redirect to Microsoft: one return, in the browser that began it (SR-1 to SR-6)."""

    def __init__(
        self,
        *,
        transactions: Transactions[SignInTransaction],
        clock: Clock,
        entropy: Entropy,
        authorization_server: AuthorizationServer,
        registrations: Registrations,
        addresses: RedirectAddresses,
        flow_key: bytes,
    ) -> None:
        if len(flow_key) < derivation.FLOW_KEY_BYTES:
            raise ValueError("the flow key is too short")
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._server = authorization_server
        self._registrations = registrations
        self._addresses = addresses
        self._flow_key = flow_key

    async def begin(
        self,
        *,
        kind: FlowKind,
        registration_id: str,
        authority: str,
        scopes: Sequence[str],
        browser_secret: Secret,
        subject: Mapping[str, str],
        prompt: str | None = None,
        login_hint: str | None = None,
        domain_hint: str | None = None,
        most_age_seconds: int | None = None,
        authentication_context: str | None = None,
    ) -> StartedFlow:
        """Store a pending request and return the address at Microsoft to send this browser to.

        Args:
            authority: A tenant id, or ``organizations``.
            browser_secret: Value of the browser's own cookie; the return must come with the same one.
            subject: Ids of what the flow is for; handed back by :meth:`consume`.
            most_age_seconds: As of ``AuthorizationServer.authorize_url``; likewise ``authentication_context``.
        """
        registration = self._registration(registration_id)
        redirect_uri = self._addresses.redirect_uri(kind, registration_id)
        state = derivation.random_secret(self._entropy.token_bytes(_SECRET_BYTES))
        now = self._clock.now()
        request = AuthorizationRequest(
            id=new_id("flow", self._entropy),
            kind=kind,
            state_hash=derivation.secret_hash(state),
            browser_hash=derivation.secret_hash(browser_secret),
            registration_id=registration.id,
            cloud=registration.cloud,
            authority=authority,
            redirect_uri=redirect_uri,
            scopes=tuple(scopes),
            created_at=now,
            expires_at=now + AUTHORIZATION_REQUEST_LIFE,
            subject=dict(subject),
        )
        async with self._transactions() as transaction:
            await transaction.authorization_requests.add(request)
        if kind is FlowKind.ADMIN_CONSENT:
            url = self._server.admin_consent_url(
                registration,
                authority=authority,
                redirect_uri=redirect_uri,
                scopes=scopes,
                state=state.reveal(),
            )
        else:
            url = self._server.authorize_url(
                registration,
                authority=authority,
                redirect_uri=redirect_uri,
                scopes=scopes,
                state=state.reveal(),
                nonce=derivation.nonce(self._flow_key, state),
                code_challenge=derivation.code_challenge(derivation.code_verifier(self._flow_key, state)),
                prompt=prompt,
                login_hint=login_hint,
                domain_hint=domain_hint,
                most_age_seconds=most_age_seconds,
                authentication_context=authentication_context,
            )
        return StartedFlow(request_id=request.id, url=url)

    @staticmethod
    def parse_return(parameters: Iterable[tuple[str, str]]) -> ReturnParameters:
        """Read a return's query; see :func:`ostiary.core.signin.returns.parse_return`."""
        return parse_return(parameters)

    async def consume(
        self,
        parameters: ReturnParameters,
        *,
        kinds: Sequence[FlowKind],
        registration_id: str,
        browser_secret: Secret | None,
        actor: Actor,
    ) -> AuthorizationRequest:
        """Use up the one pending request that this return answers, whether it brings a code or an error.

        Args:
            kinds: Kinds the called address takes; they share one redirect URI.
            registration_id: From the path of the called address.
            browser_secret: Of the calling browser; None when it sent no cookie.

        Raises:
            FlowRejected: Forged, replayed, expired, of another browser or another address. Audited; nothing
                was sent to Microsoft. The message never says which (SR-69).
        """
        redirect_uri = self._addresses.redirect_uri(kinds[0], registration_id)
        now = self._clock.now()
        state = None if parameters.state is None else Secret(parameters.state)
        async with self._transactions() as transaction:
            request = None
            if state is not None and browser_secret is not None:
                request = await transaction.authorization_requests.consume(
                    state_hash=derivation.secret_hash(state),
                    browser_hash=derivation.secret_hash(browser_secret),
                    redirect_uri=redirect_uri,
                    now=now,
                )
            if request is not None and request.kind in kinds:
                return request
            known = (
                None
                if state is None
                else await transaction.authorization_requests.find_by_state(
                    state_hash=derivation.secret_hash(state)
                )
            )
            await transaction.audit.record(
                "sign_in.return_refused",
                "A return from Microsoft fitted no pending sign-in of that browser and was refused.",
                actor=actor,
                outcome="refused",
                organization_id=None if known is None else known.subject.get("organization_id"),
                object_id=None if known is None else known.id,
                reason="session_lost",
                detail={
                    "why": "other_flow"
                    if request
                    else self._why_refused(known, browser_secret, redirect_uri),
                    "address": redirect_uri,
                },
            )
        raise FlowRejected("We lost track of this sign-in.", reason="session_lost")

    async def find_repeat(
        self, parameters: ReturnParameters, *, browser_secret: Secret | None
    ) -> AuthorizationRequest | None:
        """Return the request that this very browser already completed with the same return.

        For a reload or a second click: show where it led, and exchange nothing again.
        """
        if parameters.state is None or browser_secret is None:
            return None
        async with self._transactions() as transaction:
            known = await transaction.authorization_requests.find_by_state(
                state_hash=derivation.secret_hash(Secret(parameters.state))
            )
        if known is None or known.consumed_at is None:
            return None
        return known if known.browser_hash == derivation.secret_hash(browser_secret) else None

    async def redeem(self, request: AuthorizationRequest, parameters: ReturnParameters) -> TokenSet:
        """Exchange the code of a consumed request; the result's ``claims`` are verified and always set.

        Raises:
            FlowRejected: There is no code, or it or the ID token is not good.
            Others: As :class:`~ostiary.core.signin.ports.AuthorizationServer` says.
        """
        if parameters.code is None or parameters.state is None:
            raise FlowRejected("Microsoft's answer holds no code.", reason="session_lost")
        state = Secret(parameters.state)
        return await self._server.redeem_code(
            self._registration(request.registration_id),
            authority=request.authority,
            redirect_uri=request.redirect_uri,
            code=parameters.code,
            code_verifier=derivation.code_verifier(self._flow_key, state),
            scopes=request.scopes,
            nonce=derivation.nonce(self._flow_key, state),
        )

    async def forget_expired(self) -> int:
        """Delete requests that no return can fit any more. Job ``sign_in.forget_expired``."""
        async with self._transactions() as transaction:
            return await transaction.authorization_requests.delete_expired(
                before=self._clock.now() - _KEPT_AFTER_EXPIRY
            )

    def _registration(self, registration_id: str) -> AppRegistration:
        found = self._registrations.find(registration_id)
        if found is None:
            raise Misconfigured("This app registration is not configured any more.", reason="our_fault")
        return found

    @staticmethod
    def _why_refused(
        known: AuthorizationRequest | None, browser_secret: Secret | None, redirect_uri: str
    ) -> str:
        """Word for the audit log only; the person in front of the page learns nothing of it."""
        if known is None:
            return "unknown_state"
        if browser_secret is None or known.browser_hash != derivation.secret_hash(browser_secret):
            return "other_browser"
        if known.redirect_uri != redirect_uri:
            return "other_address"
        # It fits in everything else, so it was used up or its time is over.
        return "expired" if known.consumed_at is None else "used_already"
