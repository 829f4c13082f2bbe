"""Graph's errors, by status, code and headers."""

from __future__ import annotations

import pytest

from ostiary.adapters.graph.client import deepest_code
from ostiary.adapters.graph.errors import LONGEST_WAIT_SECONDS, translate
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    ConsentRequired,
    InvalidRequest,
    MailboxMissing,
    NotFound,
    OstiaryError,
    ProviderContractBroken,
    ReauthorizationRequired,
    SyncCursorExpired,
    TemporarilyUnavailable,
    Throttled,
    VersionChanged,
)
from ostiary.core.mail.errors import MailboxFull, SendingRefused, TooLargeForMailbox

TABLE: list[tuple[int, str | None, type[OstiaryError], str | None]] = [
    (400, "ErrorInvalidIdMalformed", NotFound, None),
    (400, "ErrorCalendarViewRangeTooBig", InvalidRequest, None),
    (400, "InefficientFilter", ProviderContractBroken, None),
    (400, None, ProviderContractBroken, None),
    (401, "InvalidAuthenticationToken", ReauthorizationRequired, "sign_in_needed"),
    (401, None, ReauthorizationRequired, "sign_in_needed"),
    (401, "MailboxNotEnabledForRESTAPI", MailboxMissing, "mailbox_missing"),
    (404, "mailboxnotenabledforrestapi", MailboxMissing, "mailbox_missing"),
    (404, "MailboxNotHostedInExchangeOnline", MailboxMissing, "mailbox_missing"),
    (404, "ErrorInvalidUser", MailboxMissing, "mailbox_missing"),
    (403, "ErrorAccessDenied", ConsentRequired, "missing_permission"),
    (403, None, ConsentRequired, "missing_permission"),
    (404, "ErrorItemNotFound", NotFound, None),
    (404, None, NotFound, None),
    (409, "ErrorIrresolvableConflict", Conflict, None),
    (412, "ErrorIrresolvableConflict", VersionChanged, None),
    (400, "ErrorOccurrenceCrossingBoundary", InvalidRequest, None),
    (400, "TimeZoneNotSupportedException", InvalidRequest, None),
    (410, "SyncStateNotFound", SyncCursorExpired, None),
    (400, "syncStateInvalid", SyncCursorExpired, None),
    (410, None, SyncCursorExpired, None),
    (413, None, TooLargeForMailbox, None),
    (400, "ErrorMessageSizeExceeded", TooLargeForMailbox, None),
    (400, "ErrorAttachmentSizeLimitExceeded", TooLargeForMailbox, None),
    (400, "ErrorInvalidRecipients", InvalidRequest, None),
    (403, "ErrorSendAsDenied", SendingRefused, None),
    (403, "ErrorExceededMessageLimit", SendingRefused, None),
    (403, "ErrorAccountSuspend", SendingRefused, None),
    (507, None, MailboxFull, None),
    (403, "ErrorQuotaExceeded", MailboxFull, None),
    (429, "ApplicationThrottled", Throttled, "slowed_down"),
    (429, None, Throttled, "slowed_down"),
    (500, "ErrorInternalServerError", TemporarilyUnavailable, "microsoft_down"),
    (502, None, TemporarilyUnavailable, "microsoft_down"),
    (503, "serviceNotAvailable", TemporarilyUnavailable, "microsoft_down"),
    (504, "UnknownError", TemporarilyUnavailable, "microsoft_down"),
    (507, "quotaLimitReached", MailboxFull, None),
    (302, None, ProviderContractBroken, None),
    (418, "Whatever", ProviderContractBroken, None),
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


def test_a_policy_that_switches_data_off_is_no_missing_permission() -> None:
    error = translate(403, "ErrorAccessDenied", {}, message="Access to OData is disabled: [RAOP] : Blocked")

    assert type(error) is AccessBlocked
    assert error.reason == "app_blocked"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0"}, 1.0),
        ({"Retry-After": "999999"}, LONGEST_WAIT_SECONDS),
        ({"Retry-After": "-5"}, 10.0),
        ({"Retry-After": "nan"}, 10.0),
        ({"Retry-After": "soon"}, 10.0),
        ({}, 10.0),
        (
            {"Retry-After": "Tue, 24 Nov 2026 12:00:40 GMT", "Date": "Tue, 24 Nov 2026 12:00:10 GMT"},
            30.0,
        ),
        ({"Retry-After": "Tue, 24 Nov 2026 12:00:40 GMT"}, 10.0),
    ],
)
def test_wait_is_what_microsoft_says_within_reason(headers: dict[str, str], seconds: float) -> None:
    error = translate(429, None, headers)

    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == seconds


def test_unavailable_with_a_time_to_wait_is_throttling() -> None:
    assert isinstance(translate(503, None, {"Retry-After": "3"}), Throttled)


def test_innermost_code_counts() -> None:
    error = {
        "code": "generalException",
        "innerError": {"code": "", "innererror": {"code": "ErrorItemNotFound"}},
    }

    assert deepest_code(error) == "ErrorItemNotFound"
    assert deepest_code({"code": "a", "innerError": "no object"}) == "a"
    assert deepest_code({}) is None
