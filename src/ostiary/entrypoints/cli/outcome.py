"""How a command ends: exit codes (UX §16) and failures as people and programs read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    ConsentRequired,
    InvalidRequest,
    MailboxMissing,
    NotFound,
    OstiaryError,
    PermissionDenied,
    RateLimited,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)

if TYPE_CHECKING:
    from ostiary.core.reasons.explain import Explanation


class ExitCode(IntEnum):
    """What a script may rely on."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    WAITING_FOR_PERSON = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    TRY_LATER = 7
    INTERRUPTED = 130


_EXIT_CODES: Final[dict[type[OstiaryError], ExitCode]] = {
    InvalidRequest: ExitCode.WRONG_USAGE,
    ConsentRequired: ExitCode.WAITING_FOR_PERSON,
    ReauthorizationRequired: ExitCode.WAITING_FOR_PERSON,
    AccessBlocked: ExitCode.WAITING_FOR_PERSON,
    MailboxMissing: ExitCode.WAITING_FOR_PERSON,
    PermissionDenied: ExitCode.NOT_ALLOWED,
    NotFound: ExitCode.NOT_FOUND,
    Conflict: ExitCode.CONFLICT,
    Throttled: ExitCode.TRY_LATER,
    RateLimited: ExitCode.TRY_LATER,
    TemporarilyUnavailable: ExitCode.TRY_LATER,
}


def exit_code(error: OstiaryError) -> ExitCode:
    """Return the exit code that a failure has in every command: that of its kind, or of what its kind is one of."""
    codes = (_EXIT_CODES[kind] for kind in type(error).__mro__ if kind in _EXIT_CODES)
    return next(codes, ExitCode.FAILED)


def show_failure(error: OstiaryError, *, as_json: bool, values: Mapping[str, str | None]) -> None:
    """Write a failure: one JSON object to standard output, or readable lines to standard error.

    Args:
        values: Placeholders of the reason texts, such as ``vendor``.
    """
    from ostiary.core.reasons.explain import explain
    from ostiary.core.reasons.model import Where

    known = explain(error.reason, where=Where.HEALTH, values=values) if error.reason else None
    if as_json:
        print(json.dumps(_document(error, known), ensure_ascii=False))
        return
    rows: list[tuple[str, str]] = [("What happened", error.message)]
    if known is not None:
        rows.append(("Why", known.why))
        rows.append(("Who can fix it", known.who_can_fix))
        if known.actions:
            rows.append(("Do this next", " · ".join(action.label for action in known.actions)))
    rows.append(("Reference", "   ".join(_support_words(error))))
    width = max(len(label) for label, _ in rows)
    print(f"✗ {known.headline if known else error.message}", file=sys.stderr)
    for label, words in rows:
        if words and not (known is None and label == "What happened"):
            print(f"  {label:<{width}}  {words}", file=sys.stderr)


def _support_words(error: OstiaryError) -> list[str]:
    words = [error.reference] if error.reference else []
    words.append(f"reason {error.reason}" if error.reason else f"code {error.code}")
    provider = error.provider
    if provider is not None:
        words += [word for word in (provider.code, provider.correlation_id or provider.request_id) if word]
    return words


def _document(error: OstiaryError, known: Explanation | None) -> dict[str, Any]:
    provider = error.provider
    return {
        "ok": False,
        "code": error.code,
        "reason": error.reason,
        "ref": error.reference,
        "title": known.headline if known else error.message,
        "what": error.message,
        "why": known.why if known else None,
        "who": known.fixer.value if known else None,
        "next": [{"id": action.id, "label": action.label} for action in known.actions] if known else [],
        "microsoft": None
        if provider is None
        else {"code": provider.code, "correlation_id": provider.correlation_id},
    }
