"""Writes the mails about approvals into the transaction of the act that they tell of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.core.approvals.machine import move
from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState
from ostiary.core.approvals.ports import ApprovalTransaction
from ostiary.core.approvals.reminders import reminder_moments
from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.consent.features import Feature, chosen_features
from ostiary.core.consent.links import ApprovalLinks
from ostiary.core.consent.model import ConsentAttempt, ConsentState
from ostiary.core.consent.permissions import PERMISSIONS, missing_permissions
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import NotFound, PermissionDenied
from ostiary.core.notices.model import Correspondent, Notice, NoticeKind
from ostiary.core.notices.service import NoticeService
from ostiary.core.organizations.model import Member, Organization
from ostiary.core.signin.model import Registrations

REMIND_JOB: Final = "approvals.remind"
LINK_EXPIRES_JOB: Final = "approvals.link_expires"

MOST_REQUESTS_A_DAY: Final = 5
"""Mails to administrators for one request in a day: nobody may make us write to strangers without end."""

LINK_WARNING: Final = timedelta(days=1)
"""How long before its end the administrator hears that the link of the request expires."""


class ApprovalPost:
    """Mails about approval requests. Where mail is off, nothing is written and every method says so."""

    def __init__(
        self,
        *,
        clock: Clock,
        links: ApprovalLinks,
        notices: NoticeService,
        registrations: Registrations,
    ) -> None:
        self._clock = clock
        self._links = links
        self._notices = notices
        self._registrations = registrations

    @property
    def is_on(self) -> bool:
        """Whether mails are sent at all."""
        return self._notices.is_on

    async def ask_administrator(
        self,
        tx: ApprovalTransaction,
        request: ApprovalRequest,
        organization: Organization,
        sender: Member,
        actor: Actor,
    ) -> ApprovalRequest:
        """Mail the request with a link of its own, and plan its reminders. Returns it unchanged where mail is off.

        Raises:
            PermissionDenied: This request was mailed :data:`MOST_REQUESTS_A_DAY` times today.
            RequestClosed: It has its answer.
        """
        if not self.is_on or request.sent_to is None:
            return request
        now = self._clock.now()
        count = await tx.notices.count_for(
            request.id, kind=NoticeKind.APPROVAL_REQUEST, since=now - timedelta(days=1)
        )
        if count >= MOST_REQUESTS_A_DAY:
            raise PermissionDenied(
                "This request was sent several times today. Send the message yourself, or try again tomorrow."
            )
        link_id, expires_at = await self._write(
            tx, NoticeKind.APPROVAL_REQUEST, request, organization, sender, actor
        )
        if request.state is not ApprovalRequestState.SENT:
            request = move(request, ApprovalRequestState.SENT, now=now)
        request = replace(request, sent_at=now, by_mail=True, reminders_sent=0, updated_at=now)
        await tx.approval_requests.save(request)
        for number, moment in enumerate(reminder_moments(now), start=1):
            await tx.jobs.enqueue(
                REMIND_JOB,
                {"request_id": request.id, "sent_at": now.isoformat(), "number": str(number)},
                run_at=moment,
            )
        await tx.jobs.enqueue(
            LINK_EXPIRES_JOB,
            {"request_id": request.id, "link_id": link_id},
            run_at=expires_at - LINK_WARNING,
        )
        await tx.audit.record(
            "approval.sent",
            f"The request was mailed to {request.sent_to}.",
            actor=actor,
            organization_id=request.organization_id,
            object_id=request.id,
            reference=request.reference,
        )
        return request

    async def remind(
        self, tx: ApprovalTransaction, request: ApprovalRequest, actor: Actor
    ) -> ApprovalRequest:
        """Mail a reminder with a fresh link to the administrator of a request that was mailed."""
        organization = await tx.organizations.get(request.organization_id)
        sender = await tx.members.get(request.asked_by_member_id, organization_id=organization.id)
        await self._write(tx, NoticeKind.APPROVAL_REMINDER, request, organization, sender, actor)
        request = replace(request, reminders_sent=request.reminders_sent + 1, updated_at=self._clock.now())
        await tx.approval_requests.save(request)
        await tx.audit.record(
            "approval.reminded",
            f"Reminder {request.reminders_sent} was mailed to {request.sent_to}.",
            actor=actor,
            organization_id=request.organization_id,
            object_id=request.id,
            reference=request.reference,
        )
        return request

    async def warn_of_expiry(self, tx: ApprovalTransaction, request: ApprovalRequest, link_id: str) -> None:
        """Tell the administrator that the link of the request ends soon."""
        link = await tx.admin_consent_links.get(link_id)
        organization = await tx.organizations.get(request.organization_id)
        await self._notices.add(
            tx,
            NoticeKind.LINK_EXPIRES,
            to=Correspondent(link.sent_to or ""),
            organization_id=organization.id,
            facts={
                "organization": organization.name,
                "sender_name": link.asked_by_name,
                "date": _date(link.expires_at),
                "time": f"{link.expires_at.astimezone(UTC):%H:%M} UTC",
            },
            link_id=link.id,
            object_id=request.id,
            reference=request.reference,
            once_key=f"link_expires/{link.id}",
        )

    async def tell_waiters(
        self,
        tx: ApprovalTransaction,
        request: ApprovalRequest,
        kind: NoticeKind,
        facts: Mapping[str, str] | None = None,
        *,
        once: str = "",
        wants: Feature | None = None,
    ) -> int:
        """Mail everybody who waits, or only those who want this one of email and calendar; return how many."""
        if not self.is_on:
            return 0
        organization = await tx.organizations.get(request.organization_id)
        told = 0
        for waiter in await tx.approval_requests.waiters(request.id):
            if wants is not None and wants not in chosen_features(mail=waiter.mail, calendar=waiter.calendar):
                continue
            try:
                member = await tx.members.get(waiter.member_id, organization_id=organization.id)
            except NotFound:
                continue
            told += await self._notices.add(
                tx,
                kind,
                to=_member(member),
                organization_id=organization.id,
                facts={"organization": organization.name, "request_id": request.id, **(facts or {})},
                object_id=request.id,
                reference=request.reference,
                once_key=f"{kind.value}/{request.id}/{member.id}{once}",
            )
        return told

    async def announce(self, tx: ApprovalTransaction, attempt: ConsentAttempt) -> None:
        """Mail the IT contact that somebody approved, and the person who asked with a link of their own."""
        if attempt.organization_id is None:
            return
        organization = await tx.organizations.get(attempt.organization_id)
        if organization.it_contact_email:
            await self._notices.add(
                tx,
                NoticeKind.APPROVED_SECURITY,
                to=Correspondent(organization.it_contact_email, _words(organization.it_contact_name or "")),
                organization_id=organization.id,
                facts=self._facts(attempt, organization),
                object_id=attempt.id,
                reference=attempt.reference,
                once_key=f"approved_security/{attempt.id}",
            )
        link = None if attempt.link_id is None else await tx.admin_consent_links.get(attempt.link_id)
        if link is None or link.asked_by_member_id is None:
            return
        waits = await tx.approval_requests.find_latest_for_member(
            organization_id=organization.id, member_id=link.asked_by_member_id
        )
        if (
            waits is not None
            and waits.method is attempt.method
            and (waits.resolved_at is None or waits.resolved_at >= attempt.created_at)
        ):
            # They hear of it as one of those who wait.
            return
        try:
            asker = await tx.members.get(link.asked_by_member_id, organization_id=organization.id)
        except NotFound:
            return
        await self._notices.add(
            tx,
            NoticeKind.CAN_CONNECT,
            to=_member(asker),
            organization_id=organization.id,
            facts={"organization": organization.name},
            object_id=attempt.id,
            reference=attempt.reference,
            once_key=f"can_connect/{attempt.id}/{asker.id}",
        )

    async def tell_unconfirmed(self, tx: ApprovalTransaction, attempt: ConsentAttempt) -> None:
        """Mail whoever approved, and whoever asked them, that Microsoft never showed the approval (UX §4.2)."""
        if attempt.state is not ConsentState.EXPIRED:
            return
        organization = (
            None if attempt.organization_id is None else await tx.organizations.get(attempt.organization_id)
        )
        facts = {
            "organization": (organization.name if organization else attempt.tenant_name)
            or "your organization"
        }
        people: list[tuple[str, Correspondent]] = []
        if attempt.account is not None:
            administrator = Correspondent(attempt.account, _words(attempt.account_name or ""))
            people.append(("administrator", administrator))
        link = None if attempt.link_id is None else await tx.admin_consent_links.get(attempt.link_id)
        if link is not None and link.asked_by_member_id is not None and organization is not None:
            try:
                asker = await tx.members.get(link.asked_by_member_id, organization_id=organization.id)
                people.append(("asker", _member(asker)))
            except NotFound:
                pass
        for role, person in people:
            await self._notices.add(
                tx,
                NoticeKind.NOT_CONFIRMED,
                to=person,
                organization_id=attempt.organization_id,
                facts={**facts, "role": role},
                object_id=attempt.id,
                reference=attempt.reference,
                once_key=f"not_confirmed/{attempt.id}/{role}",
            )

    async def send_record(
        self, tx: ApprovalTransaction, attempt: ConsentAttempt, organization: Organization | None
    ) -> bool:
        """Mail the record of an approval to the account that gave it; once. False when it was sent before."""
        if attempt.account is None:
            return False
        added = await self._notices.add(
            tx,
            NoticeKind.APPROVAL_RECORD,
            to=Correspondent(attempt.account, _words(attempt.account_name or "")),
            organization_id=attempt.organization_id,
            facts=self._facts(attempt, organization),
            object_id=attempt.id,
            reference=attempt.reference,
            once_key=f"approval_record/{attempt.id}",
        )
        if added:
            await tx.audit.record(
                "consent.record_mailed",
                f"The record of the approval was mailed to {attempt.account}.",
                actor=SYSTEM,
                organization_id=attempt.organization_id,
                object_id=attempt.id,
                reference=attempt.reference,
            )
        return added

    async def delivery_of(self, tx: ApprovalTransaction, request: ApprovalRequest) -> Notice | None:
        """Return the newest mail to the administrator of a request."""
        return await tx.notices.latest_for(
            request.id, kinds=(NoticeKind.APPROVAL_REQUEST, NoticeKind.APPROVAL_REMINDER)
        )

    async def _write(
        self,
        tx: ApprovalTransaction,
        kind: NoticeKind,
        request: ApprovalRequest,
        organization: Organization,
        sender: Member,
        actor: Actor,
    ) -> tuple[str, datetime]:
        """Write a mail to the administrator; return id and end of the link made for it."""
        address = request.sent_to or ""
        issued = await self._links.issue(
            tx,
            organization,
            asked_by_name=sender.display_name,
            asked_by_member_id=sender.id,
            expected_tenant_id=request.tenant_id,
            sent_to=address,
            actor=actor,
        )
        facts = {
            "method": request.method.value,
            "sender_name": _words(sender.display_name),
            "waiting_count": str(len(await tx.approval_requests.waiters(request.id))),
        }
        if request.reason:
            facts["reason"] = request.reason
        is_contact = address == organization.it_contact_email
        await self._notices.add(
            tx,
            kind,
            to=Correspondent(address, _words(organization.it_contact_name or "") if is_contact else ""),
            reply_to=_member(sender),
            organization_id=organization.id,
            facts=facts,
            link_id=issued.link.id,
            object_id=request.id,
            reference=request.reference,
        )
        return issued.link.id, issued.link.expires_at

    def _facts(self, attempt: ConsentAttempt, organization: Organization | None) -> dict[str, str]:
        missing = missing_permissions(attempt.method, attempt.granted_scopes)
        asked = len(PERMISSIONS[attempt.method])
        moment = attempt.verified_at or attempt.updated_at
        by = ", ".join(part for part in (attempt.account_name, attempt.account) if part)
        return {
            "organization": (organization.name if organization else attempt.tenant_name) or "not known yet",
            "tenant_id": attempt.tenant_id or "",
            "approved_by": by or "an administrator",
            "connection": f"Email and calendar through {attempt.method.label}",
            "permissions": f"{asked - len(missing)} of {asked} that were asked for",
            "app_id": self._registrations.for_method(attempt.method).client_id,
            "when": f"{_date(moment)}, {moment.astimezone(UTC):%H:%M} UTC",
        }


def _member(member: Member) -> Correspondent:
    return Correspondent(member.email, _words(member.display_name))


def _words(name: str) -> str:
    """A name on one line, whatever the vendor's records hold."""
    return " ".join(name.replace("\0", " ").split())


def _date(moment: datetime) -> str:
    day = moment.astimezone(UTC).date()
    return f"{day.day} {day:%B %Y}"
