"""Connections: look at them, use them, check them, pause, resume and disconnect them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.connections.announcing import announce
from ostiary.core.connections.confirmation import Confirmation, fits
from ostiary.core.connections.flow import ConnectFlow
from ostiary.core.connections.machine import ConnectionEvent, transition
from ostiary.core.connections.model import (
    Connection,
    ConnectionStatus,
    ConnectSession,
    MailboxAccess,
    MailboxFacts,
)
from ostiary.core.connections.ports import ConnectionTransaction, FreezeReader, MailboxProbe
from ostiary.core.connections.sessions import ConnectSessions
from ostiary.core.connections.token_rules import refusal_event
from ostiary.core.connections.tokens import CONFIRMATION_PAUSE_SECONDS, AccessTokens
from ostiary.core.consent.features import lacking
from ostiary.core.consent.model import EWS_ENDS_ON
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import (
    AccessBlocked,
    ConsentRequired,
    MailboxMissing,
    NotFound,
    OstiaryError,
    PermissionDenied,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.page import Page
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Member, Organization
from ostiary.core.signin.model import Registrations
from ostiary.core.signin.ports import AuthorizationServer
from ostiary.core.signin.service import SignInService
from ostiary.core.tenants.service import TenantService
from ostiary.core.vault.service import VaultService

if TYPE_CHECKING:
    # Commands that only speak come by here, and it loads what a log needs.
    from ostiary.core.connections.leaving import Leaving

RENEW_AFTER: Final = timedelta(days=30)
"""An unused refresh token dies after 90 days (entra-id.md §3.3); we renew it with two months to spare."""

BACKUP_DAYS: Final = 35
"""Longest time a backup may still hold a sealed token after a disconnect (SR-101)."""

_DEFINITE: Final = (
    ReauthorizationRequired,
    ConsentRequired,
    AccessBlocked,
    MailboxMissing,
    PermissionDenied,
)
_CHECKED: Final = frozenset(
    {
        ConnectionStatus.CONNECTED,
        ConnectionStatus.FAILING,
        ConnectionStatus.NEEDS_SIGN_IN,
        ConnectionStatus.WAITING_FOR_APPROVAL,
    }
)


@dataclass(frozen=True, slots=True)
class DisconnectReceipt:
    """What a disconnect did, and what it leaves to people (SR-101)."""

    connection: Connection
    tokens_destroyed: bool
    at: datetime
    backups_gone_by: datetime
    """Backups made before hold the token sealed until then at the latest."""
    subscriptions_left: int = 0
    """What at Microsoft still tells us of the mailbox, because it could not be ended in time. It runs out by itself
    within a week, and what it tells is thrown away."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """What the pages after Microsoft are made of."""

    session: ConnectSession
    organization: Organization
    member: Member
    connection: Connection | None


class ConnectionService:
    """The front of the feature. ``sessions``, ``flow``, ``confirmation`` and ``tokens`` are its parts."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConnectionTransaction],
        clock: Clock,
        entropy: Entropy,
        sign_in: SignInService,
        tenants: TenantService,
        authorization_server: AuthorizationServer,
        registrations: Registrations,
        vault: VaultService,
        freezes: FreezeReader,
        leaving: Leaving,
        probes: Mapping[AccessMethod, MailboxProbe],
        return_urls: Sequence[str] = (),
        offer_ews: bool = True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transactions = transactions
        self._leaving = leaving
        self._clock = clock
        self._probes = probes
        self._sleep = sleep
        self.sessions = ConnectSessions(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            return_urls=return_urls,
            offer_ews=offer_ews,
        )
        self.confirmation = Confirmation(transactions=transactions, clock=clock, entropy=entropy)
        self.flow = ConnectFlow(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            sign_in=sign_in,
            tenants=tenants,
            registrations=registrations,
            vault=vault,
            probes=probes,
            confirmation=self.confirmation,
            offer_ews=offer_ews,
        )
        self.tokens = AccessTokens(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            authorization_server=authorization_server,
            registrations=registrations,
            vault=vault,
            freezes=freezes,
            sleep=sleep,
        )

    async def get(self, connection_id: str, *, organization_id: str | None) -> Connection:
        """Raises NotFound. ``organization_id`` None is for the vendor's own key, which sees all."""
        async with self._transactions() as tx:
            return await tx.connections.get(connection_id, organization_id=organization_id)

    async def page(
        self,
        *,
        organization_id: str | None,
        status: ConnectionStatus | None = None,
        reason: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Connection]:
        """Connections newest first; those still unconfirmed only when asked for by status."""
        async with self._transactions() as tx:
            return await tx.connections.page(
                organization_id=organization_id, status=status, reason=reason, cursor=cursor, limit=limit
            )

    async def list_for_member(self, member_id: str, *, organization_id: str) -> tuple[Connection, ...]:
        """Raises NotFound when the member is not of the organization."""
        async with self._transactions() as tx:
            member = await tx.members.get(member_id, organization_id=organization_id)
            return await tx.connections.list_for_member(member.id)

    async def view(self, reference: str, *, browser_secret: Secret | None) -> SessionView:
        """Return a connect attempt for the browser that started it.

        Raises:
            NotFound: No such attempt, or of another browser: both look alike.
        """
        async with self._transactions() as tx:
            session = await tx.connect_sessions.find_by_reference(reference)
            if session is None or browser_secret is None or not fits(session.browser_hash, browser_secret):
                raise NotFound("There is no such sign-in in this browser.")
            connection = (
                None
                if session.made_connection_id is None
                else await tx.connections.get(session.made_connection_id)
            )
            return SessionView(
                session=session,
                organization=await tx.organizations.get(session.organization_id),
                member=await tx.members.get(session.member_id, organization_id=session.organization_id),
                connection=connection,
            )

    async def access(self, connection: Connection) -> MailboxAccess:
        """Return what a gateway needs to reach the mailbox; a token is fetched when it first asks.

        The token function raises as :meth:`AccessTokens.get` says.
        """
        return self._access(connection, try_lost=False)

    async def check(self, connection_id: str, *, organization_id: str | None, actor: Actor) -> Connection:
        """Try the connection for real and store how it is. A transient fault changes nothing (SR-47).

        Raises:
            NotFound: No such connection.
            Throttled, TemporarilyUnavailable: Microsoft would not say; repeat later.
            Misconfigured: Our own registration is wrong.
        """
        connection = await self.get(connection_id, organization_id=organization_id)
        if connection.status not in _CHECKED:
            return connection
        try:
            facts = await self._probe_surely(connection)
        except (Throttled, TemporarilyUnavailable):
            raise
        except _DEFINITE as error:
            return await self._store_refusal(connection, error, actor)
        return await self._store_success(connection, facts, actor)

    async def pause(
        self, connection_id: str, *, organization_id: str | None, actor: Actor, reason: str | None = None
    ) -> Connection:
        """Stop using the connection until it is resumed; its sign-in is kept. Pausing twice is no fault."""
        return await self._move(
            connection_id, organization_id, ConnectionEvent.PAUSED, ConnectionStatus.PAUSED, actor, reason
        )

    async def resume(self, connection_id: str, *, organization_id: str | None, actor: Actor) -> Connection:
        """Use a paused connection again. What is wrong with it shows at the next check."""
        return await self._move(
            connection_id, organization_id, ConnectionEvent.RESUMED, ConnectionStatus.CONNECTED, actor
        )

    async def leave(self, connection_ids: Collection[str]) -> None:
        """Have Microsoft tell us no more of mailboxes that are about to be disconnected; takes a bounded time."""
        await self._leaving.leave(connection_ids)

    async def disconnect(
        self, connection_id: str, *, organization_id: str | None, actor: Actor, has_left: bool = False
    ) -> DisconnectReceipt:
        """Destroy the connection's tokens for good and say what was done. Doing it twice is no fault.

        Args:
            has_left: :meth:`leave` was called for it already, together with others.
        """
        if not has_left:
            found = await self.get(connection_id, organization_id=organization_id)
            await self.leave([found.id])
            await hit(Failpoint.DISCONNECT_LEFT)
        now = self._clock.now()
        async with self._transactions() as tx:
            current = await tx.connections.get(
                connection_id, organization_id=organization_id, for_update=True
            )
            left = await tx.subscriptions.count_telling(current.id)
            had_token = await tx.refresh_tokens.destroy(current.id)
            await tx.access_tokens.destroy(current.id)
            if current.status is not ConnectionStatus.DISCONNECTED:
                before = current
                current = transition(current, ConnectionEvent.DISCONNECTED, now=now)
                await tx.connections.save(current)
                await announce(tx.feed, before, current)
                await tx.audit.record(
                    "connection.disconnected",
                    f"{current.address} was disconnected and its tokens were destroyed.",
                    actor=actor,
                    organization_id=current.organization_id,
                    object_id=current.id,
                    reference=current.reference,
                    detail={"subscriptions_left": str(left)} if left else {},
                )
                await hit(Failpoint.DISCONNECT_MARKED)
        await hit(Failpoint.DISCONNECT_PURGED)
        self.tokens.forget(current.id)
        return DisconnectReceipt(
            connection=current,
            tokens_destroyed=had_token,
            at=current.changed_at,
            backups_gone_by=current.changed_at + timedelta(days=BACKUP_DAYS),
            subscriptions_left=left,
        )

    async def refresh_idle(self, *, limit: int = 200) -> int:
        """Renew the sign-in of connections that nobody used for a month. Job ``connections.refresh_idle``.

        One that fails does not stop the others; a definite refusal is stored, anything else waits for the next
        round. Returns how many were renewed.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            await tx.access_tokens.destroy_expired(before=now)
            idle = await tx.connections.idle_since(now - RENEW_AFTER, limit=limit)
        renewed = 0
        for connection_id in idle:
            try:
                await self.tokens.get(connection_id)
            except OstiaryError:
                continue
            renewed += 1
        return renewed

    async def recheck_waiting(self, organization_id: str) -> int:
        """Try again what waits for an approval. Job ``connections.recheck_waiting``; returns how many work now."""
        page = await self.page(
            organization_id=organization_id, status=ConnectionStatus.WAITING_FOR_APPROVAL, limit=200
        )
        mended = 0
        for connection in page.items:
            try:
                checked = await self.check(connection.id, organization_id=organization_id, actor=SYSTEM)
            except OstiaryError:
                continue
            mended += checked.status is ConnectionStatus.CONNECTED
        return mended

    def _access(self, connection: Connection, *, try_lost: bool) -> MailboxAccess:
        handed_out: Secret | None = None

        async def access_token(after_refusal: bool) -> Secret:
            nonlocal handed_out
            handed_out = await self.tokens.get(
                connection.id, refused=handed_out if after_refusal else None, try_lost=try_lost
            )
            return handed_out

        return MailboxAccess(
            connection_id=connection.id,
            tenant_id=connection.tenant_id,
            object_id=connection.object_id,
            address=connection.address,
            access_token=access_token,
        )

    async def _probe_surely(self, connection: Connection) -> MailboxFacts:
        """Probe; believe a refusal of the mailbox only the second time."""
        # Fetched first: a refusal of the sign-in itself has been repeated and stored by then.
        await self.tokens.get(connection.id, try_lost=True)
        mailbox = self._access(connection, try_lost=True)
        probe = self._probes[connection.method]
        try:
            return await probe.probe(mailbox, mail=connection.mail, calendar=connection.calendar)
        except _DEFINITE:
            await self._sleep(CONFIRMATION_PAUSE_SECONDS)
        return await probe.probe(mailbox, mail=connection.mail, calendar=connection.calendar)

    async def _store_success(self, connection: Connection, facts: MailboxFacts, actor: Actor) -> Connection:
        now = self._clock.now()
        async with self._transactions() as tx:
            current = await tx.connections.get(connection.id, for_update=True)
            if current.status not in _CHECKED:
                return current
            missing = lacking(
                current.method, current.granted_scopes, mail=current.mail, calendar=current.calendar
            )
            was = current
            if missing:
                current = transition(current, ConnectionEvent.STOPPED, now=now, reason="missing_permission")
            else:
                current = transition(current, ConnectionEvent.WORKED, now=now)
            current = replace(
                current,
                address=facts.address or current.address,
                display_name=facts.display_name or current.display_name,
                last_success_at=now,
            )
            await tx.connections.save(current)
            await _record_check(tx, current, was, actor)
        return current

    async def _store_refusal(self, connection: Connection, error: OstiaryError, actor: Actor) -> Connection:
        now = self._clock.now()
        event, reason = refusal_event(error)
        if reason == "ews_off" and now.date() >= EWS_ENDS_ON:
            # The same 403; from that day on nobody can switch it on again.
            reason = "ews_ended"
        async with self._transactions() as tx:
            current = await tx.connections.get(connection.id, for_update=True)
            if current.status not in _CHECKED:
                return current
            was = current
            current = transition(current, event, now=now, reason=reason, provider=error.provider)
            await tx.connections.save(current)
            await _record_check(tx, current, was, actor)
        return current

    async def _move(
        self,
        connection_id: str,
        organization_id: str | None,
        event: ConnectionEvent,
        target: ConnectionStatus,
        actor: Actor,
        reason: str | None = None,
    ) -> Connection:
        now = self._clock.now()
        async with self._transactions() as tx:
            current = await tx.connections.get(
                connection_id, organization_id=organization_id, for_update=True
            )
            if current.status is target:
                return current
            before = current
            current = transition(current, event, now=now, reason=reason)
            await tx.connections.save(current)
            await announce(tx.feed, before, current)
            await tx.audit.record(
                f"connection.{event.value}",
                f"{current.address} was {event.value}.",
                actor=actor,
                organization_id=current.organization_id,
                object_id=current.id,
                reference=current.reference,
                reason=reason,
            )
        self.tokens.forget(current.id)
        return current


def _on_record(connection: Connection) -> tuple[object, ...]:
    """What of a connection cannot change without a record of the check that found it."""
    return connection.status, connection.reason, connection.address, connection.display_name


async def _record_check(
    tx: ConnectionTransaction, connection: Connection, was: Connection, actor: Actor
) -> None:
    await announce(tx.feed, was, connection)
    if _on_record(connection) == _on_record(was):
        return
    await tx.audit.record(
        "connection.checked",
        f"{connection.address} was checked: {connection.status.value.replace('_', ' ')}.",
        actor=actor,
        organization_id=connection.organization_id,
        object_id=connection.id,
        reference=connection.reference,
        reason=connection.reason,
    )
