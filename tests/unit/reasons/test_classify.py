"""From Microsoft's answer to one of our reasons (UX §5, §7; entra-id.md §4)."""

from __future__ import annotations

import pytest

from ostiary.core.reasons.catalogue import CATALOGUE
from ostiary.core.reasons.classify import classify, reason_of_number, variant_of
from ostiary.core.reasons.model import Where

C, U, H = Where.CONSENT, Where.CONNECT, Where.HEALTH


@pytest.mark.parametrize(
    ("where", "error", "more", "expected"),
    [
        # Every id marked C in UX §7 that Microsoft can cause.
        (C, "access_denied", {"error_codes": (65004,)}, "declined"),
        (C, "consent_required", {"error_codes": (65004,)}, "declined"),
        (C, "access_denied", {"error_subcode": "cancel"}, "not_admin"),
        (C, "access_denied", {"error_codes": (90094,)}, "not_admin"),
        (C, "access_denied", {"error_codes": (90093,)}, "not_admin"),
        (C, "access_denied", {"error_codes": (90095,)}, "not_admin"),
        (C, "access_denied", {"error_codes": (90099,)}, "not_admin"),
        (C, "access_denied", {"error_codes": (50020,)}, "wrong_tenant"),
        (C, "interaction_required", {"error_codes": (16000,)}, "wrong_tenant"),
        (C, "access_denied", {"error_codes": (51004,)}, "wrong_tenant"),
        (C, "access_denied", {"error_codes": (500208,)}, "personal_account"),
        (C, "access_denied", {"error_codes": (500021,)}, "app_blocked"),
        (C, "access_denied", {"error_codes": (500213,)}, "app_blocked"),
        (C, "access_denied", {"error_codes": (900941,)}, "unverified_publisher"),
        (C, "access_denied", {"error_codes": (900981,)}, "unverified_publisher"),
        (C, "unauthorized_client", {"error_codes": (7000112,)}, "app_disabled"),
        (C, "unauthorized_client", {"error_codes": (70001,)}, "app_disabled"),
        (C, "interaction_required", {"error_codes": (50076,)}, "sign_in_policy"),
        (C, "access_denied", {"error_codes": (53003,)}, "sign_in_policy"),
        (C, "access_denied", {"error_codes": (530032,)}, "sign_in_policy"),
        (C, "temporarily_unavailable", {}, "microsoft_down"),
        (C, "server_error", {"error_codes": (90090,)}, "microsoft_down"),
        (C, "unauthorized_client", {"error_codes": (700016,)}, "our_fault"),
        (C, "invalid_request", {"error_codes": (50011,)}, "our_fault"),
        (C, "invalid_scope", {"error_codes": (70011,)}, "our_fault"),
        (C, "invalid_client", {"error_codes": (7000222,)}, "our_fault"),
        (C, "invalid_grant", {"error_codes": (54005,)}, "session_lost"),
        (C, "access_denied", {}, "declined"),
        (C, "permission_denied", {}, "declined"),
        (C, "access_denied", {"error_codes": (424242,)}, "unknown"),
        (C, "brand_new_error", {}, "unknown"),
        (C, None, {}, "unknown"),
        # Connect.
        (U, "access_denied", {"error_codes": (65004,)}, "declined"),
        (U, "access_denied", {"error_subcode": "cancel"}, "not_admin"),
        (U, "consent_required", {"error_codes": (65001,)}, "not_admin"),
        (U, "invalid_grant", {"suberror": "consent_required"}, "not_admin"),
        (U, "access_denied", {"error_codes": (50105,)}, "not_assigned"),
        (U, "invalid_resource", {"error_codes": (650052,)}, "mailbox_missing"),
        (U, "invalid_grant", {"error_codes": (70008,)}, "session_lost"),
        (U, "login_required", {}, "session_lost"),
        # Health of a connection.
        (H, "invalid_grant", {"suberror": "bad_token", "error_codes": (50173,)}, "sign_in_needed"),
        (H, "invalid_grant", {"suberror": "token_expired", "error_codes": (70043,)}, "sign_in_needed"),
        (H, "invalid_grant", {"error_codes": (700082,)}, "sign_in_needed"),
        (H, "invalid_grant", {"suberror": "bad_token"}, "sign_in_needed"),
        (H, "invalid_grant", {}, "sign_in_needed"),
        (H, "invalid_grant", {"suberror": "consent_required", "error_codes": (65001,)}, "consent_withdrawn"),
        (H, "unauthorized_client", {"error_codes": (700016,)}, "consent_withdrawn"),
        (H, "unauthorized_client", {"error_codes": (7000112,)}, "app_disabled"),
        (H, "invalid_grant", {"error_codes": (50105,)}, "not_assigned"),
        (H, "invalid_grant", {"suberror": "message_only", "error_codes": (53003,)}, "sign_in_policy"),
        (H, "invalid_grant", {"suberror": "protection_policy_required"}, "sign_in_policy"),
        (H, "invalid_client", {"error_codes": (7000215,)}, "our_fault"),
        (H, "temporarily_unavailable", {"error_codes": (90033,)}, "microsoft_down"),
    ],
)
def test_microsofts_answer_leads_to_its_reason(
    where: Where, error: str | None, more: dict[str, object], expected: str
) -> None:
    assert classify(error, where=where, **more) == expected  # type: ignore[arg-type]


def test_a_transient_error_wins_over_any_number_beside_it() -> None:
    assert classify("temporarily_unavailable", where=H, error_codes=(50173, 65001)) == "microsoft_down"


def test_a_reason_is_never_given_where_it_cannot_happen() -> None:
    errors = (None, "access_denied", "invalid_grant", "consent_required", "interaction_required", "x")
    numbers = [(), *((code,) for reason in CATALOGUE.values() for code in reason.aadsts)]
    for where in Where:
        for error in errors:
            for codes in numbers:
                for suberror in (None, "bad_token", "message_only", "consent_required"):
                    found = classify(error, where=where, suberror=suberror, error_codes=codes)
                    assert where in CATALOGUE[found].where, (where, error, codes, suberror, found)


def test_every_number_of_the_catalogue_hints_at_its_reason_somewhere() -> None:
    for reason in CATALOGUE.values():
        for code in reason.aadsts:
            hints = {reason_of_number(code, where=where) for where in reason.where}
            assert reason.id in hints, (reason.id, code)


def test_no_number_hints_at_two_reasons() -> None:
    seen: dict[int, str] = {}
    for reason in CATALOGUE.values():
        for code in reason.aadsts:
            assert code not in seen, (code, seen.get(code), reason.id)
            seen[code] = reason.id


@pytest.mark.parametrize(
    ("reason_id", "codes", "expected"),
    [
        ("sign_in_policy", (50076,), "mfa"),
        ("sign_in_policy", (53000,), "device"),
        ("sign_in_policy", (53003,), None),
        ("app_blocked", (500021,), "network"),
        ("app_blocked", (500213,), None),
        ("declined", (50076,), None),
    ],
)
def test_numbers_choose_the_words_for_a_special_case(
    reason_id: str, codes: tuple[int, ...], expected: str | None
) -> None:
    assert variant_of(reason_id, codes) == expected
