"""From what Microsoft said to one of our reasons (UX §5, entra-id.md §4).

Order: the OAuth ``error``, then ``error_subcode`` and ``suberror``, then AADSTS numbers as hints, then a
fallback by ``error``. Numbers come last because Microsoft changes them without notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ostiary.core.reasons.catalogue import CATALOGUE
from ostiary.core.reasons.model import Where
from ostiary.core.reasons.numbers import neighbour

TRANSIENT_ERRORS: Final = frozenset({"temporarily_unavailable", "server_error"})
"""Whatever number stands beside them, nothing was decided."""

_HINTS: Final[dict[int, str]] = {
    number: reason.id for reason in CATALOGUE.values() for number in reason.aadsts
}

_ELSEWHERE: Final[dict[tuple[Where, int], str]] = {
    # 65001 is "withdrawn" only for somebody who had it; before that the tenant simply has not approved.
    (Where.CONNECT, 65001): "not_admin",
    (Where.CONSENT, 65001): "not_confirmed",
    # A tenant that removed the enterprise application answers a refresh with "not in this tenant" (§2.7).
    (Where.HEALTH, 700016): "consent_withdrawn",
    (Where.HEALTH, 7000229): "consent_withdrawn",
    # A code that is too old or spent, not a refresh token.
    (Where.CONNECT, 70008): "session_lost",
    (Where.CONSENT, 70008): "session_lost",
    # Right after an approval the app may not have appeared yet.
    (Where.CONSENT, 7000229): "not_confirmed",
    (Where.CONNECT, 7000229): "not_admin",
    # Too many equal requests of ours. Whoever waits for them reads the same as in any other trouble of that kind.
    (Where.CONSENT, 50196): "microsoft_down",
    (Where.CONNECT, 50196): "microsoft_down",
}

_BY_SUBERROR: Final[dict[str, str]] = {
    "basic_action": "sign_in_policy",
    "message_only": "sign_in_policy",
    "additional_action": "sign_in_policy",
    "protection_policy_required": "sign_in_policy",
    "device_authentication_failed": "sign_in_policy",
    "client_mismatch": "our_fault",
    "bad_token": "sign_in_needed",
    "token_expired": "sign_in_needed",
    "user_password_expired": "sign_in_needed",
}

_OUR_ERRORS: Final = (
    "invalid_client",
    "unauthorized_client",
    "invalid_scope",
    "invalid_request",
    "invalid_resource",
    "unsupported_response_type",
    "unsupported_grant_type",
)

_FALLBACK: Final[dict[Where, dict[str, str]]] = {
    Where.CONSENT: {
        **dict.fromkeys(_OUR_ERRORS, "our_fault"),
        "access_denied": "declined",
        "permission_denied": "declined",  # the v1 endpoint's word
        "consent_required": "not_admin",
        "interaction_required": "sign_in_policy",
        "login_required": "session_lost",
        "invalid_grant": "session_lost",
    },
    Where.CONNECT: {
        **dict.fromkeys(_OUR_ERRORS, "our_fault"),
        "access_denied": "declined",
        "consent_required": "not_admin",
        "interaction_required": "sign_in_policy",
        "login_required": "session_lost",
        "invalid_grant": "session_lost",
    },
    Where.HEALTH: {
        **dict.fromkeys(_OUR_ERRORS, "our_fault"),
        "consent_required": "consent_withdrawn",
        "invalid_grant": "sign_in_needed",
        "interaction_required": "sign_in_needed",
        "login_required": "sign_in_needed",
    },
}

_MFA: Final = frozenset({50072, 50074, 50076, 50078, 50079})
_DEVICE: Final = frozenset({50005, 50097, 50129, 53000, 53001, 530002, 530003})
_NETWORK: Final = frozenset({50002, 500021, 500022})


def classify(
    error: str | None,
    *,
    where: Where,
    error_subcode: str | None = None,
    suberror: str | None = None,
    error_codes: Iterable[int] = (),
) -> str:
    """Return the id of the reason behind an OAuth error, for the flow it happened in.

    Args:
        error: OAuth ``error`` of the redirect or of the token endpoint.
        where: The flow; a reason that cannot happen there is never returned.
        error_subcode: Only redirects have it; ``cancel`` is somebody leaving "Need admin approval".
        suberror: Only the token endpoint has it.
        error_codes: AADSTS numbers, most telling first.
    """
    if error in TRANSIENT_ERRORS:
        return "microsoft_down"
    if error == "access_denied" and error_subcode == "cancel":
        return _only(where, "not_admin")
    codes = tuple(error_codes)
    if suberror == "consent_required" or (error == "consent_required" and 65001 in codes):
        return _ELSEWHERE.get((where, 65001), "consent_withdrawn")
    for code in codes:
        hinted = reason_of_number(code, where=where)
        if hinted is not None:
            return hinted
    if suberror in _BY_SUBERROR:
        return _only(where, _BY_SUBERROR[suberror])
    if codes and error == "access_denied":
        # Some rule refused it and its number is new to us; "you pressed Cancel" would be a guess.
        return "unknown"
    return _FALLBACK[where].get(error or "", "unknown")


def reason_of_number(code: int, *, where: Where) -> str | None:
    """Return the reason an AADSTS number hints at in this flow; None when it hints at nothing there."""
    special = _ELSEWHERE.get((where, code))
    if special is not None:
        return special
    hinted = _HINTS.get(code) or neighbour(code)
    if hinted is None:
        return None
    if where in CATALOGUE[hinted].where:
        return hinted
    # A saved sign-in cannot be the trouble where there is none yet: the person simply starts again.
    return "session_lost" if hinted == "sign_in_needed" else "unknown"


def variant_of(reason_id: str, error_codes: Iterable[int]) -> str | None:
    """Return the variant of a reason that the numbers point to, such as ``mfa`` of ``sign_in_policy``."""
    codes = frozenset(error_codes)
    if reason_id == "sign_in_policy":
        return "mfa" if codes & _MFA else "device" if codes & _DEVICE else None
    if reason_id == "app_blocked" and codes & _NETWORK:
        return "network"
    return None


def _only(where: Where, reason_id: str) -> str:
    if where in CATALOGUE[reason_id].where:
        return reason_id
    return "session_lost" if reason_id == "sign_in_needed" else "unknown"
