"""EWS's errors, by status, response code and back-off."""

from __future__ import annotations

import pytest

from ostiary.adapters.ews.errors import LONGEST_WAIT_SECONDS, translate
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    InvalidRequest,
    MailboxMissing,
    NotFound,
    OstiaryError,
    PermissionDenied,
    ProviderContractBroken,
    ReauthorizationRequired,
    SyncCursorExpired,
    TemporarilyUnavailable,
    Throttled,
    VersionChanged,
)
from ostiary.core.mail.errors import MailboxFull, NotADraft, SendingRefused, TooLargeForMailbox

TABLE: list[tuple[int, str | None, type[OstiaryError], str | None]] = [
    (401, None, ReauthorizationRequired, "sign_in_needed"),
    (403, None, AccessBlocked, "ews_off"),
    (403, "ErrorServerBusy", AccessBlocked, "ews_off"),
    (404, None, ProviderContractBroken, None),
    (302, None, ProviderContractBroken, None),
    (429, None, Throttled, "slowed_down"),
    (500, None, TemporarilyUnavailable, "microsoft_down"),
    (502, None, TemporarilyUnavailable, "microsoft_down"),
    (503, None, TemporarilyUnavailable, "microsoft_down"),
    (500, "ErrorServerBusy", Throttled, "slowed_down"),
    (200, "ErrorServerBusy", Throttled, "slowed_down"),
    (200, "ErrorExceededConnectionCount", Throttled, "slowed_down"),
    (200, "ErrorItemNotFound", NotFound, None),
    (200, "ErrorFolderNotFound", NotFound, None),
    (200, "ErrorInvalidIdMalformed", NotFound, None),
    (200, "ErrorCannotUseItemIdForFolderId", NotFound, None),
    (200, "ErrorNonExistentMailbox", MailboxMissing, "mailbox_missing"),
    (200, "ErrorAccessDenied", PermissionDenied, None),
    (500, "ErrorInvalidExchangeImpersonationHeaderData", PermissionDenied, None),
    (200, "ErrorIrresolvableConflict", VersionChanged, None),
    (200, "ErrorStaleObject", VersionChanged, None),
    (200, "ErrorCalendarIsOrganizerForAccept", Conflict, None),
    (200, "ErrorCalendarInvalidRecurrence", InvalidRequest, None),
    (200, "ErrorInvalidRecipients", InvalidRequest, None),
    (200, "ErrorMessageSizeExceeded", TooLargeForMailbox, None),
    (500, "ErrorRequestStreamTooBig", TooLargeForMailbox, None),
    (413, None, TooLargeForMailbox, None),
    (200, "ErrorQuotaExceeded", MailboxFull, None),
    (200, "ErrorSendAsDenied", SendingRefused, None),
    (200, "ErrorInvalidPropertyUpdateSentMessage", NotADraft, None),
    (200, "ErrorInvalidSyncStateData", SyncCursorExpired, None),
    (200, "ErrorInternalServerTransientError", TemporarilyUnavailable, "microsoft_down"),
    (200, "ErrorMailboxMoveInProgress", TemporarilyUnavailable, "microsoft_down"),
    (200, "ErrorCalendarViewRangeTooBig", InvalidRequest, None),
    (500, "ErrorSchemaValidation", ProviderContractBroken, None),
    (500, "ErrorInvalidServerVersion", ProviderContractBroken, None),
    (200, "ErrorNobodyHasHeardOf", ProviderContractBroken, None),
    (200, None, ProviderContractBroken, None),
]


@pytest.mark.parametrize(("status", "code", "kind", "reason"), TABLE)
def test_each_answer_has_one_meaning(
    status: int, code: str | None, kind: type[OstiaryError], reason: str | None
) -> None:
    error = translate(status, code, {"request-id": "r-1"})

    assert type(error) is kind
    assert error.reason == reason
    if not isinstance(error, InvalidRequest):
        assert error.provider is not None
        assert (error.provider.status, error.provider.code, error.provider.request_id) == (
            status,
            code,
            "r-1",
        )


@pytest.mark.parametrize(
    ("day", "reason"), [("Wed, 31 Mar 2027", "ews_off"), ("Thu, 01 Apr 2027", "ews_ended")]
)
def test_a_refusal_after_the_end_of_ews_says_so(day: str, reason: str) -> None:
    assert translate(403, None, {"Date": f"{day} 10:00:00 GMT"}).reason == reason


@pytest.mark.parametrize(
    ("back_off", "headers", "seconds"),
    [
        (297_749, {}, 297.749),
        (0, {"Retry-After": "9"}, 1.0),
        (None, {"Retry-After": "9"}, 9.0),
        (None, {"Retry-After": "never"}, 30.0),
        (None, {}, 30.0),
        (10**9, {}, LONGEST_WAIT_SECONDS),
    ],
)
def test_wait_is_what_exchange_says_within_reason(
    back_off: int | None, headers: dict[str, str], seconds: float
) -> None:
    error = translate(500, "ErrorServerBusy", headers, back_off_milliseconds=back_off)

    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == seconds


def test_busy_server_inside_a_general_error_is_throttling() -> None:
    error = translate(
        200, "ErrorInternalServerError", {}, inner_code="ErrorServerBusy", back_off_milliseconds=5000
    )

    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == 5.0
