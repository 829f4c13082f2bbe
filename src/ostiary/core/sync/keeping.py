"""Keeping Graph's subscriptions: made, renewed at half life, made anew when lost, and no orphans left."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from ostiary.core.connections.mailboxes import Mailboxes, Part
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.governor.model import Urgency
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import NotFound, OstiaryError, ProviderContractBroken, TemporarilyUnavailable
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.sync.model import CLAIM_LIFE, Source
from ostiary.core.sync.ports import SyncTransaction
from ostiary.core.sync.subscriptions import (
    CLIENT_STATE_BYTES,
    CREATING_LIFE,
    LIFE,
    NotificationPaths,
    RemoteSubscription,
    Subscription,
    SubscriptionGateway,
    SubscriptionState,
    Wanted,
    renewal,
    state_hash,
)

KEEP_JOB: Final = "subscriptions.keep"
AUDIT_JOB: Final = "subscriptions.audit"
TRY_AGAIN_AFTER: Final = timedelta(minutes=5)
AUDIT_EVERY: Final = timedelta(hours=24)
BATCH: Final = 50

_UNKNOWN_OUTCOME: Final = (TemporarilyUnavailable, ProviderContractBroken)
"""Microsoft may have done what it was asked for: the answer was lost, or makes no sense."""

_LET_GO_SECONDS: Final = 5.0
_LOOK_EVERY_SECONDS: Final = 0.1

PARTS: Final[Mapping[Source, Part]] = {Source.MAIL: Part.MAIL, Source.CALENDAR: Part.CALENDAR}

log = structlog.get_logger("ostiary.subscriptions")


class SubscriptionKeeper:
    """Jobs ``subscriptions.keep`` and ``subscriptions.audit``."""

    def __init__(
        self,
        *,
        transactions: Transactions[SyncTransaction],
        clock: Clock,
        entropy: Entropy,
        mailboxes: Mailboxes,
        gateway: SubscriptionGateway,
        paths: NotificationPaths,
        push: bool,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._mailboxes = mailboxes
        self._gateway = gateway
        self._paths = paths
        self._push = push

    async def keep(self) -> int:
        """Renew what is due and make what is missing, a bounded batch a round; return how many are good now."""
        if not self._push:
            return 0
        now = self._clock.now()
        async with self._transactions() as tx:
            lost = await tx.subscriptions.stale(created_before=now - CREATING_LIFE, limit=BATCH)
            for each in lost:
                await tx.subscriptions.remove(each.id)
            for ended in await tx.subscriptions.expired(now=now, limit=BATCH):
                # Nobody has told us anything since: reading falls back to polling until there is another one.
                await tx.subscriptions.remove(ended.id)
                await tx.sync.mark({(ended.connection_id, ended.source): None}, now=now)
            due = await tx.subscriptions.due(now=now, until=now + CLAIM_LIFE, limit=BATCH)
        await self._look_for_orphans({each.connection_id for each in lost})
        good = 0
        for subscription in due:
            good += await self._renew(subscription)
        async with self._transactions() as tx:
            missing = await tx.subscriptions.missing(now=now, retry_before=now - TRY_AGAIN_AFTER, limit=BATCH)
        for wanted in missing:
            good += await self._create(wanted)
        return good

    async def end(self, connection_id: str) -> None:
        """End what tells us of a mailbox that is about to be disconnected. Job ``connections.leave``.

        What cannot be ended is left: whoever disconnects does not wait for long, and says so.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            own = await tx.subscriptions.of_connection(connection_id)
            await tx.sync.end_stream(connection_id, until=now + CLAIM_LIFE)
        for each in own:
            if each.microsoft_id is None:
                continue
            try:
                mailbox = await self._open(connection_id, each.source)
                if mailbox is None:
                    return
                await self._gateway.remove(mailbox, each.microsoft_id)
            except OstiaryError as error:
                log.info("subscription not ended", connection_id=connection_id, why=error.code)
                return
            await hit(Failpoint.DISCONNECT_UNSUBSCRIBE_SENT)
            async with self._transactions() as tx:
                await tx.subscriptions.leave(each.id, now=now)
        if not own:
            await self._until_let_go(connection_id)

    async def _until_let_go(self, connection_id: str) -> None:
        """Wait until the worker that holds the stream has asked Microsoft to end it."""
        try:
            async with asyncio.timeout(_LET_GO_SECONDS):
                while True:
                    async with self._transactions() as tx:
                        if not await tx.subscriptions.count_telling(connection_id):
                            return
                    await asyncio.sleep(_LOOK_EVERY_SECONDS)
        except TimeoutError:
            log.info("stream not ended", connection_id=connection_id)

    async def _look_for_orphans(self, connection_ids: Collection[str]) -> None:
        """Whether Microsoft made what we asked for is unknown. Look now, and once more at the next audit: it may be slow."""
        for connection_id in connection_ids:
            await self._audit(connection_id)
        if connection_ids:
            async with self._transactions() as tx:
                await tx.subscriptions.look_soon(connection_ids)

    async def audit(self) -> int:
        """Remove subscriptions at Microsoft that are ours by their address and that we do not know; return how many."""
        now = self._clock.now()
        async with self._transactions() as tx:
            connections = await tx.subscriptions.due_for_audit(before=now - AUDIT_EVERY, now=now, limit=BATCH)
        removed = 0
        for connection_id in connections:
            removed += await self._audit(connection_id)
        return removed

    async def _create(self, wanted: Wanted) -> bool:
        client_state = base64.urlsafe_b64encode(self._entropy.token_bytes(CLIENT_STATE_BYTES)).decode()
        now = self._clock.now()
        subscription = Subscription(
            id=new_id("sub", self._entropy),
            connection_id=wanted.connection_id,
            organization_id=wanted.organization_id,
            tenant_id=wanted.tenant_id,
            source=wanted.source,
            client_state_hash=state_hash(client_state),
            state=SubscriptionState.CREATING,
            created_at=now,
        )
        try:
            mailbox = await self._open(wanted.connection_id, wanted.source)
            if mailbox is None:
                return False
            # Stored first: Microsoft's handshake comes while it still thinks about its answer.
            async with self._transactions() as tx:
                if not await tx.subscriptions.add(subscription):
                    return False
            made = await self._gateway.create(
                mailbox,
                source=wanted.source,
                url=self._paths.url(subscription.id),
                client_state=Secret(client_state),
                expires_at=now + LIFE,
            )
        except OstiaryError as error:
            log.info("subscription not made", connection_id=wanted.connection_id, why=error.code)
            async with self._transactions() as tx:
                await tx.subscriptions.remove(subscription.id)
            if isinstance(error, _UNKNOWN_OUTCOME):
                await self._look_for_orphans([wanted.connection_id])
            return False
        await hit(Failpoint.SUBSCRIPTION_CREATED)
        return await self._keep(subscription, made, mailbox)

    async def _renew(self, subscription: Subscription) -> bool:
        now = self._clock.now()
        try:
            mailbox = await self._open(subscription.connection_id, subscription.source)
            if mailbox is None or subscription.microsoft_id is None:
                return False
            renewed = await self._gateway.renew(mailbox, subscription.microsoft_id, expires_at=now + LIFE)
        except NotFound:
            # Microsoft dropped it: from then on nobody told us anything.
            async with self._transactions() as tx:
                await tx.subscriptions.remove(subscription.id)
                await tx.sync.mark({(subscription.connection_id, subscription.source): None}, now=now)
            return await self._create(
                Wanted(
                    subscription.connection_id,
                    subscription.organization_id,
                    subscription.tenant_id,
                    subscription.source,
                )
            )
        except OstiaryError as error:
            log.info("subscription not renewed", connection_id=subscription.connection_id, why=error.code)
            return False
        await hit(Failpoint.SUBSCRIPTION_RENEWED)
        return await self._keep(subscription, renewed, mailbox)

    async def _keep(
        self, subscription: Subscription, remote: RemoteSubscription, mailbox: MailboxAccess
    ) -> bool:
        now = self._clock.now()
        is_new = subscription.state is SubscriptionState.CREATING
        async with self._transactions() as tx:
            kept = await tx.subscriptions.save(
                replace(
                    subscription,
                    state=SubscriptionState.LIVE,
                    microsoft_id=remote.microsoft_id,
                    expires_at=remote.expires_at,
                    renew_at=renewal(remote.expires_at, now=now, entropy=self._entropy),
                )
            )
            if kept and is_new:
                # What changed before it began to watch is found by reading once more.
                await tx.sync.mark({(subscription.connection_id, subscription.source): None}, now=now)
        await hit(Failpoint.SUBSCRIPTION_SAVED)
        if not kept:
            await self._gateway.remove(mailbox, remote.microsoft_id)
        return kept

    async def _audit(self, connection_id: str) -> int:
        removed = 0
        try:
            async with self._transactions() as tx:
                own = {
                    each.microsoft_id: each for each in await tx.subscriptions.of_connection(connection_id)
                }
                connection = await tx.connections.get(connection_id)
            source = Source.MAIL if connection.mail else Source.CALENDAR
            mailbox = await self._open(connection_id, source)
            if mailbox is None:
                return 0
            remote = await self._gateway.list_own(mailbox)
            being_made = {each.id for each in own.values() if each.state is SubscriptionState.CREATING}
            for each in remote:
                ours = self._paths.of_url(each.notification_url)
                if ours is None or each.microsoft_id in own or ours in being_made:
                    continue
                await self._gateway.remove(mailbox, each.microsoft_id)
                removed += 1
            there = {each.microsoft_id for each in remote}
            gone = [each.id for each in own.values() if each.microsoft_id and each.microsoft_id not in there]
            if gone:
                async with self._transactions() as tx:
                    await tx.subscriptions.bring_forward(gone, to=self._clock.now())
        except OstiaryError as error:
            log.info("subscriptions not compared", connection_id=connection_id, why=error.code)
        return removed

    async def _open(self, connection_id: str, source: Source) -> MailboxAccess | None:
        mailbox = await self._mailboxes.open(
            connection_id, PARTS[source], organization_id=None, urgency=Urgency.BACKGROUND
        )
        return mailbox.access if mailbox.method is AccessMethod.GRAPH else None
