"""Use cases of admin consent: what pages, console, API and workers call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from ostiary.core.audit.model import Actor
from ostiary.core.consent.evidence import EvidenceGatherer, Sleep
from ostiary.core.consent.ledger import AttemptLedger
from ostiary.core.consent.links import ApprovalLinks
from ostiary.core.consent.model import AdminConsentLink, Consent, ConsentAttempt, ConsentState
from ostiary.core.consent.ports import ConsentTransaction, EWSAvailability
from ostiary.core.consent.returns import AttemptStep, ReturnHandler, directory_of
from ostiary.core.consent.starts import AttemptStarter
from ostiary.core.consent.watch import ConsentWatch
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict, NotFound
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Organization
from ostiary.core.signin.derivation import secret_hash
from ostiary.core.signin.model import Registrations, ReturnParameters, StartedFlow
from ostiary.core.signin.ports import AuthorizationServer
from ostiary.core.signin.service import SignInService
from ostiary.core.tenants.model import ClaimOutcome, Tenant
from ostiary.core.tenants.ports import TenantDirectory
from ostiary.core.tenants.service import TenantService


@dataclass(frozen=True, slots=True)
class AttemptView:
    """What the pages of one attempt are rendered from."""

    attempt: ConsentAttempt
    organization: Organization | None
    link: AdminConsentLink | None
    consent: Consent | None
    forward_url: Secret | None
    """Address of the link made for somebody who may approve; holds a secret."""
    waiting_count: int = 0


class ConsentService:
    """Admin consent. A redirect proves nothing; only Microsoft's back channel does (SR-12, SR-13).

    ``links`` makes and reads links for IT administrators; ``watch`` holds the background jobs.
    """

    def __init__(
        self,
        *,
        transactions: Transactions[ConsentTransaction],
        clock: Clock,
        entropy: Entropy,
        sign_in: SignInService,
        tenants: TenantService,
        authorization_server: AuthorizationServer,
        directory: TenantDirectory,
        ews: EWSAvailability | None,
        registrations: Registrations,
        public_url: str,
        link_key: bytes,
        offer_ews: bool = True,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """``link_key`` is a key of the instance for links alone; another one makes every open link invalid."""
        self._transactions = transactions
        self._tenants = tenants
        self.links = ApprovalLinks(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            public_url=public_url,
            link_key=link_key,
        )
        self._ledger = AttemptLedger(clock=clock, entropy=entropy, links=self.links)
        self._starter = AttemptStarter(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            sign_in=sign_in,
            links=self.links,
            ledger=self._ledger,
            registrations=registrations,
            offer_ews=offer_ews,
        )
        self._returns = ReturnHandler(
            transactions=transactions,
            clock=clock,
            sign_in=sign_in,
            tenants=tenants,
            evidence=EvidenceGatherer(
                authorization_server=authorization_server,
                directory=directory,
                ews=ews,
                registrations=registrations,
                sleep=sleep,
            ),
            starter=self._starter,
            ledger=self._ledger,
            registrations=registrations,
        )
        self.watch = ConsentWatch(
            transactions=transactions,
            clock=clock,
            authorization_server=authorization_server,
            registrations=registrations,
            sleep=sleep,
        )

    def ews_trouble(self) -> str | None:
        """Return why EWS cannot be chosen now: ``ews_ended``, ``not_offered``, or None when it can."""
        return self._starter.ews_trouble()

    async def start(
        self, method: AccessMethod, *, browser_secret: Secret, link_secret: Secret | None, actor: Actor
    ) -> StartedFlow:
        """Begin an attempt; see :meth:`AttemptStarter.start`."""
        return await self._starter.start(
            method, browser_secret=browser_secret, link_secret=link_secret, actor=actor
        )

    async def check_now(
        self, method: AccessMethod, *, browser_secret: Secret, link_secret: Secret | None, actor: Actor
    ) -> StartedFlow:
        """Look for an approval that was given without us; see :meth:`AttemptStarter.check_now`."""
        return await self._starter.check_now(
            method, browser_secret=browser_secret, link_secret=link_secret, actor=actor
        )

    async def check_again(self, reference: str, *, browser_secret: Secret, actor: Actor) -> StartedFlow:
        """Look once more: a new confirming sign-in, silent while the person is signed in at Microsoft.

        Raises:
            NotFound: Not an attempt of this browser, or one that is over.
        """
        async with self._transactions() as transaction:
            attempt = await self._own_attempt(transaction, reference, browser_secret)
            if attempt.state in {ConsentState.STARTED, ConsentState.REFUSED, ConsentState.CONTRADICTED}:
                raise NotFound("This attempt is over.", reference=reference)
            await transaction.audit.record(
                "consent.check_asked",
                "The IT administrator asked to look again.",
                actor=actor,
                organization_id=attempt.organization_id,
                object_id=attempt.id,
                reference=attempt.reference,
            )
        return await self._starter.confirm(attempt, browser_secret)

    async def complete(
        self,
        parameters: ReturnParameters,
        *,
        registration_id: str,
        browser_secret: Secret | None,
        actor: Actor,
    ) -> AttemptStep:
        """Take a return from Microsoft; see :meth:`ReturnHandler.complete`."""
        return await self._returns.complete(
            parameters, registration_id=registration_id, browser_secret=browser_secret, actor=actor
        )

    async def verify(self, attempt_id: str) -> None:
        """Job ``consent.verify``; see :meth:`ConsentWatch.verify`."""
        await self.watch.verify(attempt_id)

    async def check_due(self) -> int:
        """Job ``consent.check_due``, every few minutes; see :meth:`ConsentWatch.check_due`."""
        return await self.watch.check_due()

    async def view(self, reference: str, *, browser_secret: Secret) -> AttemptView:
        """Return what the pages of an attempt show, to the browser that started it.

        Raises:
            NotFound: Unknown, or of another browser: both look alike.
        """
        async with self._transactions() as transaction:
            attempt = await self._own_attempt(transaction, reference, browser_secret)
            return await self._view(transaction, attempt)

    async def view_for_organization(self, reference: str, *, organization_id: str | None) -> AttemptView:
        """Return the same to a signed-in organization admin; ``organization_id`` None is an operator."""
        async with self._transactions() as transaction:
            attempt = await transaction.consent_attempts.find_by_reference(reference)
            if attempt is None or (
                organization_id is not None and attempt.organization_id != organization_id
            ):
                raise NotFound("There is no such attempt.")
            return await self._view(transaction, attempt)

    async def latest_attempt(self, *, browser_secret: Secret) -> ConsentAttempt | None:
        """Return this browser's latest attempt without a link, for the note on the approval page."""
        async with self._transactions() as transaction:
            return await transaction.consent_attempts.latest_for_browser(
                browser_hash=secret_hash(browser_secret), organization_id=None
            )

    async def consents_of(self, organization_id: str) -> tuple[Consent, ...]:
        """Return the consents of an organization, by tenant and method."""
        async with self._transactions() as transaction:
            return await transaction.consents.list_for_organization(organization_id)

    async def attempts_of(self, organization_id: str, *, limit: int = 50) -> tuple[ConsentAttempt, ...]:
        """Return the attempts of an organization, newest first."""
        async with self._transactions() as transaction:
            return await transaction.consent_attempts.page_for_organization(organization_id, limit=limit)

    async def unclaimed(self, *, limit: int = 50) -> tuple[ConsentAttempt, ...]:
        """Return approvals that fit no organization we know, for the operator."""
        async with self._transactions() as transaction:
            return await transaction.consent_attempts.unclaimed(limit=limit)

    async def confirm_tenant(self, tenant_key: str, *, organization_id: str, actor: Actor) -> Tenant:
        """Bind a directory on the word of an organization admin or operator, and settle what waited for it.

        Raises:
            NotFound: Not a tenant of this organization.
        """
        async with self._transactions() as transaction:
            tenant = await self._tenants.confirm(
                transaction, tenant_key, organization_id=organization_id, actor=actor
            )
            waiting = await transaction.consent_attempts.waiting_for_confirmation(
                organization_id, cloud=tenant.cloud, tenant_id=tenant.tenant_id
            )
            # Oldest first, so that the newest approval is the one on record.
            for attempt in reversed(waiting):
                await self._ledger.settle(
                    transaction, attempt, how="token_scope+confirmed_by_admin", actor=actor
                )
        return tenant

    async def claim_attempt(self, reference: str, *, organization_id: str, actor: Actor) -> ConsentAttempt:
        """Give an approval that fitted no organization to one, on the operator's word.

        Raises:
            NotFound: No such unclaimed approval, or no such organization.
            Conflict: Its directory belongs to another organization already.
        """
        async with self._transactions() as transaction:
            attempt = await transaction.consent_attempts.find_by_reference(reference)
            if attempt is None or attempt.organization_id is not None or attempt.tenant_id is None:
                raise NotFound("There is no such approval.")
            organization = await transaction.organizations.get(organization_id)
            claim = await self._tenants.claim(
                transaction,
                directory_of(attempt),
                organization=organization,
                expected_tenant_id=attempt.tenant_id,
                may_bind=True,
                actor=actor,
            )
            if claim.outcome is not ClaimOutcome.BOUND:
                raise Conflict("This directory belongs to another organization.", reason="tenant_taken")
            attempt = replace(attempt, organization_id=organization.id)
            return await self._ledger.settle(
                transaction, attempt, how="token_scope+confirmed_by_operator", actor=actor
            )

    async def _view(self, transaction: ConsentTransaction, attempt: ConsentAttempt) -> AttemptView:
        organization = link = consent = forward = None
        waiting_count = 0
        if attempt.organization_id is not None:
            organization = await transaction.organizations.get(attempt.organization_id)
            waiting_count = await transaction.approval_requests.count_waiting(organization.id)
        if attempt.link_id is not None:
            link = await transaction.admin_consent_links.get(attempt.link_id)
        if attempt.tenant_id is not None:
            consent = await transaction.consents.find(
                cloud=attempt.cloud, tenant_id=attempt.tenant_id, method=attempt.method
            )
        if attempt.forward_link_id is not None:
            forward = self.links.url_of(await transaction.admin_consent_links.get(attempt.forward_link_id))
        return AttemptView(attempt, organization, link, consent, forward, waiting_count)

    async def _own_attempt(
        self, transaction: ConsentTransaction, reference: str, browser_secret: Secret
    ) -> ConsentAttempt:
        attempt = await transaction.consent_attempts.find_by_reference(reference)
        if attempt is None or attempt.browser_hash != secret_hash(browser_secret):
            raise NotFound("There is no such attempt.")
        return attempt
