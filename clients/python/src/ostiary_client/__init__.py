"""The client library of Ostiary: mail, calendars, the change feed and webhooks of connected Microsoft 365 mailboxes.

:class:`Ostiary` blocks, :class:`AsyncOstiary` runs in asyncio; both make the same calls, which are written down once in
``calls/``. :mod:`ostiary_client.webhooks` verifies what arrives at your own endpoint.
"""

__version__ = "0.1.0"

from ostiary_client.call import Page
from ostiary_client.calls.calendar import UNCHANGED
from ostiary_client.client import AsyncOstiary, Ostiary
from ostiary_client.conversation import Retries
from ostiary_client.errors import (
    AccessBlocked,
    APIError,
    BadAnswer,
    Conflict,
    ConnectionNotUsable,
    ConsentRequired,
    CursorExpired,
    FeedCursorExpired,
    InvalidRequest,
    MailboxMissing,
    NoAnswer,
    NotFound,
    NotOverThisMethod,
    OstiaryError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    ReauthorizationRequired,
    SendUnconfirmed,
    ServiceBroken,
    TemporarilyUnavailable,
    Throttled,
    TooLarge,
    Unauthenticated,
    VersionChanged,
)
from ostiary_client.models.calendar import Event, Invitee, Repeat
from ostiary_client.models.changes import Change
from ostiary_client.models.connections import Connection
from ostiary_client.models.mail import Address, Message, MessageSummary, NotRead, ReadMessage
from ostiary_client.webhooks import WebhookMessage, WebhookRejected

__all__ = [
    "UNCHANGED",
    "APIError",
    "AccessBlocked",
    "Address",
    "AsyncOstiary",
    "BadAnswer",
    "Change",
    "Conflict",
    "Connection",
    "ConnectionNotUsable",
    "ConsentRequired",
    "CursorExpired",
    "Event",
    "FeedCursorExpired",
    "InvalidRequest",
    "Invitee",
    "MailboxMissing",
    "Message",
    "MessageSummary",
    "NoAnswer",
    "NotFound",
    "NotOverThisMethod",
    "NotRead",
    "Ostiary",
    "OstiaryError",
    "OutcomeUnknown",
    "Page",
    "PermissionDenied",
    "RateLimited",
    "ReadMessage",
    "ReauthorizationRequired",
    "Repeat",
    "Retries",
    "SendUnconfirmed",
    "ServiceBroken",
    "TemporarilyUnavailable",
    "Throttled",
    "TooLarge",
    "Unauthenticated",
    "VersionChanged",
    "WebhookMessage",
    "WebhookRejected",
]
