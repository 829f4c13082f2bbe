"""Access tokens of connections: kept until they expire, renewed once however many callers wait.

The order that loses nothing (SR-46 to SR-48): take the lease, read the stored refresh token, ask Microsoft, store
the newer one, and only then let anybody use the access token that came with it. A crash at any point leaves a
refresh token that still works, because Microsoft does not revoke the old one (entra-id.md §3.3).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.announcing import announce
from ostiary.core.connections.errors import ConnectionNotUsable
from ostiary.core.connections.machine import ConnectionEvent, transition
from ostiary.core.connections.model import Connection, SharedAccessToken
from ostiary.core.connections.ports import ConnectionTransaction, FreezeReader
from ostiary.core.connections.stored_tokens import Found, StoredTokens
from ostiary.core.connections.token_rules import (
    LOST,
    TRIED,
    access_token_context,
    expires_soon,
    record_opening,
    record_scope_change,
    refresh_token_context,
    refusal_event,
    require_usable,
)
from ostiary.core.consent.features import lacking
from ostiary.core.consent.permissions import remaining_scopes, token_scopes
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    ConsentRequired,
    FlowRejected,
    Misconfigured,
    OstiaryError,
    ProviderContractBroken,
    ReauthorizationRequired,
    TemporarilyUnavailable,
)
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.signin.model import AppRegistration, Registrations, TokenSet
from ostiary.core.signin.ports import AuthorizationServer
from ostiary.core.vault.errors import SealBroken
from ostiary.core.vault.model import Sealed
from ostiary.core.vault.policy import Purpose
from ostiary.core.vault.service import VaultService

LEASE_LIFE: Final = timedelta(seconds=90)
"""Longer than two token requests and the pause between them; a process that died holds up nobody for longer."""

CONFIRMATION_PAUSE_SECONDS: Final = 2.0
"""Between a refusal and the second attempt that must repeat it before anything is stored (SR-47)."""

_WAIT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1
_MOST_TOKENS_HELD: Final = 10_000

_DEFINITE: Final = (ReauthorizationRequired, ConsentRequired, AccessBlocked)


@dataclass(frozen=True, slots=True)
class _Held:
    organization_id: str
    token: Secret
    version: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Lease:
    """Our turn to refresh, with what there is to refresh."""

    connection: Connection
    holder: str
    sealed: Sealed
    version: int


class AccessTokens:
    """Hands out access tokens of connections, for the one resource of their access method."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConnectionTransaction],
        clock: Clock,
        entropy: Entropy,
        authorization_server: AuthorizationServer,
        registrations: Registrations,
        vault: VaultService,
        freezes: FreezeReader,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._server = authorization_server
        self._registrations = registrations
        self._vault = vault
        self._freezes = freezes
        self._sleep = sleep
        self._stored = StoredTokens(transactions=transactions, clock=clock)
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._flights: dict[str, asyncio.Task[None]] = {}

    async def get(
        self, connection_id: str, *, refused: Secret | None = None, try_lost: bool = False
    ) -> Secret:
        """Return an access token that is good for at least :data:`~ostiary.core.connections.token_rules.EXPIRY_MARGIN`.

        Args:
            refused: The token that Microsoft just refused, if any; another one is returned.
            try_lost: Also try a connection whose sign-in or approval was lost: somebody may have mended it.

        Raises:
            NotFound: There is no such connection.
            ConnectionNotUsable: It is paused, disconnected or not confirmed.
            Frozen: The operator stopped its use.
            ReauthorizationRequired, ConsentRequired, AccessBlocked: Microsoft refused twice; stored, with reason.
            Misconfigured: Our own registration is wrong, or the stored token does not open.
            Throttled, TemporarilyUnavailable: Repeat later; nothing stored has changed.
        """
        for _ in range(3):
            held = self._usable(connection_id, refused)
            if held is not None:
                await self._freezes.require_thawed(connection_id, organization_id=held.organization_id)
                return held.token
            await self._join_flight(connection_id, refused, try_lost)
        raise TemporarilyUnavailable("No access token could be had in time.", reason="microsoft_down")

    def forget(self, connection_id: str) -> None:
        """Drop what this process holds, once a connection is paused or disconnected."""
        self._held.pop(connection_id, None)

    def _usable(self, connection_id: str, refused: Secret | None) -> _Held | None:
        held = self._held.get(connection_id)
        if held is None or self._is_stale(held.expires_at) or (refused is not None and held.token == refused):
            return None
        self._held.move_to_end(connection_id)
        return held

    def _is_stale(self, expires_at: datetime) -> bool:
        return expires_soon(expires_at, now=self._clock.now())

    async def _join_flight(self, connection_id: str, refused: Secret | None, try_lost: bool) -> None:
        flight = self._flights.get(connection_id)
        if flight is None:
            flight = asyncio.create_task(self._obtain(connection_id, refused, try_lost))
            self._flights[connection_id] = flight
            flight.add_done_callback(lambda done: self._land(connection_id, done))
        # One caller that gives up must not take the token from the others.
        await asyncio.shield(flight)

    def _land(self, connection_id: str, flight: asyncio.Task[None]) -> None:
        self._flights.pop(connection_id, None)
        if not flight.cancelled():
            # Looked at here, because every caller may have given up before it failed.
            flight.exception()

    async def _obtain(self, connection_id: str, refused: Secret | None, try_lost: bool) -> None:
        held = self._held.get(connection_id)
        refused_version = held.version if held is not None and held.token == refused else 0
        deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
        # Mostly another process got one already; only who finds none takes the longer way.
        ready = await self._stored.take(connection_id, newer_than=refused_version, try_lost=try_lost)
        while asyncio.get_running_loop().time() < deadline:
            found = ready or await self._look(connection_id, refused_version, try_lost)
            ready = None
            if isinstance(found, _Lease):
                if await self._refresh(found):
                    return
            elif found is not None:
                connection, shared = found
                token = await self._open(connection, shared)
                if refused is None or token != refused:
                    self._hold(
                        connection.id,
                        _Held(connection.organization_id, token, shared.version, shared.expires_at),
                    )
                    return
                refused_version = shared.version
                continue
            await self._sleep(_POLL_SECONDS)
        raise TemporarilyUnavailable("No access token could be had in time.", reason="microsoft_down")

    async def _look(self, connection_id: str, refused_version: int, try_lost: bool) -> Found | _Lease | None:
        """Return a token another process got, or our turn to refresh, or None while somebody else refreshes."""
        now = self._clock.now()
        async with self._transactions() as tx:
            connection = await tx.connections.get(connection_id)
            require_usable(connection, try_lost=try_lost)
            await tx.freezes.require_thawed(connection_id, organization_id=connection.organization_id)
            shared = await self._find_fresh(tx, connection_id, refused_version)
            if shared is not None:
                await record_opening(tx, connection, "access_token", "use")
                return connection, shared
            holder = new_id("ref", self._entropy)
            fence = await tx.refresh_leases.acquire(
                connection_id, holder=holder, until=now + LEASE_LIFE, now=now
            )
            if fence is None:
                return None
            # Whoever had the lease a moment ago stored a token before giving it up, maybe since we looked.
            shared = await self._find_fresh(tx, connection_id, refused_version)
            if shared is not None:
                await tx.refresh_leases.release(connection_id, holder=holder)
                await record_opening(tx, connection, "access_token", "use")
                return connection, shared
            stored = await tx.refresh_tokens.find(connection_id)
            if stored is None:
                raise ConnectionNotUsable(
                    "This connection has no saved sign-in.", reference=connection.reference
                )
            await record_opening(tx, connection, "refresh_token", "refresh")
            return _Lease(connection, holder, *stored)

    async def _find_fresh(
        self, tx: ConnectionTransaction, connection_id: str, refused_version: int
    ) -> SharedAccessToken | None:
        shared = await tx.access_tokens.find(connection_id)
        if shared is None or shared.version <= refused_version or self._is_stale(shared.expires_at):
            return None
        return shared

    async def _refresh(self, lease: _Lease) -> bool:
        """Redeem the refresh token. False when somebody else stored a newer one meanwhile: look again."""
        connection = lease.connection
        try:
            await hit(Failpoint.REFRESH_LEASE_TAKEN)
            try:
                context = refresh_token_context(connection, lease.version)
                refresh_token = await self._vault.open(lease.sealed, context, purpose=Purpose.REFRESH)
                tokens = await self._redeem_surely(lease, refresh_token)
            except SealBroken as error:
                await self._report_broken_seal(connection)
                raise Misconfigured(
                    "The saved sign-in could not be opened.",
                    reason="our_fault",
                    reference=connection.reference,
                ) from error
            except _DEFINITE as error:
                await self._give_up(lease, error)
                raise
            return tokens is not None and await self._keep(lease, tokens, refresh_token)
        finally:
            async with self._transactions() as tx:
                await tx.refresh_leases.release(connection.id, holder=lease.holder)
            await hit(Failpoint.REFRESH_LEASE_RELEASED)

    async def _redeem_surely(self, lease: _Lease, refresh_token: Secret) -> TokenSet | None:
        """Redeem; believe a refusal only the second time. None when the stored token changed meanwhile."""
        try:
            return await self._redeem(lease.connection, refresh_token)
        except _DEFINITE:
            await self._sleep(CONFIRMATION_PAUSE_SECONDS)
        async with self._transactions() as tx:
            await tx.freezes.require_thawed(
                lease.connection.id, organization_id=lease.connection.organization_id
            )
            stored = await tx.refresh_tokens.find(lease.connection.id)
        if stored is None or stored[1] != lease.version:
            return None
        try:
            return await self._redeem(lease.connection, refresh_token)
        except ConsentRequired:
            tokens = await self._redeem_what_is_left(lease.connection, refresh_token)
            if tokens is None:
                raise
            return tokens

    async def _redeem_what_is_left(self, connection: Connection, refresh_token: Secret) -> TokenSet | None:
        """Tell an approval that was cut down from one that was withdrawn; None when nothing of it is left.

        One permission that is missing refuses the whole request (AADSTS65001), so we ask for whatever there is.

        Raises:
            AccessBlocked: What is left is not enough for this connection.
        """
        try:
            tokens = await self._redeem(connection, refresh_token, remaining_scopes(connection.method))
        except _DEFINITE:
            return None
        missing = lacking(
            connection.method, tokens.scopes, mail=connection.mail, calendar=connection.calendar
        )
        if missing:
            names = ", ".join(permission.name for permission in missing)
            raise AccessBlocked(
                f"Permissions were taken away at Microsoft: {names}.",
                reason="missing_permission",
                reference=connection.reference,
            )
        return tokens

    async def _redeem(
        self, connection: Connection, refresh_token: Secret, scopes: tuple[str, ...] | None = None
    ) -> TokenSet:
        try:
            return await self._server.refresh(
                self._registration(connection),
                tenant_id=connection.tenant_id,
                refresh_token=refresh_token,
                scopes=token_scopes(connection.method) if scopes is None else scopes,
            )
        except FlowRejected as error:
            # An answer that cannot be verified says nothing about the saved sign-in; nobody has to start again.
            raise ProviderContractBroken(
                "Microsoft’s answer to a refresh could not be verified.",
                provider=error.provider,
                reference=connection.reference,
            ) from error

    async def _keep(self, lease: _Lease, tokens: TokenSet, used: Secret) -> bool:
        await hit(Failpoint.REFRESH_RESPONSE_IN_MEMORY)
        connection, version = lease.connection, lease.version + 1
        if tokens.claims is not None and (
            tokens.claims.identity.tenant_id != connection.tenant_id
            or tokens.claims.identity.object_id != connection.object_id
        ):
            await self._quarantine(connection)
            raise ReauthorizationRequired(
                "The saved sign-in answered for another account.",
                reason="sign_in_needed",
                reference=connection.reference,
            )
        # Microsoft always sends a newer one; without it the old one stays good and moves to the new version.
        refresh_token = tokens.refresh_token or used
        sealed = await self._vault.seal(refresh_token, refresh_token_context(connection, version))
        sealed_access = await self._vault.seal(tokens.access_token, access_token_context(connection, version))
        now = self._clock.now()
        try:
            async with self._transactions() as tx:
                current = await tx.connections.get(connection.id, for_update=True)
                await tx.refresh_tokens.put(connection.id, sealed, version=version, at=now)
                await tx.access_tokens.put(
                    connection.id, sealed_access, version=version, expires_at=tokens.expires_at
                )
                await record_scope_change(tx, current, tokens.scopes)
                renewed = replace(current, token_version=version, granted_scopes=tuple(sorted(tokens.scopes)))
                if renewed.status in LOST:
                    renewed = transition(renewed, ConnectionEvent.WORKED, now=now)
                await tx.connections.save(renewed)
                await announce(tx.feed, current, renewed)
                if renewed.status is not current.status:
                    await tx.audit.record(
                        "connection.recovered",
                        f"The saved sign-in of {current.address} works again.",
                        actor=SYSTEM,
                        organization_id=current.organization_id,
                        object_id=current.id,
                        reference=current.reference,
                    )
        except Conflict:
            return False
        await hit(Failpoint.REFRESH_STORED)
        # Only now: the newer refresh token is safe, so the access token may be used.
        held = _Held(connection.organization_id, tokens.access_token, version, tokens.expires_at)
        self._hold(connection.id, held)
        return True

    async def _give_up(self, lease: _Lease, error: OstiaryError) -> None:
        """Store a refusal that Microsoft repeated, unless the connection moved on meanwhile (SR-47)."""
        now = self._clock.now()
        event, reason = refusal_event(error)
        async with self._transactions() as tx:
            current = await tx.connections.get(lease.connection.id, for_update=True)
            stored = await tx.refresh_tokens.find(current.id)
            if current.status not in TRIED | LOST or stored is None or stored[1] != lease.version:
                return
            changed = transition(current, event, now=now, reason=reason, provider=error.provider)
            await tx.connections.save(changed)
            await announce(tx.feed, current, changed)
            await tx.access_tokens.destroy(current.id)
            if changed.changed_at != current.changed_at:
                await tx.audit.record(
                    "connection.refused",
                    f"Microsoft refused the saved sign-in of {current.address}.",
                    actor=SYSTEM,
                    outcome="failed",
                    organization_id=current.organization_id,
                    object_id=current.id,
                    reference=current.reference,
                    reason=reason,
                )
        self.forget(lease.connection.id)
        error.reference = lease.connection.reference

    async def _quarantine(self, connection: Connection) -> None:
        """SR-29: a sign-in that answers for somebody else is not used again."""
        now = self._clock.now()
        async with self._transactions() as tx:
            current = await tx.connections.get(connection.id, for_update=True)
            if current.status in TRIED | LOST:
                changed = transition(current, ConnectionEvent.SIGN_IN_LOST, now=now, reason="sign_in_needed")
                await tx.connections.save(changed)
                await announce(tx.feed, current, changed)
            await tx.access_tokens.destroy(current.id)
            await tx.audit.record(
                "connection.quarantined",
                f"The saved sign-in of {current.address} answered for another account and is not used any more.",
                actor=SYSTEM,
                outcome="refused",
                organization_id=current.organization_id,
                object_id=current.id,
                reference=current.reference,
                reason="account_mismatch",
            )
        self.forget(connection.id)

    async def _report_broken_seal(self, connection: Connection) -> None:
        async with self._transactions() as tx:
            await tx.audit.record(
                "connection.seal_broken",
                f"The saved sign-in of {connection.address} could not be opened: wrong key file or damaged row.",
                actor=SYSTEM,
                outcome="failed",
                organization_id=connection.organization_id,
                object_id=connection.id,
                reference=connection.reference,
                reason="our_fault",
            )

    async def _open(self, connection: Connection, shared: SharedAccessToken) -> Secret:
        try:
            context = access_token_context(connection, shared.version)
            return await self._vault.open(shared.sealed, context, purpose=Purpose.USE)
        except SealBroken as error:
            await self._report_broken_seal(connection)
            raise Misconfigured(
                "The saved sign-in could not be opened.", reason="our_fault", reference=connection.reference
            ) from error

    def _hold(self, connection_id: str, held: _Held) -> None:
        self._held[connection_id] = held
        self._held.move_to_end(connection_id)
        while len(self._held) > _MOST_TOKENS_HELD:
            self._held.popitem(last=False)

    def _registration(self, connection: Connection) -> AppRegistration:
        found = self._registrations.find(connection.registration_id)
        if found is None:
            raise Misconfigured(
                "The app registration of this connection is not configured any more.",
                reason="our_fault",
                reference=connection.reference,
            )
        return found
