"""Every change of an attempt, with its audit record, its consent and its jobs, inside one open transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.consent.announcing import announce
from ostiary.core.consent.links import ApprovalLinks
from ostiary.core.consent.machine import move
from ostiary.core.consent.model import Consent, ConsentAttempt, ConsentState
from ostiary.core.consent.permissions import missing_permissions, unexpected_permissions
from ostiary.core.consent.ports import ConsentTransaction
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import ProviderContractBroken, ProviderDetail
from ostiary.core.kernel.ids import new_id
from ostiary.core.reasons.catalogue import get_reason

FIRST_CHECK_AFTER: Final = timedelta(seconds=5)
"""SR-14: from five seconds, growing to five minutes."""

_SOMEBODY_ELSE_MAY: Final = frozenset({"not_admin", "unverified_publisher"})
"""Endings where the way on is another person, who then needs a link of their own."""


class AttemptLedger:
    """Writes attempts. Each method leaves attempt, consent, audit and jobs agreeing with each other."""

    def __init__(self, *, clock: Clock, entropy: Entropy, links: ApprovalLinks) -> None:
        self._clock = clock
        self._entropy = entropy
        self._links = links

    async def settle(
        self, transaction: ConsentTransaction, attempt: ConsentAttempt, *, how: str, actor: Actor
    ) -> ConsentAttempt:
        """Put the approval on record and tell everyone, in one transaction."""
        now = self._clock.now()
        organization_id, tenant_id = attempt.organization_id, attempt.tenant_id
        if organization_id is None or tenant_id is None:
            raise ProviderContractBroken(
                "An approval without an organization or directory cannot be settled."
            )
        missing = missing_permissions(attempt.method, attempt.granted_scopes)
        state = ConsentState.PARTIAL if missing else ConsentState.VERIFIED
        reason = "missing_permission" if missing else None
        attempt = replace(
            attempt,
            state=move(attempt.state, state),
            reason=reason,
            reason_variant="one" if len(missing) == 1 else None,
            provider=None,
            verified_at=now,
            updated_at=now,
            next_check_at=None,
            told_count=await transaction.approval_requests.count_waiting(organization_id),
        )
        await transaction.consent_attempts.save(attempt)
        known = await transaction.consents.find(
            cloud=attempt.cloud, tenant_id=tenant_id, method=attempt.method
        )
        if known is not None:
            move(known.state, state)
        consent = Consent(
            id=known.id if known is not None else new_id("cns", self._entropy),
            cloud=attempt.cloud,
            tenant_id=tenant_id,
            organization_id=organization_id,
            method=attempt.method,
            state=state,
            reference=attempt.reference,
            granted_scopes=attempt.granted_scopes,
            approved_by_object_id=attempt.account_object_id,
            approved_by_username=attempt.account,
            approved_by_name=attempt.account_name,
            verified_at=now,
            verified_how=how,
            checked_at=now,
            changed_at=now,
            reason=reason,
        )
        await transaction.consents.save(consent)
        await announce(transaction.feed, known, consent)
        await self._use_up_link(transaction, attempt)
        if state is ConsentState.VERIFIED:
            await transaction.jobs.enqueue(
                "approvals.resolve", {"organization_id": organization_id, "method": attempt.method.value}
            )
        await transaction.jobs.enqueue("approvals.announce", {"attempt_id": attempt.id})
        name = attempt.account_name or attempt.account or "An administrator"
        sentence = f"{name} approved {attempt.method.label}; Microsoft confirmed it."
        await self.record(transaction, attempt, state.value, sentence, actor, how=how)
        extra = unexpected_permissions(attempt.granted_scopes)
        if extra:
            await transaction.audit.record(
                "consent.more_than_asked",
                f"The app holds permissions here that it never asks for: {', '.join(extra)}.",
                actor=SYSTEM,
                organization_id=organization_id,
                object_id=attempt.id,
                reference=attempt.reference,
                detail={"scopes": " ".join(extra)},
            )
        return attempt

    async def wait_for_owner(
        self, transaction: ConsentTransaction, attempt: ConsentAttempt, actor: Actor
    ) -> ConsentAttempt:
        """Rest until somebody confirms that the directory belongs to the organization (``tenant_pending``)."""
        attempt = replace(attempt, reason="tenant_pending", reason_variant=None, next_check_at=None)
        attempt = await self.moved(transaction, attempt, ConsentState.VERIFYING)
        await self._use_up_link(transaction, attempt)
        sentence = "Approved at Microsoft; waits until somebody confirms the organization."
        await self.record(transaction, attempt, "pending", sentence, actor)
        return attempt

    async def keep_looking(
        self,
        transaction: ConsentTransaction,
        attempt: ConsentAttempt,
        reason: str,
        provider: ProviderDetail | None,
        actor: Actor,
    ) -> ConsentAttempt:
        """Rest in ``verifying`` and plan the next look (job ``consent.verify``)."""
        due = self._clock.now() + FIRST_CHECK_AFTER
        attempt = replace(attempt, reason=reason, provider=provider, next_check_at=due)
        attempt = await self.moved(transaction, attempt, ConsentState.VERIFYING)
        await transaction.jobs.enqueue(
            "consent.verify", {"attempt_id": attempt.id}, run_at=due, once_key=f"verify:{attempt.id}"
        )
        sentence = "Microsoft does not show the approval yet; looking again."
        await self.record(transaction, attempt, "verifying", sentence, actor)
        return attempt

    async def end(
        self,
        transaction: ConsentTransaction,
        attempt: ConsentAttempt,
        state: ConsentState,
        reason: str,
        variant: str | None,
        actor: Actor,
    ) -> ConsentAttempt:
        """End an attempt without an approval; where somebody else may approve, with a link for them."""
        attempt = replace(attempt, reason=reason, reason_variant=variant, next_check_at=None)
        if reason in _SOMEBODY_ELSE_MAY:
            attempt = await self._with_forward_link(transaction, attempt, actor)
        attempt = await self.moved(transaction, attempt, state)
        sentence = f"An approval did not succeed: {get_reason(reason).id}."
        await self.record(transaction, attempt, state.value, sentence, actor)
        return attempt

    async def moved(
        self, transaction: ConsentTransaction, attempt: ConsentAttempt, state: ConsentState
    ) -> ConsentAttempt:
        """Store ``attempt`` in its next state, or raise Conflict when the table has no such move."""
        attempt = replace(attempt, state=move(attempt.state, state), updated_at=self._clock.now())
        await transaction.consent_attempts.save(attempt)
        return attempt

    async def record(
        self,
        transaction: ConsentTransaction,
        attempt: ConsentAttempt,
        what: str,
        sentence: str,
        actor: Actor,
        *,
        how: str | None = None,
    ) -> None:
        """Write one audit record with everything that is known of the attempt."""
        detail = {
            "method": attempt.method.value,
            "tenant_id": attempt.tenant_id,
            "claimed_tenant_id": attempt.claimed_tenant_id,
            "account": attempt.account,
            "object_id": attempt.account_object_id,
            "scopes": " ".join(attempt.granted_scopes) or None,
            "how": how,
            "provider_code": None if attempt.provider is None else attempt.provider.code,
            "correlation_id": None if attempt.provider is None else attempt.provider.correlation_id,
        }
        failed = what in {ConsentState.REFUSED.value, ConsentState.CONTRADICTED.value}
        await transaction.audit.record(
            f"consent.{what}",
            sentence,
            actor=actor,
            outcome="refused" if failed else "done",
            organization_id=attempt.organization_id,
            object_id=attempt.id,
            reference=attempt.reference,
            reason=attempt.reason,
            detail={name: value for name, value in detail.items() if value},
        )

    async def _with_forward_link(
        self, transaction: ConsentTransaction, attempt: ConsentAttempt, actor: Actor
    ) -> ConsentAttempt:
        """Make the link for the message to somebody who may approve: the old one is bound to this browser."""
        if attempt.link_id is None:
            return attempt
        link = await transaction.admin_consent_links.get(attempt.link_id)
        organization = await transaction.organizations.get(link.organization_id)
        issued = await self._links.issue(
            transaction,
            organization,
            asked_by_name=link.asked_by_name,
            asked_by_member_id=link.asked_by_member_id,
            expected_tenant_id=link.expected_tenant_id,
            actor=actor,
        )
        # The attempt's browser made it, so that browser may read it again.
        made = replace(issued.link, made_by_browser_hash=attempt.browser_hash)
        await transaction.admin_consent_links.save(made)
        return replace(attempt, forward_link_id=made.id)

    async def _use_up_link(self, transaction: ConsentTransaction, attempt: ConsentAttempt) -> None:
        if attempt.link_id is None:
            return
        link = await transaction.admin_consent_links.get(attempt.link_id)
        if link.used_at is None:
            await transaction.admin_consent_links.save(replace(link, used_at=self._clock.now()))
