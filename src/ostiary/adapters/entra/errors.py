"""What the token endpoint's refusals mean to us: one pure table (entra-id.md §4, §5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ostiary.core.kernel.errors import (
    AccessBlocked,
    ConsentRequired,
    FlowRejected,
    MailboxMissing,
    Misconfigured,
    OstiaryError,
    ProviderContractBroken,
    ProviderDetail,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.reasons.classify import TRANSIENT_ERRORS, classify, variant_of
from ostiary.core.reasons.model import Where

DEFAULT_WAIT_SECONDS: Final = 10.0
LOOP_WAIT_SECONDS: Final = 300.0
"""Microsoft blocks a client that repeats itself for minutes (AADSTS50196; entra-id.md §5.2)."""
LONGEST_WAIT_SECONDS: Final = 3600.0

_LOOP_DETECTED: Final = 50196
_TENANT_THROTTLED: Final = 90055
_MOST_CODES: Final = 8
_NOT_THE_CODE_OF_THIS_FLOW: Final = frozenset({50148, 501481, 500112, 700005, 9002313})
"""Beside ``invalid_grant``: the code belongs to another flow, address or tenant, or is no code at all. State, verifier and
redirect address come from our own record of the flow, so only whoever brought the return can have put it there.

Source: RFC 6749 §5.2 ``invalid_grant``; entra-id.md §4.
"""


@dataclass(frozen=True, slots=True)
class TokenError:
    """The error JSON of the token endpoint, reduced to what we read."""

    error: str | None
    suberror: str | None = None
    codes: tuple[int, ...] = ()
    correlation_id: str | None = None
    trace_id: str | None = None
    occurred_at: datetime | None = None


def parse_token_error(body: object) -> TokenError | None:
    """Return the error in a JSON body, or None when it is not one of the endpoint's own."""
    if not isinstance(body, dict):
        return None
    fields: dict[Any, Any] = body
    error = fields.get("error")
    if not isinstance(error, str):
        return None
    codes = fields.get("error_codes")
    numbers = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    return TokenError(
        error=error[:64],
        suberror=_text(fields.get("suberror"), 64),
        codes=tuple(numbers[:_MOST_CODES]),
        correlation_id=_text(fields.get("correlation_id"), 64),
        trace_id=_text(fields.get("trace_id"), 64),
        occurred_at=_moment(fields.get("timestamp")),
    )


def translate(
    status: int, body: TokenError | None, *, where: Where, retry_after_seconds: float | None = None
) -> OstiaryError:
    """Return the error to raise for one refused token request.

    Args:
        status: HTTP status.
        body: None when the answer was no error JSON: then nothing was decided.
        where: ``CONNECT`` for the exchange of a code, ``HEALTH`` for a refresh.
        retry_after_seconds: From the ``Retry-After`` header.
    """
    provider = _provider(status, body)
    codes = () if body is None else body.codes
    if status == 429 or _LOOP_DETECTED in codes or _TENANT_THROTTLED in codes:
        wait = LOOP_WAIT_SECONDS if _LOOP_DETECTED in codes else DEFAULT_WAIT_SECONDS
        return Throttled(
            "Microsoft asked us to slow down.",
            retry_after_seconds=min(LONGEST_WAIT_SECONDS, max(1.0, retry_after_seconds or wait)),
            provider=provider,
        )
    if status >= 500 or body is None or body.error in TRANSIENT_ERRORS:
        return TemporarilyUnavailable(
            "Microsoft isn’t answering properly.", reason="microsoft_down", provider=provider
        )
    if (
        where is Where.CONNECT
        and body.error == "invalid_grant"
        and not _NOT_THE_CODE_OF_THIS_FLOW.isdisjoint(codes)
    ):
        return _error_of("session_lost", body, where, provider)
    reason = classify(body.error, where=where, suberror=body.suberror, error_codes=codes)
    return _error_of(reason, body, where, provider)


def _error_of(reason: str, body: TokenError, where: Where, provider: ProviderDetail) -> OstiaryError:
    if reason == "microsoft_down":
        return TemporarilyUnavailable("Microsoft isn’t answering properly.", reason=reason, provider=provider)
    if reason == "session_lost":
        return FlowRejected("Microsoft did not accept this sign-in.", reason=reason, provider=provider)
    if reason in {"not_admin", "consent_withdrawn"}:
        return ConsentRequired(
            "This organization has not approved the app.", reason=reason, provider=provider
        )
    if reason == "mailbox_missing":
        return MailboxMissing("Microsoft found no mailbox.", reason=reason, provider=provider)
    if reason == "our_fault":
        return Misconfigured("Our app is set up wrongly at Microsoft.", reason=reason, provider=provider)
    if reason == "sign_in_needed":
        return ReauthorizationRequired("The person must sign in again.", reason=reason, provider=provider)
    if reason == "unknown":
        return ProviderContractBroken(
            "Microsoft refused, and we do not know why.", reason=reason, provider=provider
        )
    # A second step is a matter of signing in again; every other rule needs somebody else.
    if where is Where.HEALTH and (variant_of(reason, body.codes) == "mfa" or body.suberror == "basic_action"):
        return ReauthorizationRequired("The person must sign in again.", reason=reason, provider=provider)
    return AccessBlocked("A rule of the organization stops this.", reason=reason, provider=provider)


def _provider(status: int, body: TokenError | None) -> ProviderDetail:
    if body is None:
        return ProviderDetail(status=status)
    code = f"AADSTS{body.codes[0]}" if body.codes else body.error
    return ProviderDetail(
        code=code,
        correlation_id=body.correlation_id,
        request_id=body.trace_id,
        status=status,
        occurred_at=body.occurred_at,
    )


def _text(value: object, longest: int) -> str | None:
    return value[:longest] if isinstance(value, str) and value else None


def _moment(value: object) -> datetime | None:
    # Written as 2026-01-01 10:00:00Z: a space where ISO 8601 has a T.
    if not isinstance(value, str):
        return None
    try:
        return datetime.strptime(value, "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
