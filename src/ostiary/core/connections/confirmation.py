"""Who vouches for a sign-in: completing a connection, the vendor's confirmation, throwing away (SR-20)."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.connections.announcing import announce
from ostiary.core.connections.machine import ConnectionEvent, transition
from ostiary.core.connections.model import (
    Connection,
    ConnectionStatus,
    ConnectSession,
    ConnectSessionState,
)
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict, FlowRejected
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.signin.derivation import random_secret, secret_hash

EXPIRE_JOB: Final = "connections.expire_unconfirmed"
RESOLVE_JOB: Final = "approvals.resolve"
_COMPLETION_BYTES: Final = 32


class Confirmation:
    """Makes unconfirmed connections usable, or destroys them."""

    def __init__(
        self, *, transactions: Transactions[ConnectionTransaction], clock: Clock, entropy: Entropy
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy

    async def confirm(self, session_id: str, *, completion_code: Secret, actor: Actor) -> Connection:
        """The vendor's server states that the sign-in was its own logged-in user's (SR-20). Safe to repeat.

        Raises:
            NotFound: No such session.
            FlowRejected: Wrong code, or more than five minutes have passed; the sign-in is thrown away.
            Conflict: Somebody else connected this mailbox meanwhile (``mailbox_in_use``).
        """
        now = self._clock.now()
        try:
            async with self._transactions() as tx:
                session = await tx.connect_sessions.get(session_id, for_update=True)
                if not fits(session.completion_hash, completion_code) or session.made_connection_id is None:
                    raise FlowRejected("This confirmation fits no waiting sign-in.", reason="not_finished")
                connection = await tx.connections.get(session.made_connection_id, for_update=True)
                if session.state is ConnectSessionState.CONFIRMED:
                    return connection
                if connection.status is not ConnectionStatus.UNCONFIRMED or _is_late(connection, now):
                    raise FlowRejected("This confirmation came too late.", reason="not_finished")
                connection = await self.complete(tx, session, connection, actor=actor)
                await hit(Failpoint.CONNECT_EVENT_QUEUED)
        except FlowRejected:
            await self._audit_refused_confirmation(session_id, actor)
            raise
        except Conflict as error:
            await self._discard(session_id, "mailbox_in_use")
            raise Conflict(
                "Somebody else connected this mailbox meanwhile.", reason="mailbox_in_use"
            ) from error
        await hit(Failpoint.CONNECT_CONFIRMED)
        return connection

    async def expire_unconfirmed(self, *, limit: int = 100) -> int:
        """Throw away sign-ins that nobody confirmed in time; returns how many. Job ``connections.expire_unconfirmed``."""
        now = self._clock.now()
        async with self._transactions() as tx:
            late = await tx.connections.unconfirmed_before(now, limit=limit)
        thrown_away = 0
        for connection_id in late:
            async with self._transactions() as tx:
                session = await tx.connect_sessions.find_by_connection(connection_id)
                connection = await tx.connections.get(connection_id, for_update=True)
                if connection.status is ConnectionStatus.UNCONFIRMED and _is_late(connection, now):
                    await self.throw_away(tx, session, connection, reason="not_finished")
                    thrown_away += 1
        return thrown_away

    async def complete(
        self, tx: ConnectionTransaction, session: ConnectSession, connection: Connection, *, actor: Actor
    ) -> Connection:
        """Make an unconfirmed connection usable and remember whose identity it proved.

        Raises:
            Conflict: The identity got another connection or another member meanwhile.
        """
        now = self._clock.now()
        confirmed = replace(
            transition(connection, ConnectionEvent.CONFIRMED, now=now), connected_at=now, last_success_at=now
        )
        owner = await tx.members.find_by_identity(
            tenant_id=connection.tenant_id, object_id=connection.object_id
        )
        if owner is not None and owner.id != connection.member_id:
            raise Conflict("This Microsoft account is somebody else's here.")
        member = await tx.members.get(connection.member_id, organization_id=connection.organization_id)
        if member.object_id is None:
            await tx.members.save(
                replace(member, tenant_id=connection.tenant_id, object_id=connection.object_id)
            )
        await tx.connections.save(confirmed)
        await announce(tx.feed, connection, confirmed)
        await tx.connect_sessions.save(replace(session, state=ConnectSessionState.CONFIRMED, reason=None))
        await self.tell_waiting(tx, session, connection)
        await tx.audit.record(
            "connection.connected",
            f"{confirmed.address} was connected.",
            actor=actor,
            organization_id=confirmed.organization_id,
            object_id=confirmed.id,
            reference=session.reference,
            detail={"method": confirmed.method.value},
        )
        return confirmed

    @staticmethod
    async def tell_waiting(
        tx: ConnectionTransaction, session: ConnectSession, connection: Connection
    ) -> None:
        """Somebody who had to wait for an approval got through: it was given, whoever gave it where (UX 6.3).

        Not where a permission was missing still: for that one, they and the others go on waiting.
        """
        if connection.left_out_reason == "missing_permission":
            return
        await tx.jobs.enqueue(
            RESOLVE_JOB,
            {
                "organization_id": session.organization_id,
                "method": connection.method.value,
                "member_id": session.member_id,
            },
        )

    async def send_to_vendor(
        self, tx: ConnectionTransaction, session: ConnectSession
    ) -> tuple[ConnectSession, str | None]:
        """Make the one-time completion code and return the vendor's page with it."""
        code = random_secret(self._entropy.token_bytes(_COMPLETION_BYTES))
        session = replace(
            session,
            state=ConnectSessionState.RETURNED,
            completion_hash=secret_hash(code),
            reason=None,
        )
        await tx.connect_sessions.save(session)
        return session, vendor_page(session, completion_code=code)

    async def _audit_refused_confirmation(self, session_id: str, actor: Actor) -> None:
        async with self._transactions() as tx:
            session = await tx.connect_sessions.get(session_id)
            await tx.audit.record(
                "connect.confirmation_refused",
                "A confirmation fitted no waiting sign-in.",
                actor=actor,
                outcome="refused",
                organization_id=session.organization_id,
                object_id=session.id,
                reference=session.reference,
                reason="not_finished",
            )

    async def _discard(self, session_id: str, reason: str) -> None:
        async with self._transactions() as tx:
            session = await tx.connect_sessions.get(session_id, for_update=True)
            if session.made_connection_id is None:
                return
            connection = await tx.connections.get(session.made_connection_id, for_update=True)
            if connection.status is ConnectionStatus.UNCONFIRMED:
                await self.throw_away(tx, session, connection, reason=reason)

    async def throw_away(
        self,
        tx: ConnectionTransaction,
        session: ConnectSession | None,
        connection: Connection,
        *,
        reason: str,
    ) -> None:
        """End an unconfirmed connection and destroy its tokens. Both rows are locked, the session first."""
        await tx.refresh_tokens.destroy(connection.id)
        await tx.access_tokens.destroy(connection.id)
        await tx.connections.save(
            transition(connection, ConnectionEvent.NOT_CONFIRMED, now=self._clock.now(), reason=reason)
        )
        if session is not None:
            await tx.connect_sessions.save(replace(session, state=ConnectSessionState.FAILED, reason=reason))
        await tx.audit.record(
            "connection.thrown_away",
            f"The sign-in of {connection.address} was not confirmed; its tokens were destroyed.",
            actor=SYSTEM,
            organization_id=connection.organization_id,
            object_id=connection.id,
            reference=connection.reference,
            reason=reason,
        )


def fits(stored: bytes | None, secret: Secret) -> bool:
    """Whether ``secret`` is the one whose hash was stored, in constant time."""
    return stored is not None and hmac.compare_digest(stored, secret_hash(secret))


def vendor_page(session: ConnectSession, *, completion_code: Secret | None = None) -> str | None:
    """The vendor's own page for a finished session; the code is for its server to confirm with (SR-20)."""
    if session.return_url is None:
        return None
    values = {"connect_session": session.id}
    if completion_code is not None:
        values["completion_code"] = completion_code.reveal()
    return f"{session.return_url}{'&' if '?' in session.return_url else '?'}{urlencode(values)}"


def _is_late(connection: Connection, now: datetime) -> bool:
    return connection.confirm_before is None or now >= connection.confirm_before
