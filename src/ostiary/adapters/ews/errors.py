"""What EWS's error answers mean to us: one pure table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from ostiary.core.consent.model import EWS_ENDS_ON
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    InvalidRequest,
    MailboxMissing,
    NotFound,
    OstiaryError,
    PermissionDenied,
    ProviderContractBroken,
    ProviderDetail,
    ReauthorizationRequired,
    SyncCursorExpired,
    TemporarilyUnavailable,
    Throttled,
    VersionChanged,
)
from ostiary.core.mail.errors import MailboxFull, NotADraft, SendingRefused, TooLargeForMailbox

DEFAULT_WAIT_SECONDS: Final = 30.0
LONGEST_WAIT_SECONDS: Final = 3600.0
"""A longer wait is not believed: it would park a mailbox on one bad answer."""

_NOT_FOUND: Final = frozenset(
    {
        "ErrorItemNotFound",
        "ErrorFolderNotFound",
        "ErrorSyncFolderNotFound",
        "ErrorToFolderNotFound",
        "ErrorSavedItemFolderNotFound",
        "ErrorInvalidAttachmentId",
        "ErrorCalendarOccurrenceIsDeletedFromRecurrence",
        "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange",
        "ErrorCalendarFolderIsInvalidForCalendarView",
        "ErrorInvalidIdMalformed",
        "ErrorInvalidId",
        "ErrorInvalidIdEmpty",
        "ErrorInvalidIdMonikerTooLong",
        "ErrorInvalidIdStoreObjectIdTooLong",
        "ErrorCannotUseFolderIdForItemId",
        "ErrorCannotUseItemIdForFolderId",
    }
)
_NO_MAILBOX: Final = frozenset({"ErrorNonExistentMailbox", "ErrorMailboxConfiguration"})
_NO_RIGHT: Final = frozenset(
    {
        "ErrorAccessDenied",
        "ErrorImpersonateUserDenied",
        "ErrorImpersonationDenied",
        "ErrorImpersonationFailed",
        "ErrorInvalidExchangeImpersonationHeaderData",
    }
)
_CONFLICT: Final = frozenset(
    {
        "ErrorIrresolvableConflict",
        "ErrorStaleObject",
        "ErrorChangeKeyRequiredForWriteOperations",
        "ErrorInvalidChangeKey",
    }
)
_NOT_TAKEN: Final = frozenset(
    {
        "ErrorOccurrenceCrossingBoundary",
        "ErrorOccurrenceTimeSpanTooBig",
        "ErrorCalendarInvalidRecurrence",
        "ErrorCalendarInvalidDayForWeeklyRecurrence",
        "ErrorRecurrenceEndDateTooBig",
        "ErrorRecurrenceHasNoOccurrence",
        "ErrorCalendarInvalidTimeZone",
        "ErrorCalendarInvalidPropertyValue",
        "ErrorCalendarInvalidPropertyState",
        "ErrorCalendarDurationIsTooLong",
        "ErrorCalendarOutOfRange",
        "ErrorInvalidPropertySet",
        "ErrorTimeIntervalTooBig",
        "ErrorInvalidTimeInterval",
        "ErrorInvalidSmtpAddress",
    }
)
"""Values of the caller's that Exchange does not take."""
_NOT_NOW: Final = ("ErrorCalendarIsOrganizerFor", "ErrorCalendarIsNotOrganizer", "ErrorCalendarIsCancelled")
"""Starts of codes that say that a meeting's state does not allow what was asked."""
_BUSY: Final = frozenset(
    {
        "ErrorServerBusy",
        "ErrorExceededConnectionCount",
        "ErrorExceededSubscriptionCount",
        "ErrorExceededFindCountLimit",
        "ErrorTooManyObjectsOpened",
    }
)
_PASSING: Final = frozenset(
    {
        "ErrorTimeoutExpired",
        "ErrorInternalServerError",
        "ErrorInternalServerTransientError",
        "ErrorMailboxStoreUnavailable",
        "ErrorMailboxMoveInProgress",
        "ErrorMailboxFailover",
        "ErrorNoRespondingCASInDestinationSite",
        "ErrorBatchProcessingStopped",
        "ErrorConnectionFailed",
    }
)
_TOO_LARGE: Final = frozenset(
    {
        "ErrorMessageSizeExceeded",
        "ErrorAttachmentSizeLimitExceeded",
        "ErrorRequestStreamTooBig",
        "ErrorDataSizeLimitExceeded",
    }
)
_NO_MORE_SENDING: Final = frozenset({"ErrorSendAsDenied", "ErrorSubmissionQuotaExceeded"})
_SENT_ALREADY: Final = frozenset(
    {"ErrorInvalidPropertyUpdateSentMessage", "ErrorInvalidItemForOperationSendItem"}
)
"""Source of all sets: EWS ResponseCode; ews.md §5."""

_MISSING: Final = "There is no such object in this mailbox."
_DOWN: Final = "Microsoft isn’t answering properly."


class AnswerTooLarge(ProviderContractBroken):
    """The answer holds more than we take at once: ask for less, if that can be."""


def translate(
    status: int,
    code: str | None,
    headers: Mapping[str, str],
    *,
    back_off_milliseconds: int | None = None,
    inner_code: str | None = None,
) -> OstiaryError:
    """Return the error to raise for one failed EWS call, or one failed part of a batch.

    Args:
        status: HTTP status; 200 for a part of a batch.
        code: ``ResponseCode`` of the fault or response message; None when there was no readable body.
        headers: Answer headers, looked up without regard to case.
        back_off_milliseconds: ``BackOffMilliseconds`` of the message's ``MessageXml``.
        inner_code: ``InnerErrorResponseCode`` of it: Exchange hides a busy server inside a general error.

    Source: EWS throttling in Exchange; ews.md §5, §7, §8.
    """
    folded = {name.lower(): value for name, value in headers.items()}
    provider = ProviderDetail(
        code=code,
        correlation_id=folded.get("client-request-id"),
        request_id=folded.get("request-id"),
        status=status,
        occurred_at=_date(folded.get("date")),
    )
    if status == 403:
        # Whatever the body says: no reason is documented, and off and not listed look alike (ews.md §8).
        today = (provider.occurred_at or datetime.min.replace(tzinfo=UTC)).date()
        ended = today >= EWS_ENDS_ON
        words = "Microsoft has ended EWS." if ended else "EWS is blocked for this app or mailbox."
        return AccessBlocked(words, reason="ews_ended" if ended else "ews_off", provider=provider)
    if code in _BUSY or inner_code in _BUSY or status == 429:
        return Throttled(
            "Microsoft asked us to slow down.",
            retry_after_seconds=_wait(back_off_milliseconds, folded),
            provider=provider,
        )
    return _by_code(code, provider) or _by_status(status, folded, provider)


def _by_code(code: str | None, provider: ProviderDetail) -> OstiaryError | None:
    if code is None:
        return None
    if code in _NOT_FOUND:
        return NotFound(_MISSING, provider=provider)
    if code in _NO_MAILBOX:
        return MailboxMissing(
            "Microsoft found no cloud mailbox for this account.", reason="mailbox_missing", provider=provider
        )
    if code in _NO_RIGHT:
        return PermissionDenied("Exchange does not allow this in this mailbox.", provider=provider)
    if code in _CONFLICT:
        return VersionChanged("The object changed meanwhile.", provider=provider)
    if code in _NOT_TAKEN:
        return InvalidRequest(f"Microsoft does not take these values ({code}).")
    if code.startswith(_NOT_NOW):
        return Conflict("The state of the meeting does not allow this.", provider=provider)
    if code in _PASSING:
        return TemporarilyUnavailable(_DOWN, reason="microsoft_down", provider=provider)
    if code in _TOO_LARGE:
        return TooLargeForMailbox("Exchange takes nothing of this size for this mailbox.")
    if code in _NO_MORE_SENDING:
        return SendingRefused("Exchange does not let this mailbox send this.", provider=provider)
    if code in _SENT_ALREADY:
        return NotADraft("This message is no draft any more.", provider=provider)
    if code == "ErrorQuotaExceeded":
        return MailboxFull("The mailbox is full.", provider=provider)
    if code == "ErrorInvalidRecipients":
        return InvalidRequest("A recipient is missing, or is no mail address.")
    if code == "ErrorInvalidSyncStateData":
        return SyncCursorExpired("Microsoft no longer knows this position.", provider=provider)
    if code in ("ErrorCalendarViewRangeTooBig", "ErrorCalendarEndDateIsEarlierThanStartDate"):
        return InvalidRequest("Microsoft does not list a window of this length.", field="to")
    return ProviderContractBroken("Microsoft gave an answer we do not understand.", provider=provider)


def _by_status(status: int, headers: Mapping[str, str], provider: ProviderDetail) -> OstiaryError:
    if status == 401:
        return ReauthorizationRequired(
            "Microsoft refused the saved sign-in.", reason="sign_in_needed", provider=provider
        )
    if status == 413:
        return TooLargeForMailbox("Exchange takes nothing of this size for this mailbox.")
    if status == 503 and "retry-after" in headers:
        return Throttled(
            "Microsoft asked us to slow down.",
            retry_after_seconds=_wait(None, headers),
            provider=provider,
        )
    if status >= 500:
        return TemporarilyUnavailable(_DOWN, reason="microsoft_down", provider=provider)
    return ProviderContractBroken("Microsoft gave an answer we do not understand.", provider=provider)


def _wait(back_off_milliseconds: int | None, headers: Mapping[str, str]) -> float:
    wait = DEFAULT_WAIT_SECONDS
    if back_off_milliseconds is not None and back_off_milliseconds >= 0:
        wait = back_off_milliseconds / 1000
    else:
        value = headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            wait = float(value)
    return min(max(wait, 1.0), LONGEST_WAIT_SECONDS)


def _date(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
