"""What connections needs from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ostiary.core.audit.ports import AuditTrail
from ostiary.core.connections.model import (
    Connection,
    ConnectionStatus,
    ConnectSession,
    MailboxAccess,
    MailboxFacts,
    SharedAccessToken,
    StoredAccessToken,
)
from ostiary.core.consent.ports import ConsentStore
from ostiary.core.feed.ports import Feed
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.jobs import JobQueue
from ostiary.core.kernel.page import Page
from ostiary.core.organizations.ports import MemberStore, OrganizationStore
from ostiary.core.signin.ports import AuthorizationRequestStore
from ostiary.core.tenants.ports import TenantStore
from ostiary.core.vault.model import Sealed


class MailboxProbe(Protocol):
    """One call that proves the mailbox is there and answers to the person who signed in (DESIGN §2.2)."""

    async def probe(self, mailbox: MailboxAccess, *, mail: bool, calendar: bool) -> MailboxFacts:
        """Raises MailboxMissing, AccessBlocked (``ews_off``, ``ews_not_listed``, ``ews_ended``), ReauthorizationRequired,
        Throttled or TemporarilyUnavailable."""
        ...


class TellingStore(Protocol):
    """Knows what at Microsoft tells us of mailboxes, inside one transaction."""

    async def told_of(self, connection_ids: Collection[str]) -> frozenset[str]:
        """Return those of which something at Microsoft tells us, and that can still be reached."""
        ...

    async def count_telling(self, connection_id: str) -> int:
        """Return how many subscriptions and streams tell us of a mailbox."""
        ...


class ConnectionStore(Protocol):
    """Keeps connections. Look-ups by a caller name the organization (SR-30)."""

    async def add(self, connection: Connection) -> None:
        """Raises Conflict when the identity has a live connection already."""
        ...

    async def save(self, connection: Connection) -> None:
        """Raises NotFound, or Conflict when the identity has another live connection."""
        ...

    async def get(
        self, connection_id: str, *, organization_id: str | None = None, for_update: bool = False
    ) -> Connection:
        """Raises NotFound. ``organization_id`` None is for our own workers and the vendor's API key.

        ``for_update`` keeps other writers out until the transaction ends: read so before every ``save``.
        """
        ...

    async def find_live_by_identity(self, *, cloud: str, tenant_id: str, object_id: str) -> Connection | None:
        """The connection of this Microsoft identity that is neither disconnected nor still unconfirmed."""
        ...

    async def list_for_member(self, member_id: str) -> tuple[Connection, ...]: ...
    async def find_by_reference(self, reference: str) -> Connection | None: ...

    async def of_people(self, people: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Connection]:
        """The newest connection of each person, by directory and object id; people without one are left out."""
        ...

    async def page(
        self,
        *,
        organization_id: str | None,
        status: ConnectionStatus | None = None,
        reason: str | None = None,
        method: AccessMethod | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Connection]: ...
    async def count_by_status(self, organization_id: str | None) -> dict[ConnectionStatus, int]: ...
    async def count_by_method(self, organization_id: str) -> dict[AccessMethod, int]:
        """Those that a list shows: unconfirmed ones are left out."""
        ...

    async def count_by_reason(
        self, organization_id: str, *, status: ConnectionStatus | None = None
    ) -> dict[str, int]: ...
    async def unconfirmed_before(self, moment: datetime, *, limit: int) -> tuple[str, ...]:
        """Ids of connections whose time to be confirmed is over, oldest first."""
        ...

    async def lost_since(self, moment: datetime, *, limit: int) -> tuple[Connection, ...]:
        """Connections that have needed a new sign-in since ``moment`` or later and whose owner was not written to."""
        ...

    async def idle_since(self, moment: datetime, *, limit: int) -> tuple[str, ...]:
        """Ids of working connections whose refresh token was last renewed at or before ``moment``, oldest first."""
        ...


class RefreshTokenStore(Protocol):
    """Keeps one sealed refresh token per connection; the old one is overwritten (SR-38)."""

    async def put(self, connection_id: str, sealed: Sealed, *, version: int, at: datetime) -> None:
        """Store version ``version``, replacing ``version - 1`` (or nothing, for version 1).

        Raises:
            Conflict: Another version is stored, or the token was destroyed meanwhile; read again.
        """
        ...

    async def find(self, connection_id: str) -> tuple[Sealed, int] | None: ...
    async def destroy(self, connection_id: str) -> bool:
        """Remove for good. True when there was one."""
        ...


class AccessTokenStore(Protocol):
    """Keeps the current access token of a connection, sealed and only until it expires (SR-38)."""

    async def put(
        self, connection_id: str, sealed: Sealed, *, version: int, expires_at: datetime
    ) -> None: ...
    async def find(self, connection_id: str) -> SharedAccessToken | None: ...
    async def destroy(self, connection_id: str) -> bool: ...
    async def destroy_expired(self, *, before: datetime) -> int: ...


class StoredTokenReader(Protocol):
    """Reads stored access tokens with what decides whether they may be used."""

    async def find(self, connection_ids: Sequence[str]) -> Mapping[str, StoredAccessToken]:
        """Those of these connections that exist, by id."""
        ...


class RefreshLease(Protocol):
    """Single flight across processes: one refresh per connection at a time (SR-46)."""

    async def acquire(self, connection_id: str, *, holder: str, until: datetime, now: datetime) -> int | None:
        """Take the lease and return its fencing number, or None while somebody else holds it."""
        ...

    async def release(self, connection_id: str, *, holder: str) -> None: ...


class FreezeReader(Protocol):
    """Knows what the operator froze (SR-50)."""

    async def require_thawed(self, connection_id: str, *, organization_id: str) -> None:
        """Raise Frozen when the connection, its organization or the instance is frozen."""
        ...


class FreezeLookup(FreezeReader, Protocol):
    """The same where the record itself is at hand."""

    async def is_frozen(self, connection_id: str | None, *, organization_id: str) -> bool:
        """The same as an answer; without a connection only its organization and the instance count."""
        ...


class ConnectSessionStore(Protocol):
    """Keeps connect sessions; the secret is never stored."""

    async def add(self, session: ConnectSession) -> None: ...
    async def save(self, session: ConnectSession) -> None: ...
    async def get(self, session_id: str, *, for_update: bool = False) -> ConnectSession:
        """Raises NotFound."""
        ...

    async def find_by_secret_hash(self, secret_hash: bytes) -> ConnectSession | None: ...
    async def find_by_reference(self, reference: str) -> ConnectSession | None: ...
    async def find_by_connection(self, connection_id: str) -> ConnectSession | None:
        """The session that made or last renewed this connection, locked until the transaction ends.

        Where both are locked the session comes first, so that no two transactions wait for each other.
        """
        ...

    async def bind_to_browser(self, session_id: str, *, browser_hash: bytes) -> bool:
        """Bind to the first browser that starts it, atomically. True also for that browser again."""
        ...


class ConnectionTransaction(Protocol):
    """What one transaction of connections can reach."""

    @property
    def connections(self) -> ConnectionStore: ...
    @property
    def connect_sessions(self) -> ConnectSessionStore: ...
    @property
    def refresh_tokens(self) -> RefreshTokenStore: ...
    @property
    def access_tokens(self) -> AccessTokenStore: ...
    @property
    def stored_tokens(self) -> StoredTokenReader: ...
    @property
    def refresh_leases(self) -> RefreshLease: ...
    @property
    def freezes(self) -> FreezeLookup: ...
    @property
    def authorization_requests(self) -> AuthorizationRequestStore: ...
    @property
    def organizations(self) -> OrganizationStore: ...
    @property
    def members(self) -> MemberStore: ...
    @property
    def tenants(self) -> TenantStore: ...
    @property
    def consents(self) -> ConsentStore: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def feed(self) -> Feed: ...
    @property
    def jobs(self) -> JobQueue: ...
    @property
    def subscriptions(self) -> TellingStore: ...
