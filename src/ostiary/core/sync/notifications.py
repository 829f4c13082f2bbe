"""What Microsoft Graph posts to us: checked, kept durably, answered; reading comes later.

A notification proves nothing and carries nothing that is believed: it only says which mailbox to read (SR-87).
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.fair_queue import FairQueue, QueueFull
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.sync.model import Source
from ostiary.core.sync.ports import SyncTransaction
from ostiary.core.sync.rounds import MOST_HINTS
from ostiary.core.sync.subscriptions import (
    CREATING_LIFE,
    NotificationPaths,
    Subscription,
    SubscriptionState,
    state_hash,
)

MOST_ITEMS: Final = 1_000
"""Microsoft batches by the hundred at most; what is more is dropped, and a full reading asked for (SR-89)."""

MOST_TOGETHER: Final = 500
"""Posts that are kept in one transaction. One of each tenant in turn, so that no flood fills it alone (SR-89)."""

MOST_WAITING_OF_ONE: Final = 2_000
"""Posts of one tenant that wait to be kept; what comes on top is refused, and Microsoft posts it again (SR-89)."""

MOST_TOKEN_CHARACTERS: Final = 2_048
"""Of the word that a handshake echoes (SR-84)."""

MOST_TOKENS: Final = 8
"""Validation tokens of one post: there is one for each app and tenant, and a path belongs to one of each."""

_REMEMBERED: Final = 20_000
_REMEMBERED_FOR: Final = timedelta(seconds=30)


class LifecycleEvent(StrEnum):
    """What Microsoft says of a subscription itself."""

    REAUTHORIZATION_REQUIRED = "reauthorizationRequired"
    SUBSCRIPTION_REMOVED = "subscriptionRemoved"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification as it was posted: nothing of it is verified."""

    subscription_id: str
    client_state: str
    tenant_id: str
    item_id: str | None = None
    lifecycle: LifecycleEvent | None = None
    is_event: bool | None = None
    """Whether it speaks of a calendar event; None where it does not say."""
    is_sealed: bool = False
    """It carries encrypted content. None is asked for and none is opened; it needs a token all the same."""


@dataclass(frozen=True, slots=True)
class PostedNotices:
    """What one post held."""

    notices: tuple[Notice, ...]
    unreadable_count: int = 0
    is_cut: bool = False
    """It held more than is taken: what the rest said is found by reading everything."""
    validation_tokens: tuple[str, ...] = ()
    """By which Microsoft says for which tenants it posts; beside notifications with content (graph.md §9)."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one post."""

    kept_count: int
    dropped_count: int


class TokenVerifier(Protocol):
    """Knows which validation tokens are Microsoft's."""

    async def tenant_of(self, token: str) -> str | None:
        """Return the tenant that a token vouches for, or None for one that is not good."""
        ...


class UnknownPath(Exception):
    """Nobody was given this address."""


class TooManyWaiting(Exception):
    """So much of this tenant waits to be kept that nothing more is taken; to be posted again later."""


@dataclass(frozen=True, slots=True)
class _Post:
    subscription: Subscription
    notices: Sequence[Notice]
    is_cut: bool
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Batch:
    """What several posts say together."""

    marks: dict[tuple[str, Source], set[str] | None] = field(
        default_factory=dict[tuple[str, Source], set[str] | None]
    )
    renew: set[str] = field(default_factory=set[str])
    lost: set[str] = field(default_factory=set[str])

    def add(self, post: _Post) -> None:
        subscription = post.subscription
        source = (subscription.connection_id, subscription.source)
        for notice in post.notices:
            match notice.lifecycle:
                case LifecycleEvent.REAUTHORIZATION_REQUIRED:
                    self.renew.add(subscription.id)
                case LifecycleEvent.SUBSCRIPTION_REMOVED:
                    self.lost.add(subscription.id)
                    self.marks[source] = None
                case LifecycleEvent.MISSED:
                    self.marks[source] = None
                case None:
                    self._mark(source, None if post.is_cut else notice.item_id)

    def _mark(self, source: tuple[str, Source], item_id: str | None) -> None:
        items = self.marks.setdefault(source, set())
        if items is None:
            return
        if item_id is None or len(items) >= MOST_HINTS:
            # More than this is found faster by reading everything, and need not be written down one by one.
            self.marks[source] = None
        else:
            items.add(item_id)


class NotificationInbox:
    """Takes what Microsoft posts. Posts that come at the same time are kept in one transaction."""

    def __init__(
        self,
        *,
        transactions: Transactions[SyncTransaction],
        clock: Clock,
        paths: NotificationPaths,
        read: Callable[[bytes], PostedNotices],
        tokens: TokenVerifier,
    ) -> None:
        """``read`` takes a post apart; it gets bytes of a stranger."""
        self._tokens = tokens
        self._read = read
        self._transactions = transactions
        self._clock = clock
        self._paths = paths
        self._known: OrderedDict[str, tuple[Subscription, datetime]] = OrderedDict()
        self._waiting: FairQueue[_Post] = FairQueue(most_of_one=MOST_WAITING_OF_ONE)
        self._writing: asyncio.Task[None] | None = None

    async def may_echo(self, segment: str) -> bool:
        """Whether a handshake for this path is expected: only while its subscription is being made (SR-84)."""
        subscription_id = self._paths.subscription_id(segment)
        if subscription_id is None:
            return False
        await hit(Failpoint.SUBSCRIPTION_CREATE_SENT)
        async with self._transactions() as tx:
            found = await tx.subscriptions.find(subscription_id)
        return (
            found is not None
            and found.state is SubscriptionState.CREATING
            and self._clock.now() - found.created_at < CREATING_LIFE
        )

    async def take(self, segment: str, body: bytes) -> Receipt:
        """Keep what a post says; return only once it is durable (SR-85).

        What is not of this path's subscription is dropped and counted, and whoever posted learns nothing of that.

        Raises:
            UnknownPath: The path is none that we gave out, or its subscription is gone.
            TooManyWaiting: Its tenant floods us; ask for the post again later.
            TemporarilyUnavailable: It has validation tokens, and Microsoft's keys cannot be fetched now.
        """
        subscription_id = self._paths.subscription_id(segment)
        subscription = None if subscription_id is None else await self._find(subscription_id)
        if subscription is None:
            raise UnknownPath
        await hit(Failpoint.INGEST_BODY_READ)
        posted = self._read(body)
        good = [notice for notice in posted.notices if _fits(notice, subscription)]
        if good and (posted.validation_tokens or any(notice.is_sealed for notice in good)):
            vouched = await self._vouched_tenants(posted.validation_tokens)
            good = [notice for notice in good if notice.tenant_id.lower() in vouched]
        if good:
            await self._keep(subscription, good, is_cut=posted.is_cut)
        dropped = len(posted.notices) - len(good) + posted.unreadable_count
        return Receipt(kept_count=len(good), dropped_count=dropped)

    async def _vouched_tenants(self, tokens: Sequence[str]) -> frozenset[str]:
        """Return the tenants that Microsoft vouches for; none if a single token is not good (SR-86)."""
        if len(tokens) > MOST_TOKENS:
            return frozenset()
        found: set[str] = set()
        for token in tokens:
            tenant_id = await self._tokens.tenant_of(token)
            if tenant_id is None:
                return frozenset()
            found.add(tenant_id)
        return frozenset(found)

    async def _keep(self, subscription: Subscription, notices: Sequence[Notice], *, is_cut: bool) -> None:
        post = _Post(subscription, notices, is_cut, asyncio.get_running_loop().create_future())
        try:
            self._waiting.put(subscription.tenant_id, post)
        except QueueFull:
            raise TooManyWaiting from None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="notifications")
        await post.done

    async def _write(self) -> None:
        """Write batch after batch: while one is being committed the next one gathers."""
        while posts := self._waiting.take(MOST_TOGETHER):
            batch = _Batch()
            for post in posts:
                # Who has given up waiting was told to post again.
                if not post.done.done():
                    batch.add(post)
            error: Exception | None = None
            try:
                await self._commit(batch)
            except Exception as failure:
                # Whoever posted is told to post again, whatever it was.
                error = failure
            for post in posts:
                if post.done.done():
                    continue
                if error is None:
                    post.done.set_result(None)
                else:
                    post.done.set_exception(error)

    async def _commit(self, batch: _Batch) -> None:
        now = self._clock.now()
        async with self._transactions() as tx:
            for subscription_id in sorted(batch.lost):
                await tx.subscriptions.remove(subscription_id)
                self._known.pop(subscription_id, None)
            if batch.renew:
                await tx.subscriptions.bring_forward(sorted(batch.renew), to=now)
            await tx.sync.mark(batch.marks, now=now)
            await hit(Failpoint.INGEST_WRITTEN)
        await hit(Failpoint.INGEST_COMMITTED)

    async def _find(self, subscription_id: str) -> Subscription | None:
        now = self._clock.now()
        remembered = self._known.get(subscription_id)
        if remembered is not None and now - remembered[1] < _REMEMBERED_FOR:
            return remembered[0]
        async with self._transactions() as tx:
            found = await tx.subscriptions.find(subscription_id)
        if found is None:
            self._known.pop(subscription_id, None)
            return None
        if found.microsoft_id is not None:
            self._known[subscription_id] = (found, now)
            self._known.move_to_end(subscription_id)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found


def _fits(notice: Notice, subscription: Subscription) -> bool:
    """Whether a notification is of this subscription: its secret, its id, its tenant, its kind (SR-83)."""
    is_ours = hmac.compare_digest(state_hash(notice.client_state), subscription.client_state_hash)
    # While a subscription is being made its id is not known here yet; the secret decides alone then.
    same_id = subscription.microsoft_id is None or hmac.compare_digest(
        notice.subscription_id.lower().encode(), subscription.microsoft_id.lower().encode()
    )
    same_tenant = notice.tenant_id.lower() == subscription.tenant_id.lower()
    is_calendar = subscription.source is Source.CALENDAR
    same_kind = notice.is_event is None or notice.is_event is is_calendar
    return is_ours and same_id and same_tenant and same_kind
