"""Links that invite an IT administrator: made, looked at, bound to a browser, declined, withdrawn (SR-67)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.consent.model import (
    DECLINE_REASON_LIMIT,
    LINK_LIFE,
    AdminConsentLink,
    Consent,
    ConsentAttempt,
)
from ostiary.core.consent.ports import ConsentTransaction
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import InvalidRequest, NotFound, PermissionDenied
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Organization
from ostiary.core.signin.derivation import derived_text, secret_hash

MOST_LIVE_LINKS: Final = 100
"""Per organization: a link can make links to pass on, and that must not go on for ever."""

_LONGEST_SECRET: Final = 64


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A link with its address. The address holds the secret: show it once, to whoever asked for it."""

    link: AdminConsentLink
    url: Secret


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """What the approval page shows to somebody who holds a usable link."""

    link: AdminConsentLink
    organization: Organization
    waiting_count: int
    consents: tuple[Consent, ...]
    latest_attempt: ConsentAttempt | None
    """Of this browser, for this organization."""


class ApprovalLinks:
    """Makes and reads links.

    A secret is derived from the link's random id and a key of the instance. So the browser that made a link to
    pass on can read it again, and a stolen database opens nothing.
    """

    def __init__(
        self,
        *,
        transactions: Transactions[ConsentTransaction],
        clock: Clock,
        entropy: Entropy,
        public_url: str,
        link_key: bytes,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._public_url = public_url.rstrip("/")
        self._link_key = link_key

    async def create(
        self,
        *,
        organization_id: str,
        asked_by_name: str,
        actor: Actor,
        asked_by_member_id: str | None = None,
        expected_tenant_id: str | None = None,
        sent_to: str | None = None,
    ) -> IssuedLink:
        """Make a link for an organization's IT administrator; it lasts three days.

        Raises:
            NotFound: There is no such organization.
        """
        async with self._transactions() as transaction:
            organization = await transaction.organizations.get(organization_id)
            return await self.issue(
                transaction,
                organization,
                asked_by_name=asked_by_name,
                asked_by_member_id=asked_by_member_id,
                expected_tenant_id=expected_tenant_id,
                sent_to=sent_to,
                actor=actor,
            )

    async def pass_on(self, *, link_secret: Secret, browser_secret: Secret, actor: Actor) -> IssuedLink:
        """Make a fresh link from one that this browser holds, to send to a colleague.

        Raises:
            NotFound: The link does not work here (any more).
        """
        async with self._transactions() as transaction:
            link = await self.require_usable(transaction, link_secret, browser_secret)
            organization = await transaction.organizations.get(link.organization_id)
            return await self.issue(
                transaction,
                organization,
                asked_by_name=link.asked_by_name,
                asked_by_member_id=link.asked_by_member_id,
                expected_tenant_id=link.expected_tenant_id,
                made_by=browser_secret,
                actor=actor,
            )

    async def issue(
        self,
        transaction: ConsentTransaction,
        organization: Organization,
        *,
        asked_by_name: str,
        asked_by_member_id: str | None,
        expected_tenant_id: str | None,
        actor: Actor,
        sent_to: str | None = None,
        made_by: Secret | None = None,
    ) -> IssuedLink:
        """Make a link inside a transaction that is already open.

        Raises:
            PermissionDenied: The organization has too many live links; withdraw some.
        """
        now = self._clock.now()
        if len(await transaction.admin_consent_links.live_for(organization.id, now=now)) >= MOST_LIVE_LINKS:
            raise PermissionDenied(
                "There are too many open links for this organization. Withdraw some first."
            )
        link_id = new_id("lnk", self._entropy)
        link = AdminConsentLink(
            id=link_id,
            reference=new_reference(ReferenceKind.LINK, self._entropy),
            organization_id=organization.id,
            secret_hash=secret_hash(self._secret(link_id)),
            created_at=now,
            expires_at=now + LINK_LIFE,
            asked_by_name=asked_by_name,
            asked_by_member_id=asked_by_member_id,
            expected_tenant_id=expected_tenant_id,
            sent_to=sent_to,
            made_by_browser_hash=None if made_by is None else secret_hash(made_by),
        )
        await transaction.admin_consent_links.add(link)
        await transaction.audit.record(
            "consent.link_created",
            f"A link for the IT administrator of {organization.name} was made.",
            actor=actor,
            organization_id=organization.id,
            object_id=link.id,
            reference=link.reference,
        )
        return IssuedLink(link, self._url(link_id))

    async def preview(self, *, link_secret: Secret, browser_secret: Secret) -> LinkPreview | None:
        """Return what a usable link opens, changing nothing; None for any other link, whatever its trouble."""
        async with self._transactions() as transaction:
            link = await self.find_usable(transaction, link_secret, browser_secret)
            if link is None:
                return None
            return LinkPreview(
                link=link,
                organization=await transaction.organizations.get(link.organization_id),
                waiting_count=await transaction.approval_requests.count_waiting(link.organization_id),
                consents=await transaction.consents.list_for_organization(link.organization_id),
                latest_attempt=await transaction.consent_attempts.latest_for_browser(
                    browser_hash=secret_hash(browser_secret), organization_id=link.organization_id
                ),
            )

    async def read_again(self, reference: str, *, browser_secret: Secret) -> IssuedLink | None:
        """Return a link made on our pages, to the browser that made it and to no other."""
        async with self._transactions() as transaction:
            link = await transaction.admin_consent_links.find_by_reference(reference)
        if link is None or link.made_by_browser_hash != secret_hash(browser_secret):
            return None
        return IssuedLink(link, self._url(link.id))

    async def decline(
        self, *, link_secret: Secret, browser_secret: Secret, reason: str, actor: Actor
    ) -> AdminConsentLink:
        """Decline the request behind a link; the link ends. Everyone who waits is told (job ``approvals.decline``).

        Raises:
            NotFound: The link does not work here (any more).
            InvalidRequest: The note is too long.
        """
        note = " ".join(reason.split())
        if len(note) > DECLINE_REASON_LIMIT:
            raise InvalidRequest(f"Use at most {DECLINE_REASON_LIMIT} characters.", field="reason")
        async with self._transactions() as transaction:
            link = await self.require_usable(transaction, link_secret, browser_secret)
            link = replace(link, declined_at=self._clock.now(), decline_reason=note or None)
            await transaction.admin_consent_links.save(link)
            await transaction.jobs.enqueue("approvals.decline", {"link_id": link.id})
            await transaction.audit.record(
                "consent.declined",
                "An IT administrator declined the request to approve.",
                actor=actor,
                outcome="refused",
                organization_id=link.organization_id,
                object_id=link.id,
                reference=link.reference,
                reason="declined",
            )
        return link

    async def withdraw(self, link_id: str, *, organization_id: str, actor: Actor) -> None:
        """End a link before its time.

        Raises:
            NotFound: Not a link of this organization.
        """
        async with self._transactions() as transaction:
            link = await transaction.admin_consent_links.get(link_id)
            if link.organization_id != organization_id:
                raise NotFound("There is no such link.")
            if link.withdrawn_at is not None:
                return
            await transaction.admin_consent_links.save(replace(link, withdrawn_at=self._clock.now()))
            await transaction.audit.record(
                "consent.link_withdrawn",
                "A link for the IT administrator was withdrawn.",
                actor=actor,
                organization_id=organization_id,
                object_id=link.id,
                reference=link.reference,
            )

    async def live(self, organization_id: str) -> tuple[AdminConsentLink, ...]:
        """Return the links of an organization that still work, newest first."""
        async with self._transactions() as transaction:
            return await transaction.admin_consent_links.live_for(organization_id, now=self._clock.now())

    async def find_usable(
        self, transaction: ConsentTransaction, link_secret: Secret, browser_secret: Secret
    ) -> AdminConsentLink | None:
        """Return the link if it works in this browser now."""
        if len(link_secret.reveal()) > _LONGEST_SECRET:
            return None
        link = await transaction.admin_consent_links.find_by_secret_hash(secret_hash(link_secret))
        if link is None or not link.is_usable(self._clock.now(), secret_hash(browser_secret)):
            return None
        return link

    async def require_usable(
        self, transaction: ConsentTransaction, link_secret: Secret, browser_secret: Secret
    ) -> AdminConsentLink:
        """Return the link if it works in this browser now, else raise NotFound, always the same (SR-69)."""
        link = await self.find_usable(transaction, link_secret, browser_secret)
        if link is None:
            raise NotFound("This link doesn’t work any more.", reason="link_expired")
        return link

    async def address_of(self, link_id: str) -> Secret | None:
        """Return the address of a link for the mail that carries it; None once the link leads nowhere."""
        async with self._transactions() as transaction:
            try:
                link = await transaction.admin_consent_links.get(link_id)
            except NotFound:
                return None
        works = link.used_at is None and link.is_usable(self._clock.now(), link.browser_hash)
        return self._url(link.id) if works else None

    def url_of(self, link: AdminConsentLink) -> Secret:
        """Return the address of a link; it holds the secret."""
        return self._url(link.id)

    def _secret(self, link_id: str) -> Secret:
        return Secret(derived_text(self._link_key, "admin-consent-link", link_id))

    def _url(self, link_id: str) -> Secret:
        return Secret(f"{self._public_url}/admin-consent/l/{self._secret(link_id).reveal()}")
