"""Keeping a proven sign-in: as a new connection that somebody vouches for, or as the renewal of an old one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.connections.announcing import announce
from ostiary.core.connections.confirmation import EXPIRE_JOB, Confirmation, vendor_page
from ostiary.core.connections.errors import SessionUsed
from ostiary.core.connections.machine import ConnectionEvent, transition
from ostiary.core.connections.model import (
    CONFIRMATION_LIFE,
    Connection,
    ConnectionStatus,
    ConnectOutcome,
    ConnectSession,
    ConnectSessionState,
)
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.connections.proof import Proven, Refused
from ostiary.core.connections.sessions import ConnectPreview
from ostiary.core.connections.token_rules import access_token_context, refresh_token_context
from ostiary.core.connections.vouching import Vouching, vouch
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.core.kernel.reach import everybody
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Member
from ostiary.core.vault.model import Sealed
from ostiary.core.vault.service import VaultService

_ATTEMPTS: Final = 3


class ConnectionKeeper:
    """Stores what a connect flow proved, with its sealed tokens."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConnectionTransaction],
        clock: Clock,
        entropy: Entropy,
        vault: VaultService,
        confirmation: Confirmation,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._confirmation = confirmation

    async def keep(
        self, session: ConnectSession, preview: ConnectPreview, proven: Proven, actor: Actor
    ) -> ConnectOutcome:
        """Store the sign-in as a new connection or as the renewal of the one it belongs to.

        Raises:
            Refused: It is not this member's, or somebody else connected the mailbox meanwhile.
        """
        for _ in range(_ATTEMPTS):
            try:
                return await self._keep_now(session, preview, proven, actor)
            except SessionUsed:
                async with self._transactions() as tx:
                    current = await tx.connect_sessions.get(session.id)
                return ConnectOutcome(current.reference, current.state)
            except Conflict:
                # A refresh of the same connection, or another member's sign-in, was quicker: look again.
                continue
        raise Refused("mailbox_in_use", claims=proven.claims)

    async def _keep_now(
        self, session: ConnectSession, preview: ConnectPreview, proven: Proven, actor: Actor
    ) -> ConnectOutcome:
        existing = await self._to_renew(preview.member, proven)
        if existing is not None:
            return await self._renew(session, existing, proven, actor)
        decision = vouch(session, preview.member, proven.claims, mailbox_address=proven.facts.address)
        if decision is Vouching.REFUSED:
            raise Refused("account_mismatch", claims=proven.claims)
        now = self._clock.now()
        identity = proven.claims.identity
        connection = transition(
            Connection(
                id=new_id("con", self._entropy),
                organization_id=session.organization_id,
                member_id=session.member_id,
                cloud=identity.cloud,
                tenant_id=identity.tenant_id,
                object_id=identity.object_id,
                method=proven.method,
                registration_id=proven.registration_id,
                mail=proven.mail,
                calendar=proven.calendar,
                status=ConnectionStatus.CONNECTING,
                reference=new_reference(ReferenceKind.CONNECT, self._entropy),
                address=proven.facts.address or proven.claims.username,
                display_name=proven.facts.display_name or proven.claims.display_name,
                created_at=now,
                changed_at=now,
                granted_scopes=tuple(sorted(proven.tokens.scopes)),
                confirm_before=now + CONFIRMATION_LIFE,
                token_version=1,
                left_out_reason=proven.left_out_reason,
            ),
            ConnectionEvent.STORED,
            now=now,
        )
        sealed, sealed_access = await self._seal(connection, proven, 1)
        async with self._transactions() as tx:
            session = await self._still_mine(tx, session)
            session = replace(
                session,
                account=proven.claims.username,
                made_connection_id=connection.id,
                used_at=now,
            )
            await tx.connections.add(connection)
            await tx.refresh_tokens.put(connection.id, sealed, version=1, at=now)
            await tx.access_tokens.put(
                connection.id, sealed_access, version=1, expires_at=proven.tokens.expires_at
            )
            await tx.audit.record(
                "connect.signed_in",
                f"{proven.claims.username} signed in to connect {connection.address}.",
                actor=actor,
                organization_id=session.organization_id,
                object_id=connection.id,
                reference=session.reference,
                detail={"tenant_id": identity.tenant_id, "object_id": identity.object_id},
            )
            if decision is Vouching.DONE:
                await self._confirmation.complete(tx, session, connection, actor=actor)
                return ConnectOutcome(session.reference, ConnectSessionState.CONFIRMED, vendor_page(session))
            await tx.jobs.enqueue(EXPIRE_JOB, {}, run_at=now + CONFIRMATION_LIFE)
            if decision is Vouching.PERSON_DECIDES:
                session = replace(session, state=ConnectSessionState.CHOOSING, reason="account_mismatch")
                await tx.connect_sessions.save(session)
                return ConnectOutcome(session.reference, session.state)
            session, address = await self._confirmation.send_to_vendor(tx, session)
            return ConnectOutcome(session.reference, session.state, address)

    async def _renew(
        self, session: ConnectSession, existing: Connection, proven: Proven, actor: Actor
    ) -> ConnectOutcome:
        """Sign in again to a connection of the same member and the same Microsoft identity: its id stays (SR-21)."""
        now = self._clock.now()
        version = existing.token_version + 1
        sealed, sealed_access = await self._seal(existing, proven, version)
        async with self._transactions() as tx:
            session = await self._still_mine(tx, session)
            current = await tx.connections.get(existing.id, for_update=True)
            renewed = replace(
                transition(current, ConnectionEvent.SIGNED_IN_AGAIN, now=now),
                method=proven.method,
                registration_id=proven.registration_id,
                mail=proven.mail,
                calendar=proven.calendar,
                address=proven.facts.address or current.address,
                display_name=proven.facts.display_name or current.display_name,
                granted_scopes=tuple(sorted(proven.tokens.scopes)),
                last_success_at=now,
                token_version=version,
                left_out_reason=proven.left_out_reason,
            )
            await tx.refresh_tokens.put(current.id, sealed, version=version, at=now)
            await tx.access_tokens.put(
                current.id, sealed_access, version=version, expires_at=proven.tokens.expires_at
            )
            await tx.connections.save(renewed)
            await announce(tx.feed, current, renewed)
            session = replace(
                session,
                state=ConnectSessionState.CONFIRMED,
                account=proven.claims.username,
                made_connection_id=current.id,
                used_at=now,
            )
            await tx.connect_sessions.save(session)
            await self._confirmation.tell_waiting(tx, session, renewed)
            await tx.audit.record(
                "connection.reconnected",
                f"{proven.claims.username} signed in again to {renewed.address}.",
                actor=actor,
                organization_id=session.organization_id,
                object_id=current.id,
                reference=session.reference,
            )
        return ConnectOutcome(session.reference, session.state, vendor_page(session))

    async def _seal(self, connection: Connection, proven: Proven, version: int) -> tuple[Sealed, Sealed]:
        refresh = await self._vault.seal(proven.refresh_token, refresh_token_context(connection, version))
        access = await self._vault.seal(proven.tokens.access_token, access_token_context(connection, version))
        return refresh, access

    async def _to_renew(self, member: Member, proven: Proven) -> Connection | None:
        """Return the connection this sign-in is for, if there is one, as it stands now."""
        identity = proven.claims.identity
        with everybody("a mailbox belongs to one member"):
            async with self._transactions() as tx:
                if proven.renews is not None:
                    current = await tx.connections.get(proven.renews.id)
                    if current.status is ConnectionStatus.DISCONNECTED:
                        raise Refused("unknown", claims=proven.claims)
                    return current
                live = await tx.connections.find_live_by_identity(
                    cloud=identity.cloud, tenant_id=identity.tenant_id, object_id=identity.object_id
                )
        if live is not None and live.member_id != member.id:
            raise Refused("mailbox_in_use", claims=proven.claims)
        return live

    @staticmethod
    async def _still_mine(tx: ConnectionTransaction, session: ConnectSession) -> ConnectSession:
        current = await tx.connect_sessions.get(session.id, for_update=True)
        if current.state in (ConnectSessionState.RETURNED, ConnectSessionState.CONFIRMED):
            raise SessionUsed("This session has connected already.")
        return current
