"""Connections and connect sessions. Pure rules, no I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ostiary.core.governor.model import Urgency
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import ProviderDetail
from ostiary.core.kernel.secret import Secret
from ostiary.core.vault.model import Sealed

CONNECT_SESSION_LIFE: Final = timedelta(minutes=15)
"""SR-19."""

CONFIRMATION_LIFE: Final = timedelta(minutes=5)
"""How long the vendor may take to confirm that the sign-in was its own user's (SR-20)."""


class ConnectionStatus(StrEnum):
    """State of a connection (DESIGN §3)."""

    NOT_CONNECTED = "not_connected"
    CONNECTING = "connecting"
    UNCONFIRMED = "unconfirmed"
    CONNECTED = "connected"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    NEEDS_SIGN_IN = "needs_sign_in"
    FAILING = "failing"
    PAUSED = "paused"
    DISCONNECTED = "disconnected"


class ConnectSessionState(StrEnum):
    """How far one connect session has come."""

    OPEN = "open"
    STARTED = "started"
    """The browser was sent to Microsoft."""
    CHOOSING = "choosing"
    """The sign-in is good, but for another address than the vendor knows; the person decides."""
    RETURNED = "returned"
    """Stored unconfirmed; the vendor has to confirm (SR-20)."""
    CONFIRMED = "confirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Connection:
    """One member's mailbox and/or calendar by one access method. Its id survives every reconnect."""

    id: str
    organization_id: str
    member_id: str
    cloud: str
    tenant_id: str
    object_id: str
    method: AccessMethod
    registration_id: str
    mail: bool
    calendar: bool
    status: ConnectionStatus
    reference: str
    address: str
    """Primary address of the mailbox, as the mailbox says."""
    display_name: str
    created_at: datetime
    changed_at: datetime
    granted_scopes: tuple[str, ...] = ()
    reason: str | None = None
    provider: ProviderDetail | None = None
    connected_at: datetime | None = None
    confirm_before: datetime | None = None
    last_success_at: datetime | None = None
    token_version: int = 0
    left_out_reason: str | None = None
    """Why email or calendar, whichever the person asked for and does not have here, was left out; None: they did
    not ask for it, or have both."""


@dataclass(frozen=True, slots=True)
class ConnectSession:
    """The vendor's server says: this member of mine may connect now (SR-19)."""

    id: str
    reference: str
    secret_hash: bytes
    organization_id: str
    member_id: str
    created_at: datetime
    expires_at: datetime
    return_url: str | None = None
    """Registered address of the vendor's app; None: our own page says Connected."""
    vendor_verified_identity: bool = False
    """The vendor states that its own user signed in with the member's tenant and object id (SR-20)."""
    connection_id: str | None = None
    """Set to reconnect exactly this connection."""
    completion_hash: bytes | None = None
    browser_hash: bytes | None = None
    state: ConnectSessionState = ConnectSessionState.OPEN
    mail: bool = True
    calendar: bool = True
    method: AccessMethod | None = None
    """Of the newest try."""
    reason: str | None = None
    reason_variant: str | None = None
    """Special case of the reason, such as ``guest``; its words are in the catalogue."""
    missing: tuple[str, ...] = ()
    """Names of the permissions that Microsoft did not give."""
    account: str | None = None
    """Who signed in, for the pages."""
    provider: ProviderDetail | None = None
    used_at: datetime | None = None
    made_connection_id: str | None = None
    """The connection this session made or renewed."""

    def is_open(self, now: datetime) -> bool:
        """Whether a person may still start or start again with it."""
        done = self.state in (ConnectSessionState.RETURNED, ConnectSessionState.CONFIRMED)
        return now < self.expires_at and not done


@dataclass(frozen=True, slots=True)
class ConnectOutcome:
    """Where a return from Microsoft leads."""

    reference: str
    state: ConnectSessionState
    vendor_address: str | None = None
    """The vendor's own page with its one-time completion code; None stays on ours."""


@dataclass(frozen=True, slots=True)
class SharedAccessToken:
    """The current access token, sealed: what one process got, the others use until it expires (SR-38)."""

    sealed: Sealed
    version: int
    """Of the refresh token that was stored with it."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAccessToken:
    """A connection, whether its use is frozen, and the access token that is stored for it, if any."""

    connection: Connection
    is_frozen: bool
    token: SharedAccessToken | None


@dataclass(frozen=True, slots=True)
class MailboxAccess:
    """What a gateway needs to reach one mailbox: whose it is, and a way to get a token when one is needed."""

    connection_id: str
    tenant_id: str
    object_id: str
    address: str
    access_token: Callable[[bool], Awaitable[Secret]]
    """Returns a token for the method's resource. True asks for a fresh one, after Microsoft refused the last."""
    urgency: Urgency = Urgency.INTERACTIVE
    """Who waits for the calls: people go before sync where Microsoft allows only so many."""


@dataclass(frozen=True, slots=True)
class MailboxFacts:
    """What the mailbox says of itself when probed."""

    address: str
    display_name: str
    object_id: str | None
    """The owner's directory object id; None where the method does not tell (EWS)."""
    time_zone: str | None = None
