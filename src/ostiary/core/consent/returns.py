"""What a return from Microsoft amounts to, step by step (SR-12 to SR-18)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.consent.evidence import EvidenceGatherer
from ostiary.core.consent.ledger import AttemptLedger
from ostiary.core.consent.machine import APPROVED
from ostiary.core.consent.model import ConsentAttempt, ConsentState
from ostiary.core.consent.ports import ConsentTransaction
from ostiary.core.consent.starts import AttemptStarter
from ostiary.core.consent.verdict import Evidence, judge
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import (
    Conflict,
    ConsentRequired,
    FlowRejected,
    Misconfigured,
    OstiaryError,
    ProviderContractBroken,
    ProviderDetail,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Organization
from ostiary.core.reasons.catalogue import get_reason
from ostiary.core.reasons.classify import classify, variant_of
from ostiary.core.reasons.model import Where
from ostiary.core.signin.model import AuthorizationRequest, FlowKind, Registrations, ReturnParameters
from ostiary.core.signin.service import SignInService
from ostiary.core.tenants.model import BindingState, ClaimOutcome
from ostiary.core.tenants.service import Directory, TenantService, owner_of

_MAY_FAIL_ON: Final = frozenset({"declined", "not_admin", "unknown", "session_lost", "not_confirmed"})
"""Answers to the confirming sign-in that do not contradict an Accept a moment earlier: the approval may only
be slow, so we keep looking."""

HOW_SEEN: Final = "token_scope+directory_role"
"""Evidence of an approval that needed nobody's word."""


@dataclass(frozen=True, slots=True)
class AttemptStep:
    """Where a return leads: on to Microsoft, or to the attempt's page."""

    attempt: ConsentAttempt
    continue_at: str | None = None


class ReturnHandler:
    """Takes returns of both hops: the approval itself, and the sign-in that proves it."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConsentTransaction],
        clock: Clock,
        sign_in: SignInService,
        tenants: TenantService,
        evidence: EvidenceGatherer,
        starter: AttemptStarter,
        ledger: AttemptLedger,
        registrations: Registrations,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._sign_in = sign_in
        self._tenants = tenants
        self._evidence = evidence
        self._starter = starter
        self._ledger = ledger
        self._registrations = registrations

    async def complete(
        self,
        parameters: ReturnParameters,
        *,
        registration_id: str,
        browser_secret: Secret | None,
        actor: Actor,
    ) -> AttemptStep:
        """Take a return from Microsoft and say where to go next.

        Raises:
            FlowRejected: It fits no pending attempt of this browser (``session_lost``).
        """
        await hit(Failpoint.CONSENT_RECEIVED)
        try:
            request = await self._sign_in.consume(
                parameters,
                kinds=(FlowKind.ADMIN_CONSENT, FlowKind.ADMIN_CONFIRM),
                registration_id=registration_id,
                browser_secret=browser_secret,
                actor=actor,
            )
        except FlowRejected:
            # A reload or a second click of this very browser: show where the first one led.
            repeated = await self._sign_in.find_repeat(parameters, browser_secret=browser_secret)
            if repeated is None or "attempt_id" not in repeated.subject:
                raise
            return AttemptStep(await self._attempt_of(repeated))
        await hit(Failpoint.CONSENT_STATE_CONSUMED)
        attempt = await self._attempt_of(request)
        try:
            return await self._take(attempt, request, parameters, browser_secret, actor)
        except Conflict:
            # Another return of the same attempt, from another tab, decided it meanwhile: that one stands.
            return AttemptStep(await self._attempt_of(request))

    async def _take(
        self,
        attempt: ConsentAttempt,
        request: AuthorizationRequest,
        parameters: ReturnParameters,
        browser_secret: Secret | None,
        actor: Actor,
    ) -> AttemptStep:
        if parameters.error is not None:
            return AttemptStep(await self._take_error(attempt, request, parameters, actor))
        if request.kind is FlowKind.ADMIN_CONSENT:
            return await self._take_consent(attempt, parameters, browser_secret, actor)
        if attempt.state in APPROVED:
            return AttemptStep(await self._look_once_more(attempt, request, parameters, actor))
        return AttemptStep(await self._take_confirmation(attempt, request, parameters, actor))

    async def _take_error(
        self,
        attempt: ConsentAttempt,
        request: AuthorizationRequest,
        parameters: ReturnParameters,
        actor: Actor,
    ) -> ConsentAttempt:
        reason = classify(
            parameters.error,
            where=Where.CONSENT,
            error_subcode=parameters.error_subcode,
            error_codes=parameters.error_codes,
        )
        provider = ProviderDetail(
            code=parameters.provider_code,
            correlation_id=parameters.correlation_id,
            occurred_at=self._clock.now(),
        )
        variant = variant_of(reason, parameters.error_codes)
        if attempt.state in APPROVED:
            return attempt
        confirming = request.kind is FlowKind.ADMIN_CONFIRM
        if confirming and (reason in _MAY_FAIL_ON or reason == "microsoft_down"):
            kept = reason if reason == "microsoft_down" else "not_confirmed"
            return await self._keep_looking(attempt, kept, provider, actor)
        return await self._refuse(attempt, reason, actor, variant=variant, provider=provider)

    async def _take_consent(
        self,
        attempt: ConsentAttempt,
        parameters: ReturnParameters,
        browser_secret: Secret | None,
        actor: Actor,
    ) -> AttemptStep:
        accepted = (parameters.admin_consent or "").lower() == "true"
        if not accepted or browser_secret is None:
            return AttemptStep(await self._refuse(attempt, "unknown", actor))
        claimed = _tenant_id(parameters.tenant)
        expected = attempt.expected_tenant_id
        attempt = replace(
            attempt,
            claimed_tenant_id=claimed,
            claimed_scopes=tuple((parameters.scope or "").split()),
            returned_at=self._clock.now(),
        )
        if expected is not None and claimed is not None and claimed != expected.lower():
            attempt = await self._contradict(attempt, actor)
            return AttemptStep(attempt)
        async with self._transactions() as transaction:
            attempt = await self._ledger.moved(transaction, attempt, ConsentState.RETURNED)
            await self._ledger.record(
                transaction, attempt, "returned", "Microsoft sent the browser back; not proven yet.", actor
            )
        flow = await self._starter.confirm(attempt, browser_secret)
        return AttemptStep(attempt, flow.url)

    async def _take_confirmation(
        self,
        attempt: ConsentAttempt,
        request: AuthorizationRequest,
        parameters: ReturnParameters,
        actor: Actor,
    ) -> ConsentAttempt:
        attempt = replace(attempt, returned_at=attempt.returned_at or self._clock.now())
        try:
            evidence = await self._look(attempt, request, parameters)
        except (ConsentRequired, Throttled, TemporarilyUnavailable, ProviderContractBroken) as error:
            kept = "not_confirmed" if isinstance(error, ConsentRequired) else "microsoft_down"
            return await self._keep_looking(attempt, kept, error.provider, actor)
        except Misconfigured as error:
            # The approval may well be recorded; once our side is mended, looking again finds it.
            return await self._keep_looking(attempt, "our_fault", error.provider, actor)
        except OstiaryError as error:
            return await self._refuse(attempt, _reason_here(error), actor, provider=error.provider)
        return await self._decide(attempt, evidence, actor)

    async def _look_once_more(
        self,
        attempt: ConsentAttempt,
        request: AuthorizationRequest,
        parameters: ReturnParameters,
        actor: Actor,
    ) -> ConsentAttempt:
        """Look again at an approval that stands: what fails or differs now takes nothing back."""
        try:
            evidence = await self._look(attempt, request, parameters)
        except OstiaryError:
            return attempt
        seen = _with_evidence(attempt, evidence)
        still_proven = judge(attempt, evidence).may_bind and evidence.has_consenting_role
        if not still_proven or seen.tenant_id != attempt.tenant_id:
            return attempt
        async with self._transactions() as transaction:
            return await self._ledger.settle(transaction, seen, how=HOW_SEEN, actor=_person(seen, actor))

    async def _look(
        self, attempt: ConsentAttempt, request: AuthorizationRequest, parameters: ReturnParameters
    ) -> Evidence:
        tokens = await self._sign_in.redeem(request, parameters)
        await hit(Failpoint.CONSENT_ID_TOKEN_VERIFIED)
        registration = self._registrations.for_method(attempt.method)
        evidence = await self._evidence.gather(attempt, registration, tokens)
        await hit(Failpoint.CONSENT_EVIDENCE_FETCHED)
        return evidence

    async def _decide(self, attempt: ConsentAttempt, evidence: Evidence, actor: Actor) -> ConsentAttempt:
        attempt = _with_evidence(attempt, evidence)
        verdict = judge(attempt, evidence)
        person = _person(attempt, actor)
        if verdict.state is ConsentState.CONTRADICTED:
            return await self._contradict(attempt, person)
        if verdict.state is ConsentState.REFUSED:
            return await self._refuse(attempt, verdict.reason or "unknown", person, variant=verdict.variant)
        if verdict.state is ConsentState.VERIFYING:
            return await self._keep_looking(attempt, "not_confirmed", None, person)
        bound = await self._bind(attempt, evidence, person)
        await hit(Failpoint.CONSENT_BINDING_COMMITTED)
        return bound

    async def _bind(self, attempt: ConsentAttempt, evidence: Evidence, actor: Actor) -> ConsentAttempt:
        async with self._transactions() as transaction:
            directory = directory_of(attempt)
            organization = await self._organization_of(transaction, attempt, directory)
            if organization is None:
                return await self._ledger.wait_for_owner(transaction, attempt, actor)
            attempt = replace(attempt, organization_id=organization.id)
            claim = await self._tenants.claim(
                transaction,
                directory,
                organization=organization,
                expected_tenant_id=attempt.expected_tenant_id,
                may_bind=evidence.has_consenting_role,
                actor=actor,
            )
            if claim.outcome is ClaimOutcome.TAKEN:
                return await self._ledger.end(
                    transaction, attempt, ConsentState.REFUSED, "tenant_taken", None, actor
                )
            if claim.outcome is ClaimOutcome.PENDING or not evidence.has_consenting_role:
                return await self._ledger.wait_for_owner(transaction, attempt, actor)
            attempt = await self._ledger.settle(transaction, attempt, how=HOW_SEEN, actor=actor)
            await hit(Failpoint.CONSENT_BINDING_WRITTEN)
            return attempt

    async def _organization_of(
        self, transaction: ConsentTransaction, attempt: ConsentAttempt, directory: Directory
    ) -> Organization | None:
        if attempt.organization_id is not None:
            return await transaction.organizations.get(attempt.organization_id)
        known = await transaction.tenants.find_by_tenant_id(
            cloud=directory.cloud, tenant_id=directory.tenant_id
        )
        if known is not None and known.binding is BindingState.BOUND:
            return await transaction.organizations.get(known.organization_id)
        candidates = await transaction.organizations.candidates_for_tenant(
            tenant_id=directory.tenant_id, domains=directory.verified_domains
        )
        return owner_of(known, candidates, directory)

    async def _contradict(self, attempt: ConsentAttempt, actor: Actor) -> ConsentAttempt:
        async with self._transactions() as transaction:
            return await self._ledger.end(
                transaction, attempt, ConsentState.CONTRADICTED, "wrong_tenant", None, actor
            )

    async def _refuse(
        self,
        attempt: ConsentAttempt,
        reason: str,
        actor: Actor,
        *,
        variant: str | None = None,
        provider: ProviderDetail | None = None,
    ) -> ConsentAttempt:
        attempt = replace(attempt, provider=provider or attempt.provider)
        async with self._transactions() as transaction:
            return await self._ledger.end(transaction, attempt, ConsentState.REFUSED, reason, variant, actor)

    async def _keep_looking(
        self, attempt: ConsentAttempt, reason: str, provider: ProviderDetail | None, actor: Actor
    ) -> ConsentAttempt:
        async with self._transactions() as transaction:
            return await self._ledger.keep_looking(transaction, attempt, reason, provider, actor)

    async def _attempt_of(self, request: AuthorizationRequest) -> ConsentAttempt:
        async with self._transactions() as transaction:
            return await transaction.consent_attempts.get(request.subject["attempt_id"])


def directory_of(attempt: ConsentAttempt) -> Directory:
    """Return the directory of an attempt as a claim needs it."""
    return Directory(
        cloud=attempt.cloud,
        tenant_id=attempt.tenant_id or "",
        display_name=attempt.tenant_name or "",
        verified_domains=attempt.tenant_domains,
    )


def _with_evidence(attempt: ConsentAttempt, evidence: Evidence) -> ConsentAttempt:
    claims, directory = evidence.claims, evidence.directory
    return replace(
        attempt,
        tenant_id=claims.identity.tenant_id,
        tenant_name=attempt.tenant_name if directory is None else directory.display_name,
        tenant_domains=attempt.tenant_domains if directory is None else directory.verified_domains,
        account=claims.username or None,
        account_name=claims.display_name or None,
        account_object_id=claims.identity.object_id,
        has_consenting_role=evidence.has_consenting_role,
        granted_scopes=tuple(sorted(evidence.granted_scopes)),
        ews_reachable=evidence.ews_reachable,
        provider=None,
    )


def _person(attempt: ConsentAttempt, actor: Actor) -> Actor:
    """Return who acts, now that Microsoft has vouched for them."""
    return replace(
        actor,
        kind=ActorKind.PERSON,
        id=attempt.account_object_id or "",
        name=attempt.account_name or attempt.account or "",
    )


def _tenant_id(value: str | None) -> str | None:
    """Return a directory id out of a redirect, or None when it is not even the shape of one."""
    text = (value or "").lower()
    shaped = len(text) == 36 and all(
        character == "-" if index in (8, 13, 18, 23) else character in "0123456789abcdef"
        for index, character in enumerate(text)
    )
    return text if shaped else None


def _reason_here(error: OstiaryError) -> str:
    """Return the error's reason when it can be shown in this flow."""
    reason = get_reason(error.reason)
    return reason.id if Where.CONSENT in reason.where else "unknown"
