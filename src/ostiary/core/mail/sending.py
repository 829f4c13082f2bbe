"""Sending exactly once: a stamped draft is sent, and where an answer was lost, looked for before anything else.

The draft is the key to it: Exchange sends a draft at most once, because sending takes it out of Drafts. So an act of
sending may make drafts without harm, but from the moment one of them was handed over it never makes another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from ostiary.core.connections.mailboxes import Mailboxes, Part
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import (
    Conflict,
    ConsentRequired,
    InvalidRequest,
    NotFound,
    OstiaryError,
    PermissionDenied,
    ProviderContractBroken,
    TemporarilyUnavailable,
)
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.mail.drafts import Answering, MessageContent, Posting
from ostiary.core.mail.errors import SendUnconfirmed
from ostiary.core.mail.model import MessageSummary
from ostiary.core.mail.ports import MailGateway, MailTransaction
from ostiary.core.mail.sends import (
    GONE_MEANS_SENT_AFTER,
    Delivery,
    SendOutcome,
    SendRecord,
    SendState,
    stamp_of,
)

log = structlog.get_logger("ostiary.mail")

LONGEST_SEND_SECONDS: Final = 50.0
"""Less than the life of an Idempotency-Key's claim, so that two calls with one key never run side by side."""
LONGEST_DELAY: Final = timedelta(days=365)
LOOKS: Final = (0.0, 1.0, 3.0, 6.0)
"""Pauses in seconds before each look for a message whose answer was lost: Sent Items lags a little."""

_IN_DOUBT = (TemporarilyUnavailable, ProviderContractBroken, NotFound)
"""Failures of a send after which the message may have been sent."""
_REFUSED = (InvalidRequest, PermissionDenied, Conflict)
"""Failures after which it was not, and will not be."""


@dataclass(frozen=True, slots=True)
class _Act:
    """One act of sending, with everything that its steps need."""

    record: SendRecord
    gateway: MailGateway
    mailbox: MailboxAccess
    makes_draft: bool
    """Whether drafts of this act are ours to take away again; else somebody wrote the draft and keeps it."""
    can_return: bool
    """Whether a repetition of the call finds this act again: it has a key."""

    @property
    def posting(self) -> Posting:
        return Posting(self.record.stamp, self.record.deliver_at)


PrepareDraft = Callable[[_Act], Awaitable[MessageSummary]]


class MailSending:
    """Sends mail once per act, however often it is asked to."""

    def __init__(
        self,
        *,
        transactions: Transactions[MailTransaction],
        clock: Clock,
        entropy: Entropy,
        mailboxes: Mailboxes,
        gateways: Mapping[AccessMethod, MailGateway],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._mailboxes = mailboxes
        self._gateways = gateways
        self._sleep = sleep

    async def send(
        self,
        connection_id: str,
        content: MessageContent,
        *,
        organization_id: str | None,
        answering: Answering | None = None,
        deliver_at: datetime | None = None,
        act_key: tuple[str, ...] | None = None,
    ) -> SendOutcome:
        """Write and send a message, or an answer to one.

        Args:
            deliver_at: Hand it over now, to be delivered then.
            act_key: Names this one act, such as the caller and its Idempotency-Key; a repetition with the same
                names sends nothing twice. None: this call is an act of its own.

        Raises:
            SendUnconfirmed: It may have been sent; repeat with the same ``act_key``.
        """

        async def prepare(act: _Act) -> MessageSummary:
            found = await act.gateway.find_stamped(act.mailbox, act.record.stamp) if act_key else None
            if found is not None:
                # A call before this one made the draft, and its answer was lost or its process died.
                return await act.gateway.get_message(act.mailbox, found.id)
            return await act.gateway.create_draft(
                act.mailbox, content, answering=answering, posting=act.posting
            )

        return await self._run(connection_id, organization_id, deliver_at, act_key, prepare, makes_draft=True)

    async def send_draft(
        self,
        connection_id: str,
        message_id: str,
        *,
        organization_id: str | None,
        deliver_at: datetime | None = None,
        act_key: tuple[str, ...] | None = None,
    ) -> SendOutcome:
        """Send a draft that is there. Sending takes it out of Drafts, so its id can be sent only once."""

        async def prepare(act: _Act) -> MessageSummary:
            return await act.gateway.stamp_draft(act.mailbox, message_id, act.posting)

        return await self._run(
            connection_id, organization_id, deliver_at, act_key, prepare, makes_draft=False
        )

    async def _run(
        self,
        connection_id: str,
        organization_id: str | None,
        deliver_at: datetime | None,
        act_key: tuple[str, ...] | None,
        prepare: PrepareDraft,
        *,
        makes_draft: bool,
    ) -> SendOutcome:
        self._check_time(deliver_at)
        async with self._mailboxes.use(
            connection_id, Part.SENDING, organization_id=organization_id
        ) as mailbox:
            record = await self._begin(connection_id, organization_id, deliver_at, act_key)
            await hit(Failpoint.SEND_BEGUN)
            act = _Act(
                record,
                self._gateways[mailbox.method],
                mailbox.access,
                makes_draft=makes_draft,
                can_return=act_key is not None,
            )
            try:
                async with asyncio.timeout(LONGEST_SEND_SECONDS):
                    return await self._finish(act, prepare)
            except TimeoutError as error:
                raise _unconfirmed() from error

    async def _begin(
        self,
        connection_id: str,
        organization_id: str | None,
        deliver_at: datetime | None,
        act_key: tuple[str, ...] | None,
    ) -> SendRecord:
        now = self._clock.now()
        names = act_key or (self._entropy.token_bytes(32).hex(),)
        async with self._transactions() as tx:
            connection = await tx.connections.get(connection_id, organization_id=organization_id)
            record = SendRecord(
                id=new_id("snd", self._entropy),
                organization_id=connection.organization_id,
                connection_id=connection_id,
                stamp=stamp_of(connection_id, *names),
                state=SendState.PREPARING,
                created_at=now,
                changed_at=now,
                deliver_at=deliver_at,
            )
            return await tx.sends.begin(record)

    async def _finish(self, act: _Act, prepare: PrepareDraft) -> SendOutcome:
        if act.record.state is SendState.SENT:
            return self._outcome(act)
        if act.record.state is SendState.SENDING:
            return await self._settle(act)
        draft = await self._prepare(act, prepare)
        await hit(Failpoint.SEND_DRAFT_STAMPED)
        if not draft.is_draft:
            # Found by its stamp, and sent: by a call that died before it could say so.
            return await self._sent(await self._handed_over(act, draft))
        act = await self._handed_over(act, draft)
        if act.record.draft_id != draft.id:
            # Another process was first with a draft of its own; that one counts.
            await _discard(act, draft.id)
            return await self._settle(act)
        return await self._hand_over(act, draft.version)

    async def _prepare(self, act: _Act, prepare: PrepareDraft) -> MessageSummary:
        try:
            return await prepare(act)
        except (*_REFUSED, NotFound):
            await self._forget(act)
            raise

    async def _handed_over(self, act: _Act, draft: MessageSummary) -> _Act:
        """Put on record which draft is about to be sent, before it is."""
        async with self._transactions() as tx:
            record = await tx.sends.start_sending(
                act.record.id,
                draft_id=draft.id,
                internet_message_id=draft.internet_message_id,
                now=self._clock.now(),
            )
        if record is None:
            raise _unconfirmed()
        await hit(Failpoint.SEND_DRAFT_RECORDED)
        return replace(act, record=record)

    async def _hand_over(self, act: _Act, version: str | None) -> SendOutcome:
        draft_id = act.record.draft_id or ""
        try:
            await act.gateway.send_draft(act.mailbox, draft_id, version=version)
        except _IN_DOUBT as error:
            log.warning("send_in_doubt", send_id=act.record.id, code=error.code)
            return await self._settle(act)
        except _REFUSED:
            await _discard(act, draft_id)
            await self._forget(act)
            raise
        except OstiaryError:
            # Not sent for now, such as when Microsoft slows us down: whoever returns finds the draft waiting.
            if not act.can_return:
                await _discard(act, draft_id)
                await self._forget(act)
            raise
        await hit(Failpoint.SEND_ANSWER_IN_MEMORY)
        return await self._sent(act)

    async def _settle(self, act: _Act) -> SendOutcome:
        """Find out whether the message was sent; send the same draft again only where it still is one."""
        for pause in LOOKS:
            await self._sleep(pause)
            found = await act.gateway.find_stamped(act.mailbox, act.record.stamp)
            if found is None:
                continue
            if not found.is_draft:
                return await self._sent(act)
            try:
                await act.gateway.send_draft(act.mailbox, found.id)
            except _IN_DOUBT:
                continue
            except _REFUSED:
                if act.record.deliver_at is None:
                    await _discard(act, found.id)
                    await self._forget(act)
                    raise
                # Exchange holds a message with a later time among the drafts and does not take it a second time.
            except ConsentRequired:
                # Graph says the same in the words of a missing permission. The first time it had the permission.
                if act.record.deliver_at is None:
                    raise
            return await self._sent(act)
        if self._clock.now() - act.record.changed_at >= GONE_MEANS_SENT_AFTER:
            return await self._sent(act)
        raise _unconfirmed()

    async def _sent(self, act: _Act) -> SendOutcome:
        async with self._transactions() as tx:
            await tx.sends.mark_sent(act.record.id, now=self._clock.now())
        await hit(Failpoint.SEND_ANSWER_STORED)
        return self._outcome(act)

    async def _forget(self, act: _Act) -> None:
        async with self._transactions() as tx:
            await tx.sends.forget(act.record.id)

    def _outcome(self, act: _Act) -> SendOutcome:
        record = act.record
        later = record.deliver_at is not None and record.deliver_at > self._clock.now()
        return SendOutcome(
            delivery=Delivery.SCHEDULED if later else Delivery.SENT,
            message_id=record.draft_id if act.gateway.capabilities.sent_message_id else None,
            internet_message_id=record.internet_message_id,
            deliver_at=record.deliver_at,
        )

    def _check_time(self, deliver_at: datetime | None) -> None:
        if deliver_at is None:
            return
        now = self._clock.now()
        if not now < deliver_at <= now + LONGEST_DELAY:
            raise InvalidRequest("Choose a time within the next 365 days.", field="send_at")


async def _discard(act: _Act, draft_id: str) -> None:
    """Take away a draft of ours that will not be sent. What stays behind is only untidy."""
    if not act.makes_draft:
        return
    try:
        await act.gateway.delete(act.mailbox, draft_id, for_good=True)
    except OstiaryError as error:
        log.info("draft_left_behind", send_id=act.record.id, code=error.code)


def _unconfirmed() -> SendUnconfirmed:
    return SendUnconfirmed(
        "Microsoft’s answer was lost. Repeat the call with the same Idempotency-Key: nothing is sent twice."
    )
