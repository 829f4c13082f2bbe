"""What refusals of the token endpoint mean (entra-id.md §4, §5.1)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ostiary.adapters.entra.errors import TokenError, parse_token_error, translate
from ostiary.core.kernel.errors import (
    AccessBlocked,
    ConsentRequired,
    FlowRejected,
    MailboxMissing,
    Misconfigured,
    OstiaryError,
    ProviderContractBroken,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.reasons.model import Where

U, H = Where.CONNECT, Where.HEALTH


@pytest.mark.parametrize(
    ("where", "status", "error", "suberror", "codes", "kind", "reason"),
    [
        (H, 400, "invalid_grant", "bad_token", (50173,), ReauthorizationRequired, "sign_in_needed"),
        (H, 400, "invalid_grant", "token_expired", (70043,), ReauthorizationRequired, "sign_in_needed"),
        (H, 400, "invalid_grant", None, (700082,), ReauthorizationRequired, "sign_in_needed"),
        (H, 400, "invalid_grant", "basic_action", (50076,), ReauthorizationRequired, "sign_in_policy"),
        (H, 400, "invalid_grant", "message_only", (53003,), AccessBlocked, "sign_in_policy"),
        (H, 400, "invalid_grant", None, (50105,), AccessBlocked, "not_assigned"),
        (H, 400, "invalid_grant", "consent_required", (65001,), ConsentRequired, "consent_withdrawn"),
        (H, 400, "unauthorized_client", None, (700016,), ConsentRequired, "consent_withdrawn"),
        (H, 400, "unauthorized_client", None, (7000112,), AccessBlocked, "app_disabled"),
        (H, 401, "invalid_client", None, (7000222,), Misconfigured, "our_fault"),
        (H, 401, "invalid_client", None, (7000215,), Misconfigured, "our_fault"),
        (H, 400, "brand_new_error", None, (), ProviderContractBroken, "unknown"),
        (U, 400, "invalid_grant", None, (54005,), FlowRejected, "session_lost"),
        (U, 400, "invalid_grant", None, (70008,), FlowRejected, "session_lost"),
        (U, 400, "invalid_grant", None, (), FlowRejected, "session_lost"),
        # Whoever brings a return can put another flow's code into it, or none at all: that is nobody's alarm.
        (U, 400, "invalid_grant", None, (50148,), FlowRejected, "session_lost"),
        (U, 400, "invalid_grant", None, (501481,), FlowRejected, "session_lost"),
        (U, 400, "invalid_grant", None, (500112,), FlowRejected, "session_lost"),
        (U, 400, "invalid_grant", None, (700005,), FlowRejected, "session_lost"),
        (U, 400, "invalid_grant", None, (9002313,), FlowRejected, "session_lost"),
        # The same numbers where only we can be wrong.
        (U, 400, "invalid_request", None, (9002313,), Misconfigured, "our_fault"),
        (U, 401, "invalid_client", None, (500112,), Misconfigured, "our_fault"),
        (H, 400, "invalid_grant", None, (9002313,), Misconfigured, "our_fault"),
        (U, 400, "invalid_grant", "consent_required", (65001,), ConsentRequired, "not_admin"),
        (U, 400, "invalid_grant", "basic_action", (50076,), AccessBlocked, "sign_in_policy"),
        (U, 400, "invalid_resource", None, (650052,), MailboxMissing, "mailbox_missing"),
        (U, 400, "invalid_scope", None, (70011,), Misconfigured, "our_fault"),
    ],
)
def test_a_definite_refusal_names_what_the_caller_does_next(
    where: Where,
    status: int,
    error: str,
    suberror: str | None,
    codes: tuple[int, ...],
    kind: type[OstiaryError],
    reason: str,
) -> None:
    found = translate(status, TokenError(error, suberror, codes), where=where)
    assert type(found) is kind
    assert found.reason == reason


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, TokenError("invalid_grant", "bad_token", (50173,))),
        (503, None),
        (400, None),
        (200, None),
        (302, None),
        (400, TokenError("temporarily_unavailable", None, (90033,))),
        (400, TokenError("server_error", "consent_required", (65001,))),
    ],
)
def test_a_passing_fault_is_never_reported_as_definite(status: int, body: TokenError | None) -> None:
    for where in (U, H):
        assert type(translate(status, body, where=where)) is TemporarilyUnavailable


@pytest.mark.parametrize(
    ("status", "codes", "header", "seconds"),
    [
        (429, (), 7.0, 7.0),
        (429, (), None, 10.0),
        (400, (50196,), None, 300.0),
        (429, (), 1e9, 3600.0),
        (429, (), 0.0, 10.0),
    ],
)
def test_slowing_down_says_for_how_long(
    status: int, codes: tuple[int, ...], header: float | None, seconds: float
) -> None:
    found = translate(status, TokenError("invalid_grant", None, codes), where=H, retry_after_seconds=header)
    assert isinstance(found, Throttled)
    assert found.retry_after_seconds == seconds


def test_what_support_needs_is_kept_and_the_description_is_not() -> None:
    body = {
        "error": "invalid_grant",
        "error_description": "AADSTS50173: secret words",
        "error_codes": [50173],
        "timestamp": "2026-11-24 13:40:00Z",
        "trace_id": "trace",
        "correlation_id": "correlation",
        "suberror": "bad_token",
    }
    parsed = parse_token_error(body)
    assert parsed is not None
    found = translate(400, parsed, where=H)
    assert found.provider is not None
    assert found.provider.code == "AADSTS50173"
    assert found.provider.correlation_id == "correlation"
    assert found.provider.request_id == "trace"
    assert found.provider.occurred_at == datetime(2026, 11, 24, 13, 40, tzinfo=UTC)
    assert "secret words" not in repr(found.provider) + found.message


@pytest.mark.parametrize(
    "body",
    [None, [], "text", 7, {}, {"error": None}, {"error": {"code": "x"}}, {"error": 5}],
)
def test_other_json_is_no_token_error(body: object) -> None:
    assert parse_token_error(body) is None


def test_odd_members_are_ignored() -> None:
    parsed = parse_token_error(
        {"error": "invalid_grant", "error_codes": "65001", "timestamp": "yesterday", "suberror": ["x"]}
    )
    assert parsed == TokenError("invalid_grant")
