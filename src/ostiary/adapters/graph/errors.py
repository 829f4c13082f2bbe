"""What Graph's error answers mean to us: one pure table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    ConsentRequired,
    InvalidRequest,
    MailboxMissing,
    NotFound,
    OstiaryError,
    ProviderContractBroken,
    ProviderDetail,
    ReauthorizationRequired,
    SyncCursorExpired,
    TemporarilyUnavailable,
    Throttled,
    VersionChanged,
)
from ostiary.core.mail.errors import MailboxFull, SendingRefused, TooLargeForMailbox

DEFAULT_WAIT_SECONDS: Final = 10.0
"""Graph sometimes throttles without saying for how long (graph.md §12)."""
LONGEST_WAIT_SECONDS: Final = 3600.0
"""A longer wait is not believed: it would park a mailbox on one bad header."""

_NO_MAILBOX: Final = frozenset(
    {
        "mailboxnotenabledforrestapi",
        "mailboxnothostedinexchangeonline",
        "mailboxnotsupportedforrestapi",
        "errornonexistentmailbox",
        "errorinvaliduser",
        "restapinotenabledforuser",
    }
)
"""Unlicensed, guest, on-premises, soft-deleted: no usable cloud mailbox (graph.md §13, §15)."""
_BAD_ID: Final = frozenset(
    {"errorinvalididmalformed", "errorinvalididmalformedewslegacyidformat", "errorinvalidid"}
)
_NOT_TAKEN: Final = frozenset(
    {
        "erroroccurrencecrossingboundary",
        "erroroccurrencetimespantoobig",
        "errorpropertyvalidationfailure",
        "timezonenotsupportedexception",
        "errorinvalidtimeinterval",
    }
)
"""Values of the caller's that Exchange does not take (graph.md §13)."""
_BAD_WINDOW: Final = frozenset({"errorcalendarviewrangetoobig", "errorcalendarenddateisearlierthanstartdate"})
_BAD_CURSOR: Final = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired"})
_TOO_LARGE: Final = frozenset(
    {
        "errormessagesizeexceeded",
        "errorattachmentsizelimitexceeded",
        "requestentitytoolarge",
    }
)
_FULL: Final = frozenset({"errorquotaexceeded", "quotalimitreached"})
_NO_MORE_SENDING: Final = frozenset(
    {"errorsendasdenied", "errorexceededmessagelimit", "errormessagesubmissionblocked"}
)
_DATA_SWITCHED_OFF: Final = "access to odata is disabled"
"""Start of the message that a user-agent policy gives; no code of its own (graph.md §13)."""


def translate(
    status: int, code: str | None, headers: Mapping[str, str], *, message: str = ""
) -> OstiaryError:
    """Return the error to raise for one failed Graph call.

    Args:
        status: HTTP status; unknown codes are judged by its class.
        code: Deepest error code of the body, in any letter case; None when there was no readable body.
        headers: Answer headers, looked up without regard to case.
        message: Microsoft's text; only used to tell two 403s apart, never shown.

    Source: Microsoft Graph error responses; graph.md §12, §13.
    """
    folded = {name.lower(): value for name, value in headers.items()}
    provider = ProviderDetail(
        code=code,
        correlation_id=folded.get("client-request-id"),
        request_id=folded.get("request-id"),
        status=status,
        occurred_at=_date(folded.get("date")),
    )
    known = (code or "").lower()

    if known in _NO_MAILBOX:
        return MailboxMissing(
            "Microsoft found no cloud mailbox for this account.", reason="mailbox_missing", provider=provider
        )
    if known in _BAD_CURSOR or status == 410:
        return SyncCursorExpired("Microsoft no longer knows this position.", provider=provider)
    if known in _BAD_ID:
        return NotFound("There is no such object in this mailbox.", provider=provider)
    if known in _BAD_WINDOW:
        return InvalidRequest("Microsoft does not list a window of this length.", field="to")
    refusal = _refused_mail(status, known, provider)
    if refusal is not None:
        return refusal
    if known in _NOT_TAKEN:
        return InvalidRequest(f"Microsoft does not take these values ({code}).")
    return _by_status(status, folded, message, provider)


def _refused_mail(status: int, known: str, provider: ProviderDetail) -> OstiaryError | None:
    """Return what a refusal to store or send something means, or None for another failure."""
    if known in _TOO_LARGE or status == 413:
        return TooLargeForMailbox("Exchange takes nothing of this size for this mailbox.")
    if known in _FULL or status == 507:
        return MailboxFull("The mailbox is full.", provider=provider)
    if known in _NO_MORE_SENDING or known.startswith("erroraccountsuspend"):
        return SendingRefused("Exchange does not let this mailbox send this.", provider=provider)
    if known == "errorinvalidrecipients":
        return InvalidRequest("A recipient is missing, or is no mail address.")
    return None


def _by_status(
    status: int, headers: Mapping[str, str], message: str, provider: ProviderDetail
) -> OstiaryError:
    if status == 401:
        return ReauthorizationRequired(
            "Microsoft refused the saved sign-in.", reason="sign_in_needed", provider=provider
        )
    if status == 403:
        if message.lower().startswith(_DATA_SWITCHED_OFF):
            return AccessBlocked(
                "A policy of the organization blocks this app.", reason="app_blocked", provider=provider
            )
        return ConsentRequired(
            "The granted permissions do not allow this.", reason="missing_permission", provider=provider
        )
    if status == 404:
        return NotFound("There is no such object in this mailbox.", provider=provider)
    if status == 412:
        return VersionChanged("The object changed meanwhile.", provider=provider)
    if status == 409:
        return Conflict("The object changed meanwhile.", provider=provider)
    if status == 429 or (status in (503, 509) and "retry-after" in headers):
        return Throttled(
            "Microsoft asked us to slow down.",
            retry_after_seconds=retry_after_seconds(headers),
            provider=provider,
        )
    if status >= 500:
        return TemporarilyUnavailable(
            "Microsoft isn’t answering properly.", reason="microsoft_down", provider=provider
        )
    return ProviderContractBroken("Microsoft gave an answer we do not understand.", provider=provider)


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """Return how long to wait, from ``retry-after`` in seconds or as a date, within sane bounds.

    ``headers`` has lower-case names. A date is read against the answer's own ``date``, so that our clock
    does not matter.
    """
    value = headers.get("retry-after", "").strip()
    try:
        wait = float(value)
    except ValueError:
        until, now = _date(value), _date(headers.get("date"))
        wait = (until - now).total_seconds() if until and now else DEFAULT_WAIT_SECONDS
    if not wait >= 0:  # also catches NaN
        wait = DEFAULT_WAIT_SECONDS
    return min(max(wait, 1.0), LONGEST_WAIT_SECONDS)


def _date(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
