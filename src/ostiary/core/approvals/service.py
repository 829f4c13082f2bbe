"""Approval requests: ask, join, follow, remind, cancel; and hear of the answer (UX 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ostiary.core.approvals.forms import ApprovalForm, ApprovalView, clean_address, clean_reason
from ostiary.core.approvals.machine import RequestClosed, move
from ostiary.core.approvals.model import (
    OPEN_STATES,
    REQUEST_LIFE,
    ApprovalRequest,
    ApprovalRequestState,
    Waiter,
)
from ostiary.core.approvals.on_behalf import OnBehalf
from ostiary.core.approvals.partial import PartialApprovals, feature_left_out
from ostiary.core.approvals.ports import ApprovalTransaction
from ostiary.core.approvals.post import ApprovalPost
from ostiary.core.approvals.progress import LOOK_JOB, ApprovalProgress
from ostiary.core.approvals.reminders import REMINDER_WORKING_DAYS
from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.consent.links import ApprovalLinks
from ostiary.core.consent.machine import APPROVED
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import NoticeKind
from ostiary.core.notices.service import NoticeService
from ostiary.core.organizations.model import Member, Organization
from ostiary.core.signin.derivation import secret_hash
from ostiary.core.signin.model import Registrations
from ostiary.core.signin.ports import AuthorizationServer

EXPIRE_JOB: Final = "approvals.expire"
RECHECK_JOB: Final = "connections.recheck_waiting"


class ApprovalService:
    """Use cases of approval requests. One per organization and access method; colleagues join it."""

    def __init__(
        self,
        *,
        transactions: Transactions[ApprovalTransaction],
        clock: Clock,
        entropy: Entropy,
        links: ApprovalLinks,
        notices: NoticeService,
        authorization_server: AuthorizationServer,
        registrations: Registrations,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._links = links
        self._post = ApprovalPost(clock=clock, links=links, notices=notices, registrations=registrations)
        self.partial = PartialApprovals(transactions=transactions, post=self._post)
        self.on_behalf = OnBehalf(transactions=transactions, clock=clock, post=self._post)
        self.progress = ApprovalProgress(
            transactions=transactions,
            clock=clock,
            post=self._post,
            authorization_server=authorization_server,
            registrations=registrations,
        )

    @property
    def sends_mail(self) -> bool:
        """Whether people are told by mail; pages promise it only then."""
        return self._post.is_on

    async def form(self, *, organization_id: str, member_id: str, method: AccessMethod) -> ApprovalForm:
        """Return what the form shows. Changes nothing.

        Raises:
            NotFound: No such member of the organization.
        """
        async with self._transactions() as tx:
            organization = await tx.organizations.get(organization_id)
            member = await tx.members.get(member_id, organization_id=organization_id)
            found = await tx.approval_requests.find_open(organization_id=organization_id, method=method)
            waiter = (
                None
                if found is None
                else await tx.approval_requests.find_waiter(found.id, browser_hash=None, member_id=member_id)
            )
            return ApprovalForm(organization, member, found, waiter is not None)

    async def ask(
        self,
        *,
        organization_id: str,
        member_id: str,
        method: AccessMethod,
        mail: bool,
        calendar: bool,
        browser_secret: Secret,
        actor: Actor,
        administrator_email: str = "",
        reason: str = "",
        return_url: str | None = None,
        by_mail: bool = True,
    ) -> ApprovalRequest:
        """Ask, or join those who asked already. Asking twice is no fault.

        Args:
            by_mail: Mail the administrator, where an address is known and mail is configured; otherwise the
                person sends the message on the page.

        Raises:
            NotFound: No such member of the organization.
            InvalidRequest: The address cannot be one, or the reason is too long.
        """
        address = clean_address(administrator_email)
        words = clean_reason(reason)
        now = self._clock.now()
        async with self._transactions() as tx:
            organization = await tx.organizations.get(organization_id)
            member = await tx.members.get(member_id, organization_id=organization_id)
            request = await self._open_or_new(
                tx, organization, member, method, address=address, reason=words, actor=actor
            )
            waiter = await tx.approval_requests.find_waiter(
                request.id, browser_hash=None, member_id=member_id
            )
            joined = await tx.approval_requests.join(
                Waiter(
                    request_id=request.id,
                    member_id=member_id,
                    mail=mail,
                    calendar=calendar,
                    joined_at=now if waiter is None else waiter.joined_at,
                    browser_hash=secret_hash(browser_secret),
                    return_url=return_url,
                    link_reference=None if waiter is None else waiter.link_reference,
                )
            )
            if joined:
                await tx.audit.record(
                    "approval.asked",
                    f"{member.display_name} waits for the approval of {organization.name}.",
                    actor=actor,
                    organization_id=organization_id,
                    object_id=request.id,
                    reference=request.reference,
                )
            await self._make_link(tx, request, organization, member, browser_secret, actor)
            if by_mail and request.state is ApprovalRequestState.WAITING:
                request = await self._post.ask_administrator(tx, request, organization, member, actor)
        return request

    async def view(
        self, request_id: str, *, browser_secret: Secret | None, member_id: str | None
    ) -> ApprovalView:
        """Return a request for somebody who waits for it. Changes nothing.

        Args:
            member_id: Of the caller's open connect session, if any.

        Raises:
            NotFound: No such request, or the caller is not among those who wait.
        """
        async with self._transactions() as tx:
            request, waiter = await self._waiting(tx, request_id, browser_secret, member_id)
            waiters = await tx.approval_requests.waiters(request.id)
            links = await tx.admin_consent_links.live_for(request.organization_id, now=self._clock.now())
            organization = await tx.organizations.get(request.organization_id)
            member = await tx.members.get(waiter.member_id, organization_id=request.organization_id)
            delivery = await self._post.delivery_of(tx, request)
            left_out = await feature_left_out(tx, request)
            (latest, *_) = await tx.consent_attempts.page_for_organization(
                request.organization_id, limit=1
            ) or (None,)
        link = None
        if waiter.link_reference is not None and browser_secret is not None:
            link = await self._links.read_again(waiter.link_reference, browser_secret=browser_secret)
        return ApprovalView(
            request=self._as_of_now(request),
            waiter=waiter,
            organization=organization,
            member=member,
            waiting_count=len(waiters),
            has_started=request.state is ApprovalRequestState.STARTED
            or (request.is_open and any(each.browser_hash is not None for each in links)),
            unfinished_at=latest.created_at
            if latest is not None and request.is_open and latest.is_unfinished(self._clock.now())
            else None,
            left_out=left_out,
            delivery=delivery,
            message_link=link if link is not None and link.link.is_usable(self._clock.now(), None) else None,
        )

    async def remind(
        self, request_id: str, *, browser_secret: Secret, member_id: str | None, actor: Actor
    ) -> None:
        """Make a fresh link for this person's message; each copy carries its own (UX §8).

        Raises:
            NotFound: The caller is not among those who wait.
            RequestClosed: The request has its answer.
        """
        async with self._transactions() as tx:
            request, waiter = await self._waiting(tx, request_id, browser_secret, member_id)
            self._require_open(request)
            organization = await tx.organizations.get(request.organization_id)
            member = await tx.members.get(waiter.member_id, organization_id=organization.id)
            await self._make_link(tx, request, organization, member, browser_secret, actor)

    async def mark_sent(
        self, request_id: str, *, browser_secret: Secret | None, member_id: str | None, actor: Actor
    ) -> None:
        """The person says that they sent the message. Saying so twice is no fault.

        Raises:
            NotFound: The caller is not among those who wait.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            found, _ = await self._waiting(tx, request_id, browser_secret, member_id)
            request = await tx.approval_requests.get(
                found.id, organization_id=found.organization_id, for_update=True
            )
            if request.state is ApprovalRequestState.WAITING:
                sent = move(request, ApprovalRequestState.SENT, now=now)
                await tx.approval_requests.save(replace(sent, sent_at=now, by_mail=False))
                await tx.audit.record(
                    "approval.sent",
                    "The request was passed on to the IT administrator.",
                    actor=actor,
                    organization_id=request.organization_id,
                    object_id=request.id,
                    reference=request.reference,
                )

    async def ask_someone_else(
        self,
        request_id: str,
        *,
        administrator_email: str,
        browser_secret: Secret,
        member_id: str | None,
        actor: Actor,
    ) -> None:
        """Name another administrator, with a fresh link for the message to them.

        Raises:
            NotFound: The caller is not among those who wait.
            InvalidRequest: The address cannot be one.
            RequestClosed: The request has its answer.
        """
        address = clean_address(administrator_email)
        if address is None:
            raise InvalidRequest("Enter your administrator’s email address.", field="administrator_email")
        now = self._clock.now()
        async with self._transactions() as tx:
            found, waiter = await self._waiting(tx, request_id, browser_secret, member_id)
            request = await tx.approval_requests.get(
                found.id, organization_id=found.organization_id, for_update=True
            )
            self._require_open(request)
            if request.state is not ApprovalRequestState.WAITING:
                request = move(request, ApprovalRequestState.WAITING, now=now)
            request = replace(request, sent_to=address, sent_at=None, by_mail=False, updated_at=now)
            await tx.approval_requests.save(request)
            organization = await tx.organizations.get(request.organization_id)
            member = await tx.members.get(waiter.member_id, organization_id=organization.id)
            await self._make_link(tx, request, organization, member, browser_secret, actor)
            await self._post.ask_administrator(tx, request, organization, member, actor)

    async def remind_administrator(
        self, request_id: str, *, organization_id: str, actor: Actor
    ) -> ApprovalRequest:
        """Mail the administrator now, on behalf of the organization; counts as one of the planned reminders.

        Raises:
            NotFound: No such request of the organization.
            RequestClosed: It has its answer.
            InvalidRequest: No mail server is configured, or nobody knows whom to write to.
            PermissionDenied: Every reminder was sent already.
        """
        async with self._transactions() as tx:
            request = await tx.approval_requests.get(
                request_id, organization_id=organization_id, for_update=True
            )
            self._require_open(request)
            if not self._post.is_on:
                raise InvalidRequest("No mail is sent here: OSTIARY_SMTP_URL is not set.")
            if request.sent_to is None:
                raise InvalidRequest("Nobody knows yet whom to write to.", field="administrator_email")
            if not request.by_mail:
                organization = await tx.organizations.get(organization_id)
                sender = await tx.members.get(request.asked_by_member_id, organization_id=organization_id)
                return await self._post.ask_administrator(tx, request, organization, sender, actor)
            if request.reminders_sent >= len(REMINDER_WORKING_DAYS):
                raise PermissionDenied("Both reminders were sent. Ask someone else instead.")
            return await self._post.remind(tx, request, actor)

    async def cancel_for(self, request_id: str, *, organization_id: str, actor: Actor) -> None:
        """End a request for everybody who waits, on behalf of the organization.

        Raises:
            NotFound: No such request of the organization.
            RequestClosed: It has its answer.
        """
        async with self._transactions() as tx:
            request = await tx.approval_requests.get(
                request_id, organization_id=organization_id, for_update=True
            )
            await self._end_cancelled(tx, request, actor)

    async def mail_record(self, reference: str, *, browser_secret: Secret) -> bool:
        """Mail the record of an approval to the account that gave it; False when that was done before.

        Raises:
            NotFound: Not an approval that was given in this browser.
        """
        async with self._transactions() as tx:
            attempt = await tx.consent_attempts.find_by_reference(reference)
            if (
                attempt is None
                or attempt.browser_hash != secret_hash(browser_secret)
                or attempt.state not in APPROVED
            ):
                raise NotFound("There is no such approval.")
            organization = (
                None
                if attempt.organization_id is None
                else await tx.organizations.get(attempt.organization_id)
            )
            return await self._post.send_record(tx, attempt, organization)

    async def mails_asker(self, organization_id: str, member_id: str | None) -> bool:
        """Whether the person who made a link hears of its approval by mail: only members can be written to."""
        if not self._post.is_on or member_id is None:
            return False
        async with self._transactions() as tx:
            try:
                await tx.members.get(member_id, organization_id=organization_id)
            except NotFound:
                return False
        return True

    async def record_was_mailed(self, attempt_id: str) -> bool:
        """Whether the record of an approval was mailed, or is about to be."""
        async with self._transactions() as tx:
            found = await tx.notices.latest_for(attempt_id, kinds=(NoticeKind.APPROVAL_RECORD,))
        return found is not None and found.given_up_at is None

    async def cancel(
        self, request_id: str, *, browser_secret: Secret | None, member_id: str | None, actor: Actor
    ) -> bool:
        """Stop waiting. The request ends with the last person; returns whether it did.

        Raises:
            NotFound: The caller is not among those who wait.
        """
        async with self._transactions() as tx:
            found, waiter = await self._waiting(tx, request_id, browser_secret, member_id)
            request = await tx.approval_requests.get(
                found.id, organization_id=found.organization_id, for_update=True
            )
            others = [
                each
                for each in await tx.approval_requests.waiters(request.id)
                if each.member_id != waiter.member_id
            ]
            if others or request.state not in OPEN_STATES:
                await tx.approval_requests.leave(request.id, member_id=waiter.member_id)
                return False
            await self._end_cancelled(tx, request, actor)
        return True

    async def list_for(
        self, organization_id: str, *, states: Sequence[ApprovalRequestState] | None = None
    ) -> tuple[ApprovalRequest, ...]:
        """Return an organization's requests, newest first."""
        async with self._transactions() as tx:
            return await tx.approval_requests.list_for(
                organization_id, states=None if states is None else tuple(states)
            )

    async def resolve(
        self, *, organization_id: str, method: AccessMethod, member_id: str | None = None
    ) -> bool:
        """The organization approved: tell everyone who waits. Job ``approvals.resolve``.

        Args:
            member_id: Set when the sign is that this member could connect. It counts if they had to wait, or if
                they are of the same directory and the app was not there when the others asked.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            request = await tx.approval_requests.find_open(
                organization_id=organization_id, method=method, for_update=True
            )
            if member_id is None:
                await tx.jobs.enqueue(
                    RECHECK_JOB,
                    {"organization_id": organization_id},
                    once_key=f"{RECHECK_JOB}/{organization_id}",
                )
            if request is None:
                return False
            if member_id is not None:
                waiter = await tx.approval_requests.find_waiter(
                    request.id, browser_hash=None, member_id=member_id
                )
                if waiter is None and not await self._shows_approval(tx, request, member_id):
                    return False
            request = move(request, ApprovalRequestState.APPROVED, now=now)
            await tx.approval_requests.save(request)
            told = await self._post.tell_waiters(tx, request, NoticeKind.CAN_CONNECT)
            await tx.audit.record(
                "approval.approved",
                "The organization approved; everyone who waited is told on their page"
                + (" and by mail." if told else "."),
                actor=SYSTEM,
                organization_id=organization_id,
                object_id=request.id,
                reference=request.reference,
            )
        return True

    async def decline(self, *, link_id: str) -> int:
        """An IT administrator declined by their link: tell everyone who waits. Job ``approvals.decline``."""
        now = self._clock.now()
        declined = 0
        async with self._transactions() as tx:
            link = await tx.admin_consent_links.get(link_id)
            for method in AccessMethod:
                request = await tx.approval_requests.find_open(
                    organization_id=link.organization_id, method=method, for_update=True
                )
                if request is None or request.created_at > (link.declined_at or now):
                    continue
                request = replace(
                    move(request, ApprovalRequestState.DECLINED, now=now), decline_reason=link.decline_reason
                )
                await tx.approval_requests.save(request)
                facts = {"decline_reason": link.decline_reason} if link.decline_reason else {}
                await self._post.tell_waiters(tx, request, NoticeKind.DECLINED, facts)
                declined += 1
        return declined

    async def expire(self) -> int:
        """End requests that got no answer in :data:`REQUEST_LIFE`. Job ``approvals.expire``."""
        now = self._clock.now()
        async with self._transactions() as tx:
            late = await tx.approval_requests.open_since(now - REQUEST_LIFE, limit=200)
            for request in late:
                expired = await self._end_expired(tx, request)
                await self._post.tell_waiters(tx, expired, NoticeKind.REQUEST_EXPIRED)
        return len(late)

    @staticmethod
    async def _shows_approval(tx: ApprovalTransaction, request: ApprovalRequest, member_id: str) -> bool:
        """Whether somebody else's connecting proves it: nobody of this directory could when the others asked."""
        was_absent = request.app_present is False or request.app_appeared_at is not None
        if not was_absent or request.tenant_id is None:
            return False
        member = await tx.members.get(member_id, organization_id=request.organization_id)
        return member.tenant_id == request.tenant_id

    async def _end_expired(self, tx: ApprovalTransaction, request: ApprovalRequest) -> ApprovalRequest:
        expired = move(request, ApprovalRequestState.EXPIRED, now=self._clock.now())
        await tx.approval_requests.save(expired)
        await tx.audit.record(
            "approval.expired",
            "The request for approval got no answer in time.",
            actor=SYSTEM,
            organization_id=request.organization_id,
            object_id=request.id,
            reference=request.reference,
        )
        return expired

    async def _end_cancelled(self, tx: ApprovalTransaction, request: ApprovalRequest, actor: Actor) -> None:
        await tx.approval_requests.save(move(request, ApprovalRequestState.CANCELLED, now=self._clock.now()))
        await tx.audit.record(
            "approval.cancelled",
            "The request for approval was cancelled.",
            actor=actor,
            organization_id=request.organization_id,
            object_id=request.id,
            reference=request.reference,
        )

    async def _open_or_new(
        self,
        tx: ApprovalTransaction,
        organization: Organization,
        member: Member,
        method: AccessMethod,
        *,
        address: str | None,
        reason: str | None,
        actor: Actor,
    ) -> ApprovalRequest:
        now = self._clock.now()
        found = await tx.approval_requests.find_open(
            organization_id=organization.id, method=method, for_update=True
        )
        if found is not None and self._as_of_now(found).state in OPEN_STATES:
            return found
        if found is not None:
            await self._end_expired(tx, found)
        request = ApprovalRequest(
            id=new_id("apr", self._entropy),
            reference=new_reference(ReferenceKind.APPROVAL_REQUEST, self._entropy),
            organization_id=organization.id,
            method=method,
            state=ApprovalRequestState.WAITING,
            asked_by_member_id=member.id,
            asked_by_name=member.display_name,
            created_at=now,
            updated_at=now,
            tenant_id=member.tenant_id or organization.expected_tenant_id,
            sent_to=address or organization.it_contact_email,
            reason=reason,
        )
        try:
            await tx.approval_requests.add(request)
        except Conflict:
            # Two colleagues asked at the same moment: the second one joins the first.
            found = await tx.approval_requests.find_open(organization_id=organization.id, method=method)
            if found is None:
                raise
            return found
        await tx.jobs.enqueue(EXPIRE_JOB, {}, run_at=now + REQUEST_LIFE)
        await tx.jobs.enqueue(LOOK_JOB, {}, once_key=LOOK_JOB)
        return request

    async def _make_link(
        self,
        tx: ApprovalTransaction,
        request: ApprovalRequest,
        organization: Organization,
        member: Member,
        browser_secret: Secret,
        actor: Actor,
    ) -> None:
        issued = await self._links.issue(
            tx,
            organization,
            asked_by_name=member.display_name,
            asked_by_member_id=member.id,
            expected_tenant_id=request.tenant_id,
            sent_to=request.sent_to,
            made_by=browser_secret,
            actor=actor,
        )
        waiter = await tx.approval_requests.find_waiter(request.id, browser_hash=None, member_id=member.id)
        if waiter is not None:
            await tx.approval_requests.join(replace(waiter, link_reference=issued.link.reference))

    @staticmethod
    async def _waiting(
        tx: ApprovalTransaction, request_id: str, browser_secret: Secret | None, member_id: str | None
    ) -> tuple[ApprovalRequest, Waiter]:
        request = await tx.approval_requests.find(request_id)
        # Looked for even when there is no such request, so that the time tells nothing (SR-69).
        waiter = await tx.approval_requests.find_waiter(
            request_id,
            browser_hash=None if browser_secret is None else secret_hash(browser_secret),
            member_id=member_id,
        )
        if request is None or waiter is None:
            raise NotFound("There is no such request in this browser.")
        return request, waiter

    def _as_of_now(self, request: ApprovalRequest) -> ApprovalRequest:
        """An overdue request reads as expired even before the job has come round."""
        overdue = self._clock.now() >= request.created_at + REQUEST_LIFE
        if request.state in OPEN_STATES and overdue:
            return move(request, ApprovalRequestState.EXPIRED, now=request.created_at + REQUEST_LIFE)
        return request

    def _require_open(self, request: ApprovalRequest) -> None:
        if self._as_of_now(request).state not in OPEN_STATES:
            raise RequestClosed("This request has its answer already.")
