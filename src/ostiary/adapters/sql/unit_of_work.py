"""The unit of work: one database transaction, and every feature's store inside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ostiary.adapters.sql.access import (
    SQLApiKeyStore,
    SQLConsoleSessionStore,
    SQLOneTimeLinkStore,
    SQLOperatorStore,
)
from ostiary.adapters.sql.approvals import SQLApprovalRequestStore
from ostiary.adapters.sql.audit import SQLAuditTrail
from ostiary.adapters.sql.audit_ledger import SQLAuditLedger
from ostiary.adapters.sql.checks import SQLCheckSchedule
from ostiary.adapters.sql.connect_sessions import SQLConnectSessionStore
from ostiary.adapters.sql.connection_tokens import SQLAccessTokenStore, SQLRefreshLease, SQLRefreshTokenStore
from ostiary.adapters.sql.connections import SQLConnectionStore
from ostiary.adapters.sql.consent import SQLAdminConsentLinkStore, SQLConsentAttemptStore, SQLConsentStore
from ostiary.adapters.sql.coverage import SQLCoverageStore
from ostiary.adapters.sql.feed import SQLFeed
from ostiary.adapters.sql.figures import SQLFigures
from ostiary.adapters.sql.freezes import SQLFreezeStore
from ostiary.adapters.sql.governor import SQLGovernorLedger
from ostiary.adapters.sql.idempotency import SQLIdempotencyStore
from ostiary.adapters.sql.idle import SQLIdleStore
from ostiary.adapters.sql.incidents import SQLIncidentStore
from ostiary.adapters.sql.jobs import SQLJobQueue
from ostiary.adapters.sql.key_ledger import SQLKeyLedger
from ostiary.adapters.sql.mail_sends import SQLSendLedger
from ostiary.adapters.sql.notices import SQLNoticeStore
from ostiary.adapters.sql.organizations import SQLMemberStore, SQLOrganizationStore
from ostiary.adapters.sql.permission_uses import SQLPermissionUseStore
from ostiary.adapters.sql.personal_records import SQLRecordEraser, SQLRecordReader
from ostiary.adapters.sql.processes import SQLProcessStore
from ostiary.adapters.sql.rate_limits import SQLRateLimitStore
from ostiary.adapters.sql.read_counts import SQLReadCountStore
from ostiary.adapters.sql.retention import SQLRetentionStore
from ostiary.adapters.sql.roles import take_on
from ostiary.adapters.sql.roster import SQLRoster
from ostiary.adapters.sql.sealed_tokens import SQLSealedTokenStore
from ostiary.adapters.sql.signin import SQLAuthorizationRequestStore
from ostiary.adapters.sql.status import SQLStatusStore
from ostiary.adapters.sql.stored_tokens import SQLStoredTokens
from ostiary.adapters.sql.subscriptions import SQLSubscriptionStore
from ostiary.adapters.sql.sync import SQLSyncStore
from ostiary.adapters.sql.tenants import SQLTenantStore
from ostiary.adapters.sql.trust_sessions import SQLTenantConnections, SQLTrustSessionStore
from ostiary.adapters.sql.webhooks import SQLWebhookStore
from ostiary.core.feed.model import FeedEvent
from ostiary.core.feed.ports import Fanout
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.reach import Reach, current_reach


class UnitOfWork:
    """Stores on one connection; what they write commits together. Made by :class:`SQLTransactions`."""

    def __init__(
        self,
        connection: AsyncConnection,
        clock: Clock,
        entropy: Entropy,
        fanouts: Sequence[Fanout[UnitOfWork]] = (),
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._entropy = entropy
        self._fanouts = fanouts
        self._audit = SQLAuditTrail(connection, clock, entropy)
        self._feed = SQLFeed(connection, clock, fan_out=self._fan_out)

    @property
    def connection(self) -> AsyncConnection:
        """The transaction's own connection; for what wraps transactions, not for use cases."""
        return self._connection

    async def flush(self) -> None:
        """Write what is written last, because it locks what many transactions share: the feed, then the trail."""
        await self._feed.flush()
        await self._audit.flush()

    async def _fan_out(self, events: Sequence[FeedEvent]) -> None:
        for fanout in self._fanouts:
            await fanout.enqueue(self, events)

    @property
    def feed(self) -> SQLFeed:
        return self._feed

    @property
    def sync(self) -> SQLSyncStore:
        return SQLSyncStore(self._connection)

    @property
    def subscriptions(self) -> SQLSubscriptionStore:
        return SQLSubscriptionStore(self._connection)

    @property
    def coverage(self) -> SQLCoverageStore:
        return SQLCoverageStore(self._connection)

    @property
    def audit(self) -> SQLAuditTrail:
        return self._audit

    @property
    def audit_ledger(self) -> SQLAuditLedger:
        return SQLAuditLedger(self._connection)

    @property
    def jobs(self) -> SQLJobQueue:
        return SQLJobQueue(self._connection)

    @property
    def notices(self) -> SQLNoticeStore:
        return SQLNoticeStore(self._connection)

    @property
    def sends(self) -> SQLSendLedger:
        return SQLSendLedger(self._connection)

    @property
    def idempotency(self) -> SQLIdempotencyStore:
        return SQLIdempotencyStore(self._connection)

    @property
    def authorization_requests(self) -> SQLAuthorizationRequestStore:
        return SQLAuthorizationRequestStore(self._connection)

    @property
    def organizations(self) -> SQLOrganizationStore:
        return SQLOrganizationStore(self._connection)

    @property
    def members(self) -> SQLMemberStore:
        return SQLMemberStore(self._connection)

    @property
    def tenants(self) -> SQLTenantStore:
        return SQLTenantStore(self._connection)

    @property
    def consents(self) -> SQLConsentStore:
        return SQLConsentStore(self._connection)

    @property
    def consent_attempts(self) -> SQLConsentAttemptStore:
        return SQLConsentAttemptStore(self._connection)

    @property
    def admin_consent_links(self) -> SQLAdminConsentLinkStore:
        return SQLAdminConsentLinkStore(self._connection)

    @property
    def connections(self) -> SQLConnectionStore:
        return SQLConnectionStore(self._connection)

    @property
    def connect_sessions(self) -> SQLConnectSessionStore:
        return SQLConnectSessionStore(self._connection)

    @property
    def trust_sessions(self) -> SQLTrustSessionStore:
        return SQLTrustSessionStore(self._connection)

    @property
    def tenant_connections(self) -> SQLTenantConnections:
        return SQLTenantConnections(self._connection)

    @property
    def figures(self) -> SQLFigures:
        return SQLFigures(self._connection)

    @property
    def roster(self) -> SQLRoster:
        return SQLRoster(self._connection)

    @property
    def refresh_tokens(self) -> SQLRefreshTokenStore:
        return SQLRefreshTokenStore(self._connection)

    @property
    def access_tokens(self) -> SQLAccessTokenStore:
        return SQLAccessTokenStore(self._connection)

    @property
    def stored_tokens(self) -> SQLStoredTokens:
        return SQLStoredTokens(self._connection)

    @property
    def checks(self) -> SQLCheckSchedule:
        return SQLCheckSchedule(self._connection)

    @property
    def incidents(self) -> SQLIncidentStore:
        return SQLIncidentStore(self._connection)

    @property
    def permission_uses(self) -> SQLPermissionUseStore:
        return SQLPermissionUseStore(self._connection)

    @property
    def refresh_leases(self) -> SQLRefreshLease:
        return SQLRefreshLease(self._connection)

    @property
    def read_counts(self) -> SQLReadCountStore:
        return SQLReadCountStore(self._connection)

    @property
    def idle(self) -> SQLIdleStore:
        return SQLIdleStore(self._connection)

    @property
    def key_ledger(self) -> SQLKeyLedger:
        return SQLKeyLedger(self._connection)

    @property
    def sealed_tokens(self) -> SQLSealedTokenStore:
        return SQLSealedTokenStore(self._connection)

    @property
    def eraser(self) -> SQLRecordEraser:
        return SQLRecordEraser(self._connection)

    @property
    def records(self) -> SQLRecordReader:
        return SQLRecordReader(self._connection)

    @property
    def retention(self) -> SQLRetentionStore:
        return SQLRetentionStore(self._connection)

    @property
    def freezes(self) -> SQLFreezeStore:
        return SQLFreezeStore(self._connection)

    @property
    def approval_requests(self) -> SQLApprovalRequestStore:
        return SQLApprovalRequestStore(self._connection)

    @property
    def console_sessions(self) -> SQLConsoleSessionStore:
        return SQLConsoleSessionStore(self._connection)

    @property
    def operators(self) -> SQLOperatorStore:
        return SQLOperatorStore(self._connection)

    @property
    def api_keys(self) -> SQLApiKeyStore:
        return SQLApiKeyStore(self._connection)

    @property
    def governor(self) -> SQLGovernorLedger:
        return SQLGovernorLedger(self._connection)

    @property
    def webhooks(self) -> SQLWebhookStore:
        return SQLWebhookStore(self._connection)

    @property
    def processes(self) -> SQLProcessStore:
        return SQLProcessStore(self._connection)

    @property
    def rate_limits(self) -> SQLRateLimitStore:
        return SQLRateLimitStore(self._connection)

    @property
    def status(self) -> SQLStatusStore:
        return SQLStatusStore(self._connection)

    @property
    def one_time_links(self) -> SQLOneTimeLinkStore:
        return SQLOneTimeLinkStore(self._connection)


@dataclass(frozen=True, slots=True)
class _Whole:
    """A transaction that others of the same task join. Tasks started inside have transactions of their own."""

    connection: AsyncConnection
    reach: Reach
    task: asyncio.Task[Any] | None


_whole: Final[ContextVar[_Whole | None]] = ContextVar("ostiary_whole_transaction", default=None)


class SQLTransactions:
    """Opens units of work on an engine; satisfies ``Transactions`` of every feature.

    Each sees what the work that opens it declared (:mod:`ostiary.core.kernel.reach`), and nothing without that.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        clock: Clock,
        entropy: Entropy,
        fanouts: Sequence[Fanout[UnitOfWork]] = (),
    ) -> None:
        """``fanouts`` hear of every event of the feed, inside the transaction that appends it."""
        self._engine = engine
        self._clock = clock
        self._entropy = entropy
        self._fanouts = fanouts

    @asynccontextmanager
    async def __call__(self) -> AsyncGenerator[UnitOfWork]:
        whole = _whole.get()
        if whole is not None and whole.task is asyncio.current_task():
            async with self._part(whole) as unit:
                yield unit
            return
        async with self._engine.begin() as connection:
            await take_on(connection, current_reach())
            unit = UnitOfWork(connection, self._clock, self._entropy, self._fanouts)
            yield unit
            # No act without its record: when this fails, nothing of the act commits.
            await unit.flush()

    @asynccontextmanager
    async def whole(self) -> AsyncGenerator[UnitOfWork]:
        """Open a transaction that this task's further ones join: they commit together, when this one ends.

        Each of them still rolls back by itself when it fails. No network call belongs inside.
        """
        async with self() as unit:
            token = _whole.set(_Whole(unit.connection, current_reach(), asyncio.current_task()))
            try:
                yield unit
            finally:
                _whole.reset(token)

    @asynccontextmanager
    async def _part(self, whole: _Whole) -> AsyncGenerator[UnitOfWork]:
        reach = current_reach()
        async with whole.connection.begin_nested():
            if reach != whole.reach:
                await take_on(whole.connection, reach)
            unit = UnitOfWork(whole.connection, self._clock, self._entropy, self._fanouts)
            yield unit
            await unit.flush()
            if reach != whole.reach:
                await take_on(whole.connection, whole.reach)
