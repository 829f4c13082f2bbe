"""Taking a person's return from Microsoft, for those who only want to know who it is: console and trust page."""

from __future__ import annotations

from dataclasses import dataclass

from ostiary.core.audit.model import Actor
from ostiary.core.kernel.errors import FlowRejected, PermissionDenied, ProviderDetail
from ostiary.core.kernel.secret import Secret
from ostiary.core.reasons.classify import classify
from ostiary.core.reasons.model import Where
from ostiary.core.signin.model import (
    PERSONAL_ACCOUNTS_TENANT_ID,
    AuthorizationRequest,
    FlowKind,
    ReturnParameters,
    SignedClaims,
    TokenSet,
)
from ostiary.core.signin.service import SignInService


@dataclass(frozen=True, slots=True)
class Arrival:
    """A person of a work account whose sign-in was verified, with the tokens that proved it."""

    request: AuthorizationRequest
    tokens: TokenSet
    claims: SignedClaims


class ArrivalRefused(PermissionDenied):
    """Microsoft or the rules of every sign-in refuse; ``claims`` is set where it is known who came."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        provider: ProviderDetail | None = None,
        claims: SignedClaims | None = None,
    ) -> None:
        super().__init__(message, reason=reason, provider=provider)
        self.claims = claims


async def take_arrival(
    signin: SignInService,
    parameters: ReturnParameters,
    *,
    kind: FlowKind,
    registration_id: str,
    browser_secret: Secret | None,
    actor: Actor,
) -> Arrival:
    """Use the pending request up, exchange its code, and let only work accounts of their own directory in.

    Raises:
        FlowRejected: The return fits no sign-in that this browser began. Audited.
        ArrivalRefused: ``reason`` tells why; the caller puts it on record in its own words.
        TemporarilyUnavailable: Microsoft does not answer; try again.
    """
    request = await signin.consume(
        parameters,
        kinds=(kind,),
        registration_id=registration_id,
        browser_secret=browser_secret,
        actor=actor,
    )
    if parameters.error is not None:
        reason = classify(
            parameters.error,
            where=Where.CONNECT,
            error_subcode=parameters.error_subcode,
            error_codes=parameters.error_codes,
        )
        detail = ProviderDetail(code=parameters.provider_code, correlation_id=parameters.correlation_id)
        raise ArrivalRefused("Microsoft didn’t sign you in.", reason=reason, provider=detail)
    try:
        tokens = await signin.redeem(request, parameters)
    except FlowRejected as error:
        # The state was good and its code was not: somebody swapped it, or brought it too late.
        raise ArrivalRefused(
            error.message, reason=error.reason or "session_lost", provider=error.provider
        ) from error
    claims = tokens.claims
    if claims is None:
        raise FlowRejected("Microsoft's answer names nobody.", reason="session_lost")
    if claims.is_guest or claims.identity.tenant_id == PERSONAL_ACCOUNTS_TENANT_ID:
        raise ArrivalRefused(
            "Only work accounts can sign in here, in the organization they belong to.",
            reason="personal_account",
            claims=claims,
        )
    return Arrival(request, tokens, claims)
