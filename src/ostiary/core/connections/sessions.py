"""Connect sessions: who may connect, from which browser, and where they go afterwards (SR-19, SR-25)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.connections.confirmation import fits
from ostiary.core.connections.model import (
    CONNECT_SESSION_LIFE,
    Connection,
    ConnectionStatus,
    ConnectSession,
    ConnectSessionState,
)
from ostiary.core.connections.plan import ConnectPlan, plan_connect
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound
from ostiary.core.kernel.ids import ReferenceKind, new_id, new_reference
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Member, Organization
from ostiary.core.signin.derivation import random_secret, secret_hash

_SECRET_BYTES: Final = 32
_ENDED: Final = frozenset({ConnectionStatus.DISCONNECTED, ConnectionStatus.UNCONFIRMED})


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just made, with the secret that is shown this once."""

    session: ConnectSession
    secret: Secret


@dataclass(frozen=True, slots=True)
class ConnectPreview:
    """What the connect page shows before anything starts."""

    session: ConnectSession
    organization: Organization
    member: Member
    plan: ConnectPlan
    connection: Connection | None
    """The member's newest connection that is still theirs; the one to renew, when the session names one."""
    is_frozen: bool = False
    """The operator stopped this organization or everything, or the connection to renew (SR-50)."""


class ConnectSessions:
    """Makes sessions and finds them again by their secret."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConnectionTransaction],
        clock: Clock,
        entropy: Entropy,
        return_urls: Sequence[str],
        offer_ews: bool,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._return_urls = frozenset(return_urls)
        self._offer_ews = offer_ews

    async def create(
        self,
        *,
        organization_id: str,
        member_id: str,
        actor: Actor,
        return_url: str | None = None,
        vendor_verified_identity: bool = False,
        connection_id: str | None = None,
        mail: bool = True,
        calendar: bool = True,
    ) -> NewSession:
        """Let a member connect within :data:`CONNECT_SESSION_LIFE`.

        Args:
            return_url: One of the registered addresses, exactly. None ends on our own page.
            vendor_verified_identity: The vendor states that its own user signed in with the Microsoft identity
                on record for the member, so no confirmation is needed (SR-20).
            connection_id: Renew exactly this connection of the member.

        Raises:
            NotFound: No such organization, member or connection.
            InvalidRequest: The return address is not registered, or there is no identity on record to state.
        """
        if return_url is not None and return_url not in self._return_urls:
            raise InvalidRequest("This return address is not registered.", field="return_url")
        now = self._clock.now()
        secret = random_secret(self._entropy.token_bytes(_SECRET_BYTES))
        async with self._transactions() as tx:
            await tx.organizations.get(organization_id)
            member = await tx.members.get(member_id, organization_id=organization_id)
            if vendor_verified_identity and member.object_id is None:
                raise InvalidRequest(
                    "No Microsoft identity is on record for this member.", field="vendor_verified_identity"
                )
            if connection_id is not None:
                await require_own(tx, connection_id, member)
            session = ConnectSession(
                id=new_id("cs", self._entropy),
                reference=new_reference(ReferenceKind.CONNECT, self._entropy),
                secret_hash=secret_hash(secret),
                organization_id=organization_id,
                member_id=member_id,
                created_at=now,
                expires_at=now + CONNECT_SESSION_LIFE,
                return_url=return_url,
                vendor_verified_identity=vendor_verified_identity,
                connection_id=connection_id,
                mail=mail,
                calendar=calendar,
            )
            await tx.connect_sessions.add(session)
            await tx.audit.record(
                "connect_session.created",
                f"{member.display_name} was invited to connect.",
                actor=actor,
                organization_id=organization_id,
                object_id=session.id,
                reference=session.reference,
            )
        return NewSession(session, secret)

    async def follow_up(self, reference: str, *, browser_secret: Secret, actor: Actor) -> NewSession:
        """Let somebody who just connected one of email and calendar try the other, in the time they were given.

        It renews the same connection and so needs the same Microsoft identity: no more than the vendor allowed.

        Raises:
            NotFound: No finished session of this browser.
            Conflict: Its time is over, or nothing is left to connect.
        """
        now = self._clock.now()
        secret = random_secret(self._entropy.token_bytes(_SECRET_BYTES))
        async with self._transactions() as tx:
            first = await tx.connect_sessions.find_by_reference(reference)
            if (
                first is None
                or first.made_connection_id is None
                or first.state is not ConnectSessionState.CONFIRMED
                or not fits(first.browser_hash, browser_secret)
            ):
                raise NotFound("There is no such sign-in in this browser.")
            member = await tx.members.get(first.member_id, organization_id=first.organization_id)
            connection = await require_own(tx, first.made_connection_id, member)
            if now >= first.expires_at or (connection.mail and connection.calendar):
                raise Conflict("There is nothing left to connect here.")
            session = ConnectSession(
                id=new_id("cs", self._entropy),
                reference=new_reference(ReferenceKind.CONNECT, self._entropy),
                secret_hash=secret_hash(secret),
                organization_id=first.organization_id,
                member_id=first.member_id,
                created_at=now,
                expires_at=first.expires_at,
                return_url=first.return_url,
                connection_id=connection.id,
            )
            await tx.connect_sessions.add(session)
            await tx.audit.record(
                "connect_session.followed_up",
                f"{member.display_name} goes on to connect the rest.",
                actor=actor,
                organization_id=session.organization_id,
                object_id=session.id,
                reference=session.reference,
            )
        return NewSession(session, secret)

    async def get(self, session_id: str) -> ConnectSession:
        """For the vendor's server. Raises NotFound."""
        async with self._transactions() as tx:
            return await tx.connect_sessions.get(session_id)

    async def find(self, secret: Secret | None) -> ConnectSession | None:
        """Return the session a browser holds the secret of, while it is open. Changes nothing (SR-26).

        Unknown, expired and used look alike (SR-69).
        """
        if secret is None:
            return None
        async with self._transactions() as tx:
            session = await tx.connect_sessions.find_by_secret_hash(secret_hash(secret))
        return session if session is not None and session.is_open(self._clock.now()) else None

    async def preview(
        self,
        session: ConnectSession,
        *,
        connection_id: str | None = None,
        prefer: AccessMethod | None = None,
    ) -> ConnectPreview:
        """Return what the connect page shows. Changes nothing.

        Args:
            prefer: The method the person chose already, if any.

        Raises:
            NotFound: ``connection_id`` is not a connection of the session's member.
            AccessBlocked: The organization is pinned to EWS, which has ended.
        """
        async with self._transactions() as tx:
            return await load_preview(
                tx,
                session,
                connection_id=connection_id or session.connection_id,
                offer_ews=self._offer_ews,
                clock=self._clock,
                prefer=prefer,
            )


async def load_preview(
    tx: ConnectionTransaction,
    session: ConnectSession,
    *,
    connection_id: str | None,
    offer_ews: bool,
    clock: Clock,
    prefer: AccessMethod | None = None,
) -> ConnectPreview:
    """Read all that decides how a session's member is sent to Microsoft."""
    organization = await tx.organizations.get(session.organization_id)
    member = await tx.members.get(session.member_id, organization_id=session.organization_id)
    if connection_id is not None:
        connection = await require_own(tx, connection_id, member)
    else:
        own = await tx.connections.list_for_member(member.id)
        connection = next((each for each in own if each.status not in _ENDED), None)
    plan = plan_connect(
        organization=organization,
        member=member,
        tenants=await tx.tenants.list_for(organization.id),
        consents=await tx.consents.list_for_organization(organization.id),
        offer_ews=offer_ews,
        today=clock.now().date(),
        reconnects=connection if connection_id is not None else None,
        prefer=prefer,
    )
    renewed_id = None if connection is None else connection.id
    is_frozen = await tx.freezes.is_frozen(renewed_id, organization_id=organization.id)
    return ConnectPreview(session, organization, member, plan, connection, is_frozen)


async def require_own(tx: ConnectionTransaction, connection_id: str, member: Member) -> Connection:
    """Return the member's connection, or raise NotFound as for one that never was."""
    connection = await tx.connections.get(connection_id, organization_id=member.organization_id)
    if connection.member_id != member.id or connection.status in _ENDED:
        raise NotFound("There is no such connection.")
    return connection
