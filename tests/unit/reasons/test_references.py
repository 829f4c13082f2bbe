"""Every error that the references name has a place in our tables, and the place agrees with them (UX §7)."""

from __future__ import annotations

import pytest

from ostiary.adapters.entra.errors import parse_token_error
from ostiary.adapters.entra.errors import translate as translate_token
from ostiary.adapters.ews.errors import translate as translate_ews
from ostiary.adapters.graph.errors import translate as translate_graph
from ostiary.core.kernel.errors import OstiaryError, ProviderContractBroken, TemporarilyUnavailable, Throttled
from ostiary.core.reasons.catalogue import CATALOGUE, get_reason
from ostiary.core.reasons.classify import classify, reason_of_number
from ostiary.core.reasons.model import Fixer, Retry, Where
from ostiary.core.reasons.numbers import NEIGHBOURS, NO_FAILURE

from .references import NumberRow, ews_codes, graph_codes, named_numbers, number_rows, suberrors

GRAPH_BUGS = frozenset(
    {
        *("InefficientFilter", "ErrorInvalidProperty", "BadRequest", "RequestBroker--ParseUri"),
        *("ErrorInvalidRequest", "UnableToDeserializePostBody", "NotImplemented", "ErrorMethodNotAllowed"),
    }
)
"""Only a wrong request of ours brings these about: a bug to be filed, which no person can mend."""

EWS_BUGS = frozenset(
    {
        # Wrong requests of ours, and operations we never send.
        *(
            "ErrorInvalidServerVersion",
            "ErrorIncorrectSchemaVersion",
            "ErrorSchemaValidation",
            "ErrorInvalidRequest",
        ),
        *("ErrorInvalidSchemaVersionForMailboxVersion", "ErrorInvalidUserOofSettings"),
        *(
            "ErrorNameResolutionNoResults",
            "ErrorNameResolutionMultipleResults",
            "ErrorNameResolutionNoMailbox",
        ),
        # Of subscriptions, whose reader starts over whatever the cause.
        *(
            "ErrorSubscriptionNotFound",
            "ErrorExpiredSubscription",
            "ErrorInvalidSubscription",
            "ErrorInvalidWatermark",
        ),
        *("ErrorReadEventsFailed", "ErrorEventNotFound", "ErrorMissedNotificationEvents"),
        *("ErrorProxyRequestNotAllowed", "ErrorNewEventStreamConnectionOpened"),
    }
)
"""The same of EWS."""


def place_of(row: NumberRow) -> set[str]:
    """Reasons that the number leads to, over all flows."""
    return {found for where in Where if (found := reason_of_number(row.number, where=where)) is not None}


def test_every_number_of_the_references_has_a_reason_in_every_flow() -> None:
    numbers = {row.number for row in number_rows()} | named_numbers()
    assert len(numbers) > 150, "the table was not found in the reference"
    without = {
        (number, where.name)
        for number in numbers - NO_FAILURE
        for where in Where
        if reason_of_number(number, where=where) is None
    }
    assert not without


def test_no_number_has_two_places() -> None:
    listed = {number for reason in CATALOGUE.values() for number in reason.aadsts}
    assert not listed & NEIGHBOURS.keys()
    assert not NO_FAILURE & (listed | NEIGHBOURS.keys())


def test_what_only_the_vendor_can_mend_is_put_on_the_vendor() -> None:
    wrong = {
        (row.number, reason)
        for row in number_rows()
        if row.fixer == "V" and row.retry == "N"
        for reason in place_of(row)
        if get_reason(reason).fixer is not Fixer.VENDOR
    }
    assert not wrong


def test_what_only_microsoft_can_mend_is_waited_for() -> None:
    wrong = {
        (row.number, reason)
        for row in number_rows()
        if row.fixer == "MS" and row.retry == "B"
        for reason in place_of(row)
        if get_reason(reason).retry is not Retry.BACK_OFF
    }
    assert not wrong


def test_what_a_person_mends_is_not_put_on_the_vendor() -> None:
    wrong = {
        (row.number, reason)
        for row in number_rows()
        if row.fixer in {"U", "IT", "U/IT", "IT/U"} and row.number not in NO_FAILURE
        for reason in place_of(row)
        if get_reason(reason).fixer is Fixer.VENDOR and reason != "unknown"
    }
    # States of the device flow: a person would mend them, if we ever sent anybody there.
    assert {number for number, _ in wrong} == {70016, 70018, 70019, 70020}


def test_every_suberror_of_the_references_has_a_reason() -> None:
    found = suberrors()
    assert len(found) >= 10
    for suberror in found:
        for where in Where:
            reason = classify("invalid_grant", where=where, suberror=suberror)
            assert where in get_reason(reason).where
            if where is Where.HEALTH:
                assert reason not in {"unknown"}, suberror


def test_a_refused_refresh_names_what_the_reference_says_and_never_ends_by_a_passing_fault() -> None:
    for row in number_rows():
        body = parse_token_error(
            {
                "error": row.error.split(" ")[0].split("/")[0]
                if row.error[:1].isalpha()
                else "invalid_grant",
                "error_description": f"AADSTS{row.number}: words",
                "error_codes": [row.number],
            }
        )
        error = translate_token(400, body, where=Where.HEALTH)
        assert isinstance(error, OstiaryError)
        if row.retry == "B" and row.fixer == "MS":
            assert isinstance(error, Throttled | TemporarilyUnavailable), row


@pytest.mark.parametrize("code", ["ErrorNeverSeenBefore", "neverSeenBefore"])
def test_a_code_nobody_has_seen_is_judged_by_its_status(code: str) -> None:
    for translate in (translate_graph, translate_ews):
        assert isinstance(translate(400, code, {}), ProviderContractBroken)
        assert isinstance(translate_graph(503, code, {}), TemporarilyUnavailable)


def test_every_graph_error_of_the_reference_has_a_meaning() -> None:
    codes = graph_codes()
    assert len(codes) > 40
    for status, code in codes:
        error = translate_graph(status, code, {})
        assert not isinstance(error, ProviderContractBroken) or code in GRAPH_BUGS, (status, code)


def test_every_ews_error_of_the_reference_has_a_meaning() -> None:
    table = ews_codes()
    assert sum(len(codes) for codes in table.values()) > 50
    for kind, codes in table.items():
        for code in codes:
            error = translate_ews(200, code, {})
            assert not isinstance(error, ProviderContractBroken) or code in EWS_BUGS, (kind, code)
