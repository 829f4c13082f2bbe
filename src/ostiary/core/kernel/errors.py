"""What can go wrong, named for what the catcher does next.

::

    OstiaryError
    ├── InvalidRequest            fix the request
    ├── NotFound                  fix the request: no such object, or not yours to see
    ├── Conflict                  reread, decide, repeat
    │   └── VersionChanged        the version the caller named is gone: reread, decide, repeat
    ├── PermissionDenied          ask somebody who may
    ├── FlowRejected              a callback that fits no pending authorization request: start again
    ├── ConsentRequired           ask the tenant's IT administrator (again)
    ├── ReauthorizationRequired   ask the person to sign in again
    ├── AccessBlocked             a policy of the customer stops us: show its reason page
    ├── MailboxMissing            no usable cloud mailbox behind the account
    ├── Misconfigured             our own registration or settings are wrong: alert the operator
    ├── Throttled                 wait retry_after_seconds, repeat: Microsoft slows us
    ├── RateLimited               wait retry_after_seconds, repeat: we slow a caller
    ├── TemporarilyUnavailable    back off, repeat; never changes what is stored
    ├── SyncCursorExpired         start a full round
    └── ProviderContractBroken    file a bug: Microsoft answered what its documents do not allow

Status and exit codes are the entry points' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ProviderDetail:
    """What Microsoft said, for support: never shown as our own message, never a secret."""

    code: str | None = None
    """Such as ``AADSTS65001``, ``ErrorItemNotFound``."""
    correlation_id: str | None = None
    request_id: str | None = None
    status: int | None = None
    occurred_at: datetime | None = None


class OstiaryError(Exception):
    """Base of all expected failures.

    ``message`` is safe to show to the person who made the call. ``reason`` is an id of the reason
    catalogue (UX §7) where the failure has a page of its own.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        provider: ProviderDetail | None = None,
        reference: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.provider = provider
        self.reference = reference


class InvalidRequest(OstiaryError):
    """The caller sent something that cannot be done as asked. ``field`` names the culprit."""

    code = "invalid_request"

    def __init__(self, message: str, *, field: str | None = None, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.field = field


class NotFound(OstiaryError):
    """No such object, or not this caller's to see: both look alike (SR-63)."""

    code = "not_found"


class Conflict(OstiaryError):
    """The object changed meanwhile, or already exists."""

    code = "conflict"


class VersionChanged(Conflict):
    """The caller named a version of the object that is no longer its version."""

    code = "version_changed"


class PermissionDenied(OstiaryError):
    """The caller is known but may not do this."""

    code = "permission_denied"


class FlowRejected(OstiaryError):
    """A return from Microsoft that fits no pending authorization request of this browser (SR-1 to SR-6)."""

    code = "flow_rejected"


class ConsentRequired(OstiaryError):
    """The tenant has not approved what we need, or withdrew it."""

    code = "consent_required"


class ReauthorizationRequired(OstiaryError):
    """The saved sign-in no longer works; only the person can mend it."""

    code = "reauthorization_required"


class AccessBlocked(OstiaryError):
    """A policy of the customer stops us although the sign-in is good."""

    code = "access_blocked"


class MailboxMissing(OstiaryError):
    """No usable cloud mailbox behind the account."""

    code = "mailbox_missing"


class Misconfigured(OstiaryError):
    """Our own registration, credential or setting is wrong; the operator must mend it."""

    code = "misconfigured"


class Throttled(OstiaryError):
    """Microsoft slows us down."""

    code = "throttled"

    def __init__(
        self, message: str, *, retry_after_seconds: float, provider: ProviderDetail | None = None
    ) -> None:
        super().__init__(message, reason="slowed_down", provider=provider)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(OstiaryError):
    """We slow a caller down who tries too often."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TemporarilyUnavailable(OstiaryError):
    """Time-out, outage or garbage on the way; says nothing about what is stored."""

    code = "temporarily_unavailable"


class SyncCursorExpired(OstiaryError):
    """The provider forgot the cursor."""

    code = "sync_cursor_expired"


class ProviderContractBroken(OstiaryError):
    """Microsoft answered something its documents do not allow."""

    code = "provider_contract_broken"
