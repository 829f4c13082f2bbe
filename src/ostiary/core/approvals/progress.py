"""What happens to a request by itself: reminders, signs that an administrator is at it, and signs of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ostiary.core.approvals.machine import move
from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState
from ostiary.core.approvals.ports import ApprovalTransaction
from ostiary.core.approvals.post import ApprovalPost
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.errors import NotFound, OstiaryError
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import NoticeKind
from ostiary.core.signin.model import Registrations
from ostiary.core.signin.ports import AuthorizationServer, ServicePrincipalState

LOOK_JOB: Final = "approvals.look"
_BATCH: Final = 200


class ApprovalProgress:
    """Jobs of approval requests. Each may run twice or late: it looks first whether there is anything left to do."""

    def __init__(
        self,
        *,
        transactions: Transactions[ApprovalTransaction],
        clock: Clock,
        post: ApprovalPost,
        authorization_server: AuthorizationServer,
        registrations: Registrations,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._post = post
        self._server = authorization_server
        self._registrations = registrations

    async def remind(self, request_id: str, *, sent_at: str, number: int) -> bool:
        """Send the planned reminder unless it is needed no more. Job ``approvals.remind``.

        Args:
            sent_at: When the mail it reminds of was sent; another administrator was asked since, when it differs.
        """
        async with self._transactions() as tx:
            request = await self._open(tx, request_id)
            if (
                request is None
                or not self._post.is_on
                or not request.by_mail
                or request.sent_at is None
                or request.sent_at.isoformat() != sent_at
                or request.reminders_sent >= number
            ):
                return False
            await self._post.remind(tx, request, SYSTEM)
        return True

    async def warn_of_expiry(self, request_id: str, *, link_id: str) -> bool:
        """Tell the administrator that their unused link ends in a day. Job ``approvals.link_expires``."""
        async with self._transactions() as tx:
            request = await self._open(tx, request_id)
            link = await tx.admin_consent_links.get(link_id)
            if (
                request is None
                or link.used_at is not None
                or link.sent_to is None
                or link.sent_to != request.sent_to
                or not link.is_usable(self._clock.now(), link.browser_hash)
            ):
                return False
            await self._post.warn_of_expiry(tx, request, link_id)
        return True

    async def undelivered(self, request_id: str, *, notice_id: str) -> bool:
        """The mail to the administrator was given up: somebody has to pass it on. Job ``approvals.undelivered``."""
        async with self._transactions() as tx:
            request = await self._open(tx, request_id)
            if request is None or request.state is not ApprovalRequestState.SENT:
                return False
            delivery = await self._post.delivery_of(tx, request)
            if delivery is None or delivery.id != notice_id:
                return False
            waiting = move(request, ApprovalRequestState.WAITING, now=self._clock.now())
            await tx.approval_requests.save(replace(waiting, by_mail=False, sent_at=None))
            await tx.audit.record(
                "approval.undelivered",
                "The mail to the IT administrator could not be delivered; somebody has to pass the request on.",
                actor=SYSTEM,
                outcome="failed",
                organization_id=request.organization_id,
                object_id=request.id,
                reference=request.reference,
            )
        return True

    async def started(self, organization_id: str) -> int:
        """An administrator pressed the button of our page: say so to those who wait. Job ``approvals.started``."""
        changed = 0
        async with self._transactions() as tx:
            for method in AccessMethod:
                request = await tx.approval_requests.find_open(
                    organization_id=organization_id, method=method, for_update=True
                )
                if request is None or request.state is ApprovalRequestState.STARTED:
                    continue
                started = move(request, ApprovalRequestState.STARTED, now=self._clock.now())
                await tx.approval_requests.save(started)
                await tx.audit.record(
                    "approval.started",
                    "An IT administrator has started to approve.",
                    actor=SYSTEM,
                    organization_id=organization_id,
                    object_id=request.id,
                    reference=request.reference,
                )
                changed += 1
        return changed

    async def announce(self, attempt_id: str) -> None:
        """Tell the IT contact and the asker of an approval. Job ``approvals.announce``."""
        async with self._transactions() as tx:
            await self._post.announce(tx, await tx.consent_attempts.get(attempt_id))

    async def tell_unconfirmed(self, attempt_id: str) -> None:
        """Tell the administrator and the asker that an approval never showed. Job ``approvals.tell_unconfirmed``."""
        async with self._transactions() as tx:
            await self._post.tell_unconfirmed(tx, await tx.consent_attempts.get(attempt_id))

    async def look(self) -> int:
        """Look whether the app appeared where people wait. Job ``approvals.look``, every hour and when somebody asks.

        Without a token only the app's presence can be seen. Where it was absent and appears, somebody accepted it
        at Microsoft; whether for everyone, the next person to try finds out. So everyone who waits is told to try.
        """
        async with self._transactions() as tx:
            waiting = await tx.approval_requests.open_since(self._clock.now(), limit=_BATCH)
        found = 0
        for request, is_present in await self._ask(waiting):
            found += await self._note(request.id, is_present)
        return found

    async def _ask(self, requests: Sequence[ApprovalRequest]) -> list[tuple[ApprovalRequest, bool]]:
        answers: list[tuple[ApprovalRequest, bool]] = []
        for request in requests:
            if request.tenant_id is None or request.app_appeared_at is not None:
                continue
            try:
                registration = self._registrations.for_method(request.method)
                state = await self._server.service_principal_state(registration, tenant_id=request.tenant_id)
            except OstiaryError:
                # No answer says nothing; the next hour asks again.
                continue
            answers.append((request, state is ServicePrincipalState.PRESENT))
        return answers

    async def _note(self, request_id: str, is_present: bool) -> bool:
        async with self._transactions() as tx:
            request = await self._open(tx, request_id)
            if request is None or request.app_present is is_present:
                return False
            appeared = is_present and request.app_present is False
            now = self._clock.now()
            request = replace(
                request,
                app_present=is_present,
                app_appeared_at=now if appeared else request.app_appeared_at,
            )
            await tx.approval_requests.save(request)
            if appeared:
                await self._post.tell_waiters(
                    tx, request, NoticeKind.CAN_CONNECT, {"unsure": "yes"}, once="/appeared"
                )
                await tx.audit.record(
                    "approval.app_appeared",
                    "The app appeared in the organization’s directory; everyone who waits is told to try.",
                    actor=SYSTEM,
                    organization_id=request.organization_id,
                    object_id=request.id,
                    reference=request.reference,
                )
        return appeared

    @staticmethod
    async def _open(tx: ApprovalTransaction, request_id: str) -> ApprovalRequest | None:
        found = await tx.approval_requests.find(request_id)
        if found is None:
            return None
        try:
            request = await tx.approval_requests.get(
                request_id, organization_id=found.organization_id, for_update=True
            )
        except NotFound:
            return None
        return request if request.is_open else None
