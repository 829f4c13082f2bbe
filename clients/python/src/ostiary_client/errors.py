"""What can go wrong, named for what the caller does next.

::

    OstiaryError
    ├── NoAnswer                    nobody knows whether it was done: repeat it if that is safe
    ├── BadAnswer                   something in between answered, or a version of the service that we do not know
    └── APIError                    the service said no; ``code`` and ``reason`` say why
        ├── InvalidRequest          fix the request; ``fields`` says where
        │   └── NotOverThisMethod   Microsoft offers this over the other access method only
        ├── Unauthenticated         use a good key
        ├── PermissionDenied        use a key that may
        ├── NotFound
        ├── Conflict                read again, decide, repeat
        │   ├── ConnectionNotUsable it is paused, disconnected, unconfirmed or frozen
        │   ├── ReauthorizationRequired   ask the person to sign in: ``connections.reconnect``
        │   ├── ConsentRequired     ask the IT administrator to approve
        │   ├── AccessBlocked       a policy of the customer stops it; ``reason`` says which
        │   ├── MailboxMissing      there is no usable cloud mailbox behind the account
        │   ├── VersionChanged      it changed since the version in ``if_match``
        │   └── OutcomeUnknown      look whether it was done before doing it anew
        ├── CursorExpired           start the list from its beginning
        │   └── FeedCursorExpired   read the mailbox anew, then follow from the newest change
        ├── TooLarge                send less at once
        ├── TemporarilyUnavailable  wait ``retry_after_seconds``, repeat
        │   ├── RateLimited         we call too often
        │   ├── Throttled           Microsoft slows this mailbox down
        │   └── SendUnconfirmed     repeat with the same ``idempotency_key``
        └── ServiceBroken           tell whoever runs the service, with ``request_id``
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast


class OstiaryError(Exception):
    """Whatever this library raises on purpose."""


class NoAnswer(OstiaryError):
    """No answer came: the service is away, or too slow. Whether the call was done is not known."""


class BadAnswer(OstiaryError):
    """The answer is none that this library understands."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that does not fit."""

    field: str
    problem: str | None = None


class APIError(OstiaryError):
    """The service refused, and said why.

    Attributes:
        status: HTTP status.
        code: What kind of failure, for programs; stable.
        reason: Reason id, where people can do something: ``ostiary explain REASON``.
        detail: What happened, for people; may change.
        ref: Reference a person can read out to support.
        request_id: Finds the request in the service's log.
        fields: Fields that do not fit.
        retry_after_seconds: What the service asks to wait; None when it does not say.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str = "",
        title: str = "",
        reason: str | None = None,
        ref: str | None = None,
        request_id: str | None = None,
        fields: tuple[FieldProblem, ...] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail or title or code)
        self.status = status
        self.code = code
        self.detail = detail
        self.title = title
        self.reason = reason
        self.ref = ref
        self.request_id = request_id
        self.fields = fields
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        words = [self.detail or self.title, f"code {self.code}"]
        words += [f"reason {self.reason}"] if self.reason else []
        words += [f"request {self.request_id}"] if self.request_id else []
        return " · ".join(word for word in words if word)


class InvalidRequest(APIError):
    """A field or the query does not fit."""


class NotOverThisMethod(InvalidRequest):
    """Microsoft offers this over the other access method only; see ``connections.capabilities``."""


class Unauthenticated(APIError):
    """No key, or one that is not good (any more)."""


class PermissionDenied(APIError):
    """The key may not do this, or Exchange does not let the mailbox do it."""


class NotFound(APIError):
    """No such object, or none of this customer's: both look alike."""


class Conflict(APIError):
    """The state of things does not allow it."""


class ConnectionNotUsable(Conflict):
    """The connection is paused, disconnected, not confirmed, or frozen by the operator."""


class ReauthorizationRequired(Conflict):
    """The person has to sign in again."""


class ConsentRequired(Conflict):
    """The customer's IT administrator has to approve (again)."""


class AccessBlocked(Conflict):
    """A policy of the customer stops us."""


class MailboxMissing(Conflict):
    """There is no usable cloud mailbox behind the account."""


class VersionChanged(Conflict):
    """The object changed since the version in ``if_match``: read it again."""


class OutcomeUnknown(Conflict):
    """The first call with this key died on the way: look whether it was done."""


class CursorExpired(APIError):
    """What follows the cursor is no longer kept."""


class FeedCursorExpired(CursorExpired):
    """More than thirty days passed: read the mailbox anew, then follow its changes from the newest."""


class TooLarge(APIError):
    """Send less at once."""


class TemporarilyUnavailable(APIError):
    """Microsoft, or a part of the service, does not answer at the moment."""


class RateLimited(TemporarilyUnavailable):
    """We call the service too often."""


class Throttled(TemporarilyUnavailable):
    """Microsoft slows this mailbox down."""


class SendUnconfirmed(TemporarilyUnavailable):
    """Whether the mail was sent is not clear yet: repeat the call with the same ``idempotency_key``."""


class ServiceBroken(APIError):
    """The service, or what Microsoft answered it, is not as it should be."""


_BY_CODE: Final[Mapping[str, type[APIError]]] = {
    "not_over_this_method": NotOverThisMethod,
    "too_large_for_mailbox": TooLarge,
    "connection_not_usable": ConnectionNotUsable,
    "frozen": ConnectionNotUsable,
    "reauthorization_required": ReauthorizationRequired,
    "consent_required": ConsentRequired,
    "access_blocked": AccessBlocked,
    "mailbox_missing": MailboxMissing,
    "idempotent_outcome_unknown": OutcomeUnknown,
    "version_changed": VersionChanged,
    "feed_cursor_expired": FeedCursorExpired,
    "rate_limited": RateLimited,
    "throttled": Throttled,
    "send_unconfirmed": SendUnconfirmed,
}
_BY_STATUS: Final[Mapping[int, type[APIError]]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: CursorExpired,
    412: VersionChanged,
    413: TooLarge,
    429: RateLimited,
    503: TemporarilyUnavailable,
}


def error_of(status: int, headers: Mapping[str, str], content: bytes) -> OstiaryError:
    """Return the exception for a refused call. ``headers`` are found whatever their case.

    Only fields of problem details get into it, so that no page of a proxy ends up in somebody's log.
    """
    problem = _problem(content)
    if problem is None:
        if status in {502, 503, 504}:
            return NoAnswer(f"Something in between answered {status}; the service may be away.")
        return BadAnswer(f"An answer with status {status} that is no problem details (RFC 9457).")
    code = problem["code"]
    fallback = ServiceBroken if status >= 500 else APIError
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, fallback)
    listed = problem.get("errors")
    entries = cast("list[Any]", listed) if isinstance(listed, list) else []
    return kind(
        status=status,
        code=code,
        detail=_text(problem, "detail") or "",
        title=_text(problem, "title") or "",
        reason=_text(problem, "reason"),
        ref=_text(problem, "ref"),
        request_id=_text(problem, "request_id"),
        fields=tuple(
            FieldProblem(str(entry["field"]), _text(entry, "problem"))
            for entry in entries
            if isinstance(entry, dict) and "field" in entry
        ),
        retry_after_seconds=_seconds(headers.get("retry-after")),
    )


def _problem(content: bytes) -> dict[str, Any] | None:
    try:
        found: Any = json.loads(content)
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("code"), str):
        return None
    return cast("dict[str, Any]", found)


def _text(problem: Mapping[str, Any], name: str) -> str | None:
    value = problem.get(name)
    return value if isinstance(value, str) else None


def _seconds(header: str | None) -> float | None:
    """The service sends seconds; a proxy may send a date, which we do not trust our clock for."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
