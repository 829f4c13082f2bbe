"""Looks after approvals without anybody present: slow ones until they show, standing ones every hour."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from ostiary.core.audit.model import SYSTEM
from ostiary.core.consent.announcing import announce
from ostiary.core.consent.machine import move
from ostiary.core.consent.model import VERIFICATION_WINDOW, Consent, ConsentAttempt, ConsentState
from ostiary.core.consent.ports import ConsentTransaction
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import NotFound, OstiaryError
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.signin.model import AppRegistration, Registrations
from ostiary.core.signin.ports import AuthorizationServer, ServicePrincipalState

CHECK_EVERY: Final = timedelta(minutes=50)
"""With a run every few minutes this keeps the promise "we notice within the hour" (UX §4.3)."""

_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=5)
_BATCH: Final = 50
_SECOND_LOOK_SECONDS: Final = 3.0
"""Microsoft's copies of a directory differ for moments: one look must not take an approval back (SR-47)."""


class ConsentWatch:
    """Jobs ``consent.verify`` and ``consent.check_due``.

    Without a token we can only ask whether our app exists and is enabled in a directory. That separates "never
    approved" and "removed" from the rest; a person's sign-in proves more.
    """

    def __init__(
        self,
        *,
        transactions: Transactions[ConsentTransaction],
        clock: Clock,
        authorization_server: AuthorizationServer,
        registrations: Registrations,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._server = authorization_server
        self._registrations = registrations
        self._sleep = sleep

    async def verify(self, attempt_id: str) -> None:
        """Look whether a slow approval has arrived, and plan the next look; after half an hour give up."""
        async with self._transactions() as transaction:
            try:
                attempt = await transaction.consent_attempts.get(attempt_id)
            except NotFound:
                return
        if not _is_waiting(attempt):
            return
        state = await self._probe(
            self._registrations.find(attempt.registration_id),
            attempt.tenant_id or attempt.claimed_tenant_id or attempt.expected_tenant_id,
        )
        now = self._clock.now()
        async with self._transactions() as transaction:
            attempt = await transaction.consent_attempts.get(attempt_id)
            if not _is_waiting(attempt):
                return
            if now - (attempt.returned_at or attempt.created_at) >= VERIFICATION_WINDOW:
                await self._give_up(transaction, attempt, state)
                return
            count = attempt.check_count + 1
            due = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**count)
            await transaction.consent_attempts.save(
                replace(attempt, check_count=count, next_check_at=due, updated_at=now)
            )
            await transaction.jobs.enqueue(
                "consent.verify", {"attempt_id": attempt.id}, run_at=due, once_key=f"verify:{attempt.id}"
            )

    async def note_unfinished(self, attempt_id: str) -> bool:
        """Put on record that an attempt has had no answer for ten minutes. Job ``consent.unfinished``.

        Unfinished, never failed: Microsoft's own pages end most attempts, and tell nobody.
        """
        async with self._transactions() as transaction:
            try:
                attempt = await transaction.consent_attempts.get(attempt_id)
            except NotFound:
                return False
            if not attempt.is_unfinished(self._clock.now()):
                return False
            await transaction.audit.record(
                "consent.unfinished",
                "An approval was started and not finished: nobody came back from Microsoft for ten minutes.",
                actor=SYSTEM,
                organization_id=attempt.organization_id,
                object_id=attempt.id,
                reference=attempt.reference,
            )
        return True

    async def check_due(self) -> int:
        """Look after standing approvals that nobody looked at for a while; return how many."""
        now = self._clock.now()
        async with self._transactions() as transaction:
            due = await transaction.consents.due_for_check(checked_before=now - CHECK_EVERY, limit=_BATCH)
            # Marked before the network is asked, so that another worker takes others meanwhile.
            for consent in due:
                await transaction.consents.save(replace(consent, checked_at=now))
        for consent in due:
            await self._check(consent)
        return len(due)

    async def check_tenant(self, *, cloud: str, tenant_id: str) -> bool:
        """Look after one directory's standing approvals now, because somebody asked.

        Returns:
            Whether Microsoft answered about all of them; what it did not answer about stays as it is.
        """
        async with self._transactions() as transaction:
            consents = await transaction.consents.list_for_tenant(cloud=cloud, tenant_id=tenant_id)
        answered = True
        for consent in consents:
            if consent.verified_at is None:
                continue
            registration = self._registrations.for_method(consent.method)
            state = await self._probe(registration, tenant_id)
            if state is None:
                answered = False
                continue
            async with self._transactions() as transaction:
                await transaction.consents.save(replace(consent, checked_at=self._clock.now()))
            await self._settle(consent, registration, state)
        return answered

    async def _check(self, consent: Consent) -> None:
        try:
            registration = self._registrations.for_method(consent.method)
        except NotFound:
            return
        state = await self._probe(registration, consent.tenant_id)
        if state is not None:
            await self._settle(consent, registration, state)

    async def _settle(
        self, consent: Consent, registration: AppRegistration, state: ServicePrincipalState
    ) -> None:
        """Record what one answer says of an approval; bad news only after a second look says the same."""
        if state is ServicePrincipalState.PRESENT:
            if consent.state is ConsentState.WITHDRAWN:
                await self._restore(consent)
            return
        if consent.state is ConsentState.WITHDRAWN:
            return
        await self._sleep(_SECOND_LOOK_SECONDS)
        if await self._probe(registration, consent.tenant_id) is not state:
            return
        reason = "app_disabled" if state is ServicePrincipalState.DISABLED else "consent_withdrawn"
        async with self._transactions() as transaction:
            await self._withdraw(transaction, consent.cloud, consent.tenant_id, consent.method, reason)

    async def _probe(
        self, registration: AppRegistration | None, tenant_id: str | None
    ) -> ServicePrincipalState | None:
        """Ask about our app in the directory; None when the answer means nothing."""
        if registration is None or tenant_id is None:
            return None
        try:
            return await self._server.service_principal_state(registration, tenant_id=tenant_id)
        except OstiaryError:
            return None

    async def _give_up(
        self,
        transaction: ConsentTransaction,
        attempt: ConsentAttempt,
        state: ServicePrincipalState | None,
    ) -> None:
        await transaction.consent_attempts.save(
            replace(
                attempt,
                state=move(attempt.state, ConsentState.EXPIRED),
                reason="not_confirmed",
                reason_variant="too_late",
                next_check_at=None,
                updated_at=self._clock.now(),
            )
        )
        await transaction.audit.record(
            "consent.expired",
            "Microsoft did not show the approval within half an hour.",
            actor=SYSTEM,
            outcome="failed",
            organization_id=attempt.organization_id,
            object_id=attempt.id,
            reference=attempt.reference,
            reason="not_confirmed",
            detail={"app_in_directory": "unknown" if state is None else state.value},
        )
        await transaction.jobs.enqueue("approvals.tell_unconfirmed", {"attempt_id": attempt.id})

    async def _withdraw(
        self,
        transaction: ConsentTransaction,
        cloud: str,
        tenant_id: str,
        method: AccessMethod,
        reason: str,
    ) -> None:
        now = self._clock.now()
        consent = await transaction.consents.find(cloud=cloud, tenant_id=tenant_id, method=method)
        if consent is None or consent.state not in {ConsentState.VERIFIED, ConsentState.PARTIAL}:
            return
        withdrawn = replace(
            consent,
            state=move(consent.state, ConsentState.WITHDRAWN),
            reason=reason,
            checked_at=now,
            changed_at=now,
        )
        await transaction.consents.save(withdrawn)
        await announce(transaction.feed, consent, withdrawn)
        switched_off = reason == "app_disabled"
        await transaction.audit.record(
            "consent.switched_off" if switched_off else "consent.withdrawn",
            f"{method.label} is switched off in the organization."
            if switched_off
            else f"The approval of {method.label} was withdrawn at Microsoft.",
            actor=SYSTEM,
            organization_id=consent.organization_id,
            object_id=consent.id,
            reference=consent.reference,
            reason=reason,
        )

    async def _restore(self, consent: Consent) -> None:
        """Take back "switched off": the app is enabled again, and its grants were never removed."""
        async with self._transactions() as transaction:
            now = self._clock.now()
            restored = replace(
                consent,
                state=move(consent.state, ConsentState.VERIFIED),
                reason=None,
                checked_at=now,
                changed_at=now,
            )
            await transaction.consents.save(restored)
            await announce(transaction.feed, consent, restored)
            await transaction.audit.record(
                "consent.switched_on",
                f"{consent.method.label} is switched on again in the organization.",
                actor=SYSTEM,
                organization_id=consent.organization_id,
                object_id=consent.id,
                reference=consent.reference,
            )


def _is_waiting(attempt: ConsentAttempt) -> bool:
    return attempt.state is ConsentState.VERIFYING and attempt.reason != "tenant_pending"
