"""What a customer's own IT sees and stops without a seat: who is connected in their directory (UX §3, SR-101).

Whoever signs in sees their own connection. A person with a role that may approve apps there sees, and may
disconnect, everybody's of that directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from ostiary.core.access.model import SESSION_ABSOLUTE_LIFE, STEP_UP_LIFE
from ostiary.core.audit.model import SYSTEM, Actor, ActorKind
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.ports import ConnectionTransaction
from ostiary.core.connections.service import ConnectionService, DisconnectReceipt
from ostiary.core.connections.usage import PermissionUseStore
from ostiary.core.consent.permissions import GRAPH_RESOURCE, OPENID_SCOPES
from ostiary.core.consent.verdict import Evidence
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import NotFound, OstiaryError, PermissionDenied
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.page import Page
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.signin.arrival import ArrivalRefused, take_arrival
from ostiary.core.signin.derivation import random_secret, secret_hash
from ostiary.core.signin.model import (
    FlowKind,
    Registrations,
    ReturnParameters,
    SignedClaims,
    StartedFlow,
)
from ostiary.core.signin.service import SignInService
from ostiary.core.tenants.model import BindingState, Tenant
from ostiary.core.tenants.ports import DirectoryFacts, TenantDirectory

TRUST_SESSION_LIFE: Final = timedelta(minutes=30)
"""From the sign-in on, used or not: the role in it was read then."""

SCOPES: Final = ("openid", "profile", f"{GRAPH_RESOURCE}/User.Read")
"""Who somebody is and which role they have. No refresh token is asked for, so none has to be kept."""

_SECRET_BYTES: Final = 32
_PAGE: Final = 100
_NOT_SHOWN: Final = frozenset({*OPENID_SCOPES, "email"})
_AT_SIGN_IN: Final = frozenset({"User.Read", "MailboxSettings.Read"})
"""Used whenever somebody connects or is checked; no record of days is kept of these."""


@dataclass(frozen=True, slots=True)
class TrustSession:
    """A person of a customer's directory who signed in to look at its connections."""

    id: str
    secret_hash: bytes
    organization_id: str
    cloud: str
    tenant_id: str
    object_id: str
    name: str
    username: str
    is_administrator: bool
    """Whether the directory said that they hold a role which may approve apps."""
    created_at: datetime
    authenticated_at: datetime | None = None
    """When the person proved who they are; None: Microsoft did not say."""

    def is_fresh(self, now: datetime) -> bool:
        """Whether they proved who they are a moment ago, as an act on everybody needs (SR-57)."""
        return self.authenticated_at is not None and now - self.authenticated_at <= STEP_UP_LIFE

    def is_live(self, now: datetime) -> bool:
        """Whether the session still counts."""
        return now < self.created_at + TRUST_SESSION_LIFE


@dataclass(frozen=True, slots=True)
class TrustSignIn:
    """A session that just began. ``secret`` goes into the browser's cookie and is kept nowhere else."""

    session: TrustSession
    secret: Secret
    is_step_up: bool
    """Whether it was begun for an act that needs a fresh sign-in."""


@dataclass(frozen=True, slots=True)
class TrustPermission:
    """A permission that Microsoft granted for a connection."""

    name: str
    last_used_on: date | None
    is_recorded: bool
    """Whether days of use are kept for it; where they are, None is never."""


@dataclass(frozen=True, slots=True)
class TrustRow:
    """One connection and what its permissions were used for."""

    connection: Connection
    permissions: tuple[TrustPermission, ...]

    @property
    def last_used_on(self) -> date | None:
        """The last day any of them was used."""
        days = (each.last_used_on for each in self.permissions)
        return max((day for day in days if day is not None), default=None)


@dataclass(frozen=True, slots=True)
class TrustView:
    """What the page shows."""

    tenant: Tenant
    rows: tuple[TrustRow, ...]
    next_cursor: str | None


class StepUpRequired(PermissionDenied):
    """The person has to sign in once more before this (SR-57)."""


class TrustSessionStore(Protocol):
    """Keeps trust sessions."""

    async def add(self, session: TrustSession) -> None: ...
    async def find_by_secret_hash(self, secret_hash: bytes) -> TrustSession | None: ...
    async def end(self, session_id: str) -> None: ...
    async def delete_begun_before(self, moment: datetime) -> int: ...


class TenantConnections(Protocol):
    """Finds the connections of a directory."""

    async def page(
        self,
        *,
        organization_id: str,
        cloud: str,
        tenant_id: str,
        object_id: str | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Connection]:
        """Live connections, newest first; with ``object_id`` only that person's."""
        ...


class TrustTransaction(ConnectionTransaction, Protocol):
    """What one transaction of this page can reach."""

    @property
    def trust_sessions(self) -> TrustSessionStore: ...
    @property
    def tenant_connections(self) -> TenantConnections: ...
    @property
    def permission_uses(self) -> PermissionUseStore: ...


class TrustService:
    """Signing in from a customer's directory, looking, disconnecting."""

    def __init__(
        self,
        *,
        transactions: Transactions[TrustTransaction],
        clock: Clock,
        entropy: Entropy,
        sign_in: SignInService,
        directory: TenantDirectory,
        registrations: Registrations,
        connections: ConnectionService,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._sign_in = sign_in
        self._directory = directory
        self._registrations = registrations
        self._connections = connections

    async def begin(self, *, browser_secret: Secret, fresh: bool = False) -> StartedFlow:
        """Return the address at Microsoft to send the browser to.

        Args:
            fresh: Microsoft must ask for the sign-in again, whoever is signed in there (SR-57).
        """
        registration = next(
            (each for each in self._registrations if AccessMethod.GRAPH in each.methods),
            next(iter(self._registrations)),
        )
        return await self._sign_in.begin(
            kind=FlowKind.TRUST,
            registration_id=registration.id,
            authority="organizations",
            scopes=SCOPES,
            browser_secret=browser_secret,
            subject={"fresh": "yes"} if fresh else {},
            prompt="login" if fresh else "select_account",
            most_age_seconds=int((STEP_UP_LIFE if fresh else SESSION_ABSOLUTE_LIFE).total_seconds()),
        )

    async def finish(
        self,
        parameters: ReturnParameters,
        *,
        registration_id: str,
        browser_secret: Secret | None,
        actor: Actor,
    ) -> TrustSignIn:
        """Take the return from Microsoft and begin a session. The tokens are dropped.

        Raises:
            FlowRejected: The return fits no sign-in that this browser began.
            PermissionDenied: Microsoft or we refuse; ``reason`` tells why. Audited.
            TemporarilyUnavailable: Microsoft does not answer; try again.
        """
        try:
            arrival = await take_arrival(
                self._sign_in,
                parameters,
                kind=FlowKind.TRUST,
                registration_id=registration_id,
                browser_secret=browser_secret,
                actor=actor,
            )
        except ArrivalRefused as refusal:
            raise await self._refused(refusal.reason or "unknown", actor, refusal.claims) from refusal
        claims, tokens = arrival.claims, arrival.tokens
        is_step_up = "fresh" in arrival.request.subject
        if is_step_up and not _proved_just_now(claims, self._clock.now()):
            raise await self._refused("not_fresh", actor, claims)
        evidence = Evidence(claims, tokens.scopes, await self._directory_facts(claims, tokens.access_token))
        async with self._transactions() as tx:
            tenant = await _bound_tenant(tx, claims.identity.cloud, claims.identity.tenant_id)
            if tenant is not None:
                signed_in = await self._begin_session(tx, tenant, claims, evidence, actor)
                return replace(signed_in, is_step_up=is_step_up)
        raise await self._refused("wrong_tenant", actor, claims)

    async def find(self, secret: Secret) -> TrustSession | None:
        """Return the session of a cookie, while it counts and its directory still belongs to the customer."""
        now = self._clock.now()
        async with self._transactions() as tx:
            session = await tx.trust_sessions.find_by_secret_hash(secret_hash(secret))
            if session is None or not session.is_live(now):
                return None
            tenant = await _bound_tenant(tx, session.cloud, session.tenant_id)
        same = tenant is not None and tenant.organization_id == session.organization_id
        return session if same else None

    async def view(self, session: TrustSession, *, cursor: str | None = None) -> TrustView:
        """Return what the person may see: everybody's connections in their directory, or their own."""
        async with self._transactions() as tx:
            tenant = await _bound_tenant(tx, session.cloud, session.tenant_id)
            if tenant is None:
                raise NotFound("This directory is not connected any more.")
            page = await tx.tenant_connections.page(
                organization_id=session.organization_id,
                cloud=session.cloud,
                tenant_id=session.tenant_id,
                object_id=None if session.is_administrator else session.object_id,
                cursor=cursor,
                limit=_PAGE,
            )
            used = await tx.permission_uses.last_days([each.id for each in page.items])
        return TrustView(tenant, tuple(_row(each, used) for each in page.items), page.next_cursor)

    async def get(self, session: TrustSession, connection_id: str) -> Connection:
        """Return a live connection that this person may disconnect.

        Raises:
            NotFound: None, of another directory, or somebody else's without the role: all look alike.
        """
        async with self._transactions() as tx:
            found = await tx.connections.get(connection_id, organization_id=session.organization_id)
        own = found.object_id == session.object_id
        same_directory = (found.cloud, found.tenant_id) == (session.cloud, session.tenant_id)
        gone = found.status in (ConnectionStatus.DISCONNECTED, ConnectionStatus.UNCONFIRMED)
        if not same_directory or gone or not (own or session.is_administrator):
            raise NotFound("There is no such connection.")
        return found

    async def disconnect(
        self, session: TrustSession, connection_id: str, *, actor: Actor
    ) -> DisconnectReceipt:
        """Destroy the tokens of one connection. Raises NotFound as :meth:`get` does."""
        connection = await self.get(session, connection_id)
        return await self._connections.disconnect(
            connection.id, organization_id=session.organization_id, actor=acting(session, actor)
        )

    async def disconnect_all(self, session: TrustSession, *, actor: Actor) -> int:
        """Destroy the tokens of every connection in the directory; returns how many there were.

        Raises:
            PermissionDenied: The person has no role that may approve apps. Audited.
            StepUpRequired: They did not prove who they are within five minutes.
        """
        if session.is_administrator and not session.is_fresh(self._clock.now()):
            raise StepUpRequired("Sign in again, then go on.")
        who = acting(session, actor)
        async with self._transactions() as tx:
            await tx.audit.record(
                "trust.disconnect_all",
                f"{session.name} asked to disconnect everybody of their directory.",
                actor=who,
                outcome="done" if session.is_administrator else "refused",
                organization_id=session.organization_id,
                detail={"tenant_id": session.tenant_id},
            )
        if not session.is_administrator:
            raise PermissionDenied("Only an administrator of your directory can disconnect everybody.")
        count = 0
        # Each disconnect takes its connection off the first page.
        while rows := (await self.view(session)).rows:
            await self._connections.leave([row.connection.id for row in rows])
            for row in rows:
                await self._connections.disconnect(
                    row.connection.id, organization_id=session.organization_id, actor=who, has_left=True
                )
                count += 1
        return count

    async def sign_out(self, session: TrustSession, *, actor: Actor) -> None:
        """End the session."""
        async with self._transactions() as tx:
            await tx.trust_sessions.end(session.id)
            await tx.audit.record(
                "trust.signed_out",
                f"{session.name} signed out of the trust page.",
                actor=acting(session, actor),
                organization_id=session.organization_id,
            )

    async def forget_expired(self) -> int:
        """Delete sessions that ran out; returns how many. Job ``trust.forget_expired``."""
        async with self._transactions() as tx:
            count = await tx.trust_sessions.delete_begun_before(self._clock.now() - TRUST_SESSION_LIFE)
            if count:
                await tx.audit.record(
                    "trust.sessions_ended",
                    f"{count} {'session' if count == 1 else 'sessions'} at the trust page ran out.",
                    actor=SYSTEM,
                )
        return count

    async def _directory_facts(self, claims: SignedClaims, access_token: Secret) -> DirectoryFacts | None:
        """None when Microsoft would not say: then nobody is an administrator (SR-18)."""
        try:
            facts = await self._directory.read(access_token=access_token)
        except OstiaryError:
            return None
        return facts if facts.tenant_id == claims.identity.tenant_id else None

    async def _begin_session(
        self, tx: TrustTransaction, tenant: Tenant, claims: SignedClaims, evidence: Evidence, actor: Actor
    ) -> TrustSignIn:
        secret = random_secret(self._entropy.token_bytes(_SECRET_BYTES))
        session = TrustSession(
            id=new_id("trs", self._entropy),
            secret_hash=secret_hash(secret),
            organization_id=tenant.organization_id,
            cloud=claims.identity.cloud,
            tenant_id=claims.identity.tenant_id,
            object_id=claims.identity.object_id,
            name=claims.display_name or claims.username,
            username=claims.username,
            is_administrator=evidence.has_consenting_role,
            created_at=self._clock.now(),
            authenticated_at=claims.authenticated_at,
        )
        await tx.trust_sessions.add(session)
        sees = "as an administrator" if session.is_administrator else "for their own connection"
        await tx.audit.record(
            "trust.signed_in",
            f"{session.name} signed in to the trust page {sees}.",
            actor=acting(session, actor),
            organization_id=session.organization_id,
            detail={"tenant_id": session.tenant_id},
        )
        return TrustSignIn(session, secret, is_step_up=False)

    async def _refused(self, reason: str, actor: Actor, claims: SignedClaims | None) -> PermissionDenied:
        async with self._transactions() as tx:
            await tx.audit.record(
                "trust.sign_in_refused",
                "A sign-in to the trust page was refused.",
                actor=actor,
                outcome="refused",
                reason=reason,
                detail={} if claims is None else {"tenant_id": claims.identity.tenant_id},
            )
        return PermissionDenied("You were not signed in.", reason=reason)


def acting(session: TrustSession, actor: Actor) -> Actor:
    """Return the person of a session as the actor of what they do."""
    return replace(actor, kind=ActorKind.PERSON, id=session.object_id, name=session.name)


def _proved_just_now(claims: SignedClaims, now: datetime) -> bool:
    # The request asked for it, but whoever holds the browser can change the request.
    proved_at = claims.authenticated_at
    return proved_at is not None and now - proved_at <= STEP_UP_LIFE


async def _bound_tenant(tx: TrustTransaction, cloud: str, tenant_id: str) -> Tenant | None:
    tenant = await tx.tenants.find_by_tenant_id(cloud=cloud, tenant_id=tenant_id)
    return tenant if tenant is not None and tenant.binding is BindingState.BOUND else None


def _row(connection: Connection, used: Mapping[tuple[str, str], date]) -> TrustRow:
    names = sorted({scope.rsplit("/", 1)[-1] for scope in connection.granted_scopes} - _NOT_SHOWN)
    days = {name: day for (owner, name), day in used.items() if owner == connection.id}
    return TrustRow(connection, tuple(_permission(name, days) for name in names))


def _permission(name: str, days: Mapping[str, date]) -> TrustPermission:
    # A permission for several things has a record for each: "EWS.AccessAsUser.All (mail)".
    found = (day for recorded, day in days.items() if recorded.partition(" ")[0] == name)
    return TrustPermission(name, max(found, default=None), name not in _AT_SIGN_IN)
