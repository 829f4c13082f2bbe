"""Reading the query of a return from Microsoft: untrusted text from anybody (SR-5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ostiary.core.kernel.errors import FlowRejected
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.model import ReturnParameters

_MOST_PARAMETERS: Final = 40
_LONGEST: Final = {
    "state": 128,
    "code": 8192,  # codes of about 1.5 kB are ordinary
    "error": 64,
    "error_subcode": 64,
    "error_description": 4096,
    "admin_consent": 8,
    "tenant": 64,
    "scope": 8192,
    "iss": 256,
}
"""Most characters of each parameter we read; anything longer was not written by Microsoft."""

_WORD = re.compile(r"^[a-z][a-z0-9_.]*$", re.IGNORECASE)
_AADSTS = re.compile(r"\bAADSTS(\d{4,8})\b")
_CORRELATION = re.compile(
    r"\bCorrelation ID:\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE
)
_MOST_CODES: Final = 4


def parse_return(parameters: Iterable[tuple[str, str]]) -> ReturnParameters:
    """Return what a redirect said, with nothing believed yet.

    An ``error`` wins over everything beside it: Microsoft sends ``admin_consent=True`` with refusals too,
    so no code and no success mark survives next to it (entra-id.md §2.2).

    Args:
        parameters: Decoded name and value pairs, in order, repeats included.

    Raises:
        FlowRejected: A parameter came twice, is longer than any real one, or there are too many.
    """
    values: dict[str, str] = {}
    for count, (name, value) in enumerate(parameters, start=1):
        if count > _MOST_PARAMETERS:
            raise _garbled()
        if name not in _LONGEST:
            continue
        if name in values or len(value) > _LONGEST[name]:
            raise _garbled()
        values[name] = value
    description = values.get("error_description", "")
    correlation = _CORRELATION.search(description)
    error = _word(values.get("error"))
    state = values.get("state") or None
    if error is not None:
        return ReturnParameters(
            state=state,
            error=error,
            error_subcode=_word(values.get("error_subcode")),
            error_description=description or None,
            error_codes=tuple(int(code) for code in _AADSTS.findall(description)[:_MOST_CODES]),
            correlation_id=None if correlation is None else correlation.group(1).lower(),
        )
    code = values.get("code")
    return ReturnParameters(
        state=state,
        code=Secret(code) if code else None,
        admin_consent=values.get("admin_consent"),
        tenant=values.get("tenant"),
        scope=values.get("scope"),
    )


def _word(value: str | None) -> str | None:
    if value is None:
        return None
    # An empty or garbled error is still an error: success needs its absence.
    return value.lower() if _WORD.match(value) else "unrecognized_error"


def _garbled() -> FlowRejected:
    return FlowRejected("This return from Microsoft can't be used.", reason="session_lost")
