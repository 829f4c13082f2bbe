"""Attempts begin here, and go to Microsoft from here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.consent.ledger import AttemptLedger
from ostiary.core.consent.links import ApprovalLinks
from ostiary.core.consent.machine import APPROVED
from ostiary.core.consent.model import (
    EWS_ENDS_ON,
    UNFINISHED_AFTER,
    AdminConsentLink,
    Consent,
    ConsentAttempt,
    ConsentState,
)
from ostiary.core.consent.permissions import consent_scopes, token_scopes
from ostiary.core.consent.ports import ConsentTransaction
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import InvalidRequest, NotFound
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Organization
from ostiary.core.signin.derivation import secret_hash
from ostiary.core.signin.model import AppRegistration, FlowKind, Registrations, StartedFlow
from ostiary.core.signin.service import SignInService

STARTED_JOB: Final = "approvals.started"
UNFINISHED_JOB: Final = "consent.unfinished"

ANY_WORK_ACCOUNT: Final = "organizations"
"""Tenant segment while the directory is not known; ``common`` would let personal accounts in."""


class AttemptStarter:
    """Begins attempts and sends browsers to Microsoft for them."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConsentTransaction],
        clock: Clock,
        entropy: Entropy,
        sign_in: SignInService,
        links: ApprovalLinks,
        ledger: AttemptLedger,
        registrations: Registrations,
        offer_ews: bool,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._sign_in = sign_in
        self._links = links
        self._ledger = ledger
        self._registrations = registrations
        self._offer_ews = offer_ews

    def ews_trouble(self) -> str | None:
        """Return why EWS cannot be chosen now: ``ews_ended``, ``not_offered``, or None when it can."""
        if self._clock.now().date() >= EWS_ENDS_ON:
            return "ews_ended"
        served = any(AccessMethod.EWS in registration.methods for registration in self._registrations)
        return None if self._offer_ews and served else "not_offered"

    async def start(
        self,
        method: AccessMethod,
        *,
        browser_secret: Secret,
        link_secret: Secret | None,
        actor: Actor,
    ) -> StartedFlow:
        """Begin an attempt and return the address of Microsoft's approval page.

        Raises:
            InvalidRequest: EWS cannot be chosen (any more).
            NotFound: The link does not work in this browser.
        """
        attempt, methods = await self._begin(method, browser_secret, link_secret, actor)
        return await self._sign_in.begin(
            kind=FlowKind.ADMIN_CONSENT,
            registration_id=attempt.registration_id,
            authority=attempt.expected_tenant_id or ANY_WORK_ACCOUNT,
            scopes=consent_scopes(methods),
            browser_secret=browser_secret,
            subject=_subject(attempt),
        )

    async def check_now(
        self,
        method: AccessMethod,
        *,
        browser_secret: Secret,
        link_secret: Secret | None,
        actor: Actor,
    ) -> StartedFlow:
        """Begin an attempt at its second half: the person says Microsoft has the approval already."""
        attempt, _ = await self._begin(method, browser_secret, link_secret, actor)
        async with self._transactions() as transaction:
            attempt = await self._ledger.moved(transaction, attempt, ConsentState.RETURNED)
        return await self.confirm(attempt, browser_secret)

    async def confirm(self, attempt: ConsentAttempt, browser_secret: Secret) -> StartedFlow:
        """Send the browser to the sign-in that proves directory, person and permissions (SR-15)."""
        tenant_id = attempt.tenant_id or attempt.expected_tenant_id or attempt.claimed_tenant_id
        return await self._sign_in.begin(
            kind=FlowKind.ADMIN_CONFIRM,
            registration_id=attempt.registration_id,
            authority=tenant_id or ANY_WORK_ACCOUNT,
            scopes=token_scopes(attempt.method),
            browser_secret=browser_secret,
            subject=_subject(attempt),
            login_hint=attempt.account,
        )

    async def _begin(
        self, method: AccessMethod, browser_secret: Secret, link_secret: Secret | None, actor: Actor
    ) -> tuple[ConsentAttempt, frozenset[AccessMethod]]:
        trouble = self.ews_trouble()
        if method is AccessMethod.EWS and trouble is not None:
            raise InvalidRequest("EWS can’t be chosen here. Choose Graph.", field="api", reason="ews_ended")
        registration = self._registrations.for_method(method)
        now = self._clock.now()
        browser_hash = secret_hash(browser_secret)
        async with self._transactions() as transaction:
            link: AdminConsentLink | None = None
            expected: str | None = None
            organization: Organization | None = None
            if link_secret is not None:
                link = await self._links.require_usable(transaction, link_secret, browser_secret)
                if not await transaction.admin_consent_links.bind_to_browser(
                    link.id, browser_hash=browser_hash
                ):
                    raise NotFound("This link doesn’t work any more.", reason="link_expired")
                organization = await transaction.organizations.get(link.organization_id)
                expected = link.expected_tenant_id or organization.expected_tenant_id
            methods = await self._methods_to_ask(transaction, method, registration, organization, expected)
            attempt = ConsentAttempt(
                id=new_id("att", self._entropy),
                reference=new_reference(ReferenceKind.CONSENT, self._entropy),
                method=method,
                state=ConsentState.STARTED,
                created_at=now,
                updated_at=now,
                browser_hash=browser_hash,
                registration_id=registration.id,
                cloud=registration.cloud,
                requested_scopes=consent_scopes(methods),
                organization_id=None if organization is None else organization.id,
                link_id=None if link is None else link.id,
                expected_tenant_id=expected,
            )
            await transaction.consent_attempts.add(attempt)
            if organization is not None:
                await transaction.jobs.enqueue(STARTED_JOB, {"organization_id": organization.id})
            await transaction.jobs.enqueue(
                UNFINISHED_JOB, {"attempt_id": attempt.id}, run_at=now + UNFINISHED_AFTER
            )
            await self._ledger.record(transaction, attempt, "started", "An approval was started.", actor)
        return attempt, methods

    async def _methods_to_ask(
        self,
        transaction: ConsentTransaction,
        method: AccessMethod,
        registration: AppRegistration,
        organization: Organization | None,
        expected_tenant_id: str | None,
    ) -> frozenset[AccessMethod]:
        """Every method the tenant approved for this registration, and the new one: see ``consent_scopes``."""
        approved: Iterable[Consent] = ()
        if expected_tenant_id is not None:
            approved = await transaction.consents.list_for_tenant(
                cloud=registration.cloud, tenant_id=expected_tenant_id
            )
        elif organization is not None:
            approved = await transaction.consents.list_for_organization(organization.id)
        kept = {
            consent.method
            for consent in approved
            if consent.state in APPROVED and consent.method in registration.methods
        }
        return frozenset({method} | kept)


def _subject(attempt: ConsentAttempt) -> dict[str, str]:
    subject = {"attempt_id": attempt.id}
    if attempt.organization_id is not None:
        subject["organization_id"] = attempt.organization_id
    return subject
