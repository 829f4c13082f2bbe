"""The outbox: written with the act, handed over by the worker, given up after a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import InvalidRequest, Misconfigured, OstiaryError
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import (
    GIVE_UP_AFTER,
    KEPT_FOR,
    LONGEST_PAUSE,
    Correspondent,
    Notice,
    NoticeKind,
    OutgoingMail,
    Vendor,
    Writer,
    pause_after,
    refuse_breaks,
)
from ostiary.core.notices.ports import LinkAddresses, Mailer, MailRefused, NoticeTransaction, Outbox

SEND_JOB: Final = "notices.send"
UNDELIVERED_JOB: Final = "approvals.undelivered"
"""Queued when the mail that asks an administrator was given up: somebody has to pass the request on by hand."""

_TROUBLE_LIMIT: Final = 200


class NoticeService:
    """Writes notices into the caller's transaction and sends them."""

    def __init__(
        self,
        *,
        transactions: Transactions[NoticeTransaction],
        clock: Clock,
        entropy: Entropy,
        vendor: Vendor,
        links: LinkAddresses,
        writers: Mapping[NoticeKind, Writer],
        mailer: Mailer | None,
    ) -> None:
        """``mailer`` is None where no mail server is configured: then nothing is written, and pages must not say so."""
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._vendor = vendor
        self._links = links
        self._writers = writers
        self._mailer = mailer

    @property
    def is_on(self) -> bool:
        """Whether mails are sent at all. Pages say "we have emailed" only then."""
        return self._mailer is not None

    async def add(
        self,
        transaction: Outbox,
        kind: NoticeKind,
        *,
        to: Correspondent,
        organization_id: str | None,
        facts: Mapping[str, str] | None = None,
        reply_to: Correspondent | None = None,
        link_id: str | None = None,
        object_id: str | None = None,
        reference: str | None = None,
        once_key: str | None = None,
    ) -> bool:
        """Write a notice; it is sent only if the transaction commits. False when none is (mail off, or told before).

        Raises:
            InvalidRequest: A name or address holds a line break or NUL (SR-92).
        """
        if self._mailer is None:
            return False
        for each in (to, reply_to):
            if each is not None:
                refuse_breaks(each.address)
                refuse_breaks(each.name)
        notice = Notice(
            id=new_id("ntc", self._entropy),
            kind=kind,
            to=to,
            created_at=self._clock.now(),
            organization_id=organization_id,
            reply_to=reply_to,
            facts=dict(facts or {}),
            link_id=link_id,
            object_id=object_id,
            reference=reference,
            once_key=once_key,
        )
        if not await transaction.notices.add(notice):
            return False
        await transaction.jobs.enqueue(SEND_JOB, {"notice_id": notice.id}, once_key=f"{SEND_JOB}/{notice.id}")
        return True

    async def send(self, notice_id: str) -> None:
        """Hand one notice to the mail server, or plan the next try. Job ``notices.send``.

        Delivery is at least once: after a crash between handing over and noting it, the same mail with the same
        Message-ID goes out again.
        """
        async with self._transactions() as tx:
            notice = await tx.notices.find(notice_id)
        if notice is None or notice.is_over or self._mailer is None:
            return
        link: Secret | None = None
        if notice.link_id is not None:
            link = await self._links.address_of(notice.link_id)
            if link is None:
                await self._finish(notice, trouble="Its link ended before it could be sent.", refused=True)
                return
        try:
            message = self._writers[notice.kind](notice, self._vendor, link)
            mail = OutgoingMail(id=notice.id, to=notice.to, message=message, reply_to=notice.reply_to)
            await self._mailer.send(mail)
        except (MailRefused, InvalidRequest) as error:
            await self._finish(notice, trouble=error.message, refused=True)
        except OstiaryError as error:
            await self._finish(notice, trouble=error.message, refused=False)
        else:
            await self._finish(notice, trouble=None, refused=False)

    async def sweep(self) -> int:
        """Queue again what lost its job, and forget what is long over. Job ``notices.sweep``, every hour."""
        now = self._clock.now()
        async with self._transactions() as tx:
            stuck = await tx.notices.stuck(created_before=now - 2 * LONGEST_PAUSE, limit=200)
            for notice_id in stuck:
                await tx.jobs.enqueue(SEND_JOB, {"notice_id": notice_id}, once_key=f"{SEND_JOB}/{notice_id}")
            await tx.notices.forget(created_before=now - KEPT_FOR)
        return len(stuck)

    async def check(self) -> None:
        """Ask the mail server whether it would take mail from us.

        Raises:
            Misconfigured: No mail server is configured.
            TemporarilyUnavailable, MailRefused: It is there and will not, or it is not there.
        """
        if self._mailer is None:
            raise Misconfigured("OSTIARY_SMTP_URL is not set: no mail is sent.")
        await self._mailer.check()

    async def _finish(self, notice: Notice, *, trouble: str | None, refused: bool) -> None:
        now = self._clock.now()
        async with self._transactions() as tx:
            current = await tx.notices.find(notice.id, for_update=True)
            if current is None or current.is_over:
                return
            attempts = current.attempts + 1
            if trouble is None:
                await tx.notices.save(replace(current, attempts=attempts, sent_at=now, trouble=None))
                return
            current = replace(current, attempts=attempts, trouble=trouble[:_TROUBLE_LIMIT])
            due = now + pause_after(attempts)
            if not refused and due < current.created_at + GIVE_UP_AFTER:
                await tx.notices.save(current)
                await tx.jobs.enqueue(
                    SEND_JOB, {"notice_id": notice.id}, run_at=due, once_key=f"{SEND_JOB}/{notice.id}"
                )
                return
            await tx.notices.save(replace(current, given_up_at=now))
            await tx.audit.record(
                "notice.given_up",
                f"The mail “{current.kind.value}” to {current.to.address} could not be delivered.",
                actor=SYSTEM,
                outcome="failed",
                organization_id=current.organization_id,
                object_id=current.object_id,
                reference=current.reference,
                detail={"attempts": str(attempts), "why": current.trouble or ""},
            )
            if current.kind is NoticeKind.APPROVAL_REQUEST and current.object_id is not None:
                await tx.jobs.enqueue(
                    UNDELIVERED_JOB, {"request_id": current.object_id, "notice_id": current.id}
                )
