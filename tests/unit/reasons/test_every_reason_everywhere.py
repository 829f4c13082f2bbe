"""One table: every reason has a page, words for the command line, a rule for retries, and a way to be brought about."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from m365_emulator.world.scenarios import SCENARIOS
from ostiary.core.connections.incident_mails import write_trouble
from ostiary.core.notices.model import Correspondent, Notice, NoticeKind, Text, Vendor
from ostiary.core.reasons.catalogue import CATALOGUE, get_reason
from ostiary.core.reasons.classify import classify, reason_of_number
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Reason, Retry, Where
from ostiary.entrypoints.cli.main import app

OURS = frozenset(
    {
        "link_expired",
        "tenant_pending",
        "tenant_taken",
        "already_approved",
        "already_connected",
        "no_licence",
        "mailbox_in_use",
        "frozen",
        "not_finished",
    }
)
"""Reasons that Microsoft has no part in: our own records bring them about, and tests of the flows do."""

VENDOR = Vendor("Larkspur", "help@larkspur.example", "Larkspur Software Ltd", True, "https://c.example", {})

REASONS = [pytest.param(reason, id=reason.id) for reason in CATALOGUE.values()]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_microsofts_has_a_scenario_of_the_emulator(reason: Reason) -> None:
    has_scenario = any(name.partition(".")[0] == reason.id for name in SCENARIOS)
    assert has_scenario != (reason.id in OURS)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_explained_on_the_command_line(reason: Reason) -> None:
    result = CliRunner().invoke(app, ["explain", reason.id, "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["reason"] == reason.id
    assert document["who_can_fix"]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_whole_page_wherever_it_can_appear(reason: Reason) -> None:
    for where in reason.where:
        said = explain(reason.id, where=where, values={})
        text = " ".join((said.headline, said.why, said.who_can_fix, *(each.label for each in said.actions)))
        assert not re.search(r"\{[a-z_]+\}", text), "a placeholder without words"


@pytest.mark.parametrize(
    "reason", [each for each in REASONS if Where.HEALTH in CATALOGUE[str(each.id)].where]
)
def test_every_reason_that_stops_a_connection_has_a_mail(reason: Reason) -> None:
    """What stops somebody who sits before a page is told there; only what happens meanwhile is told by mail."""
    for is_approval in ("yes", "no"):
        notice = Notice(
            id="not_1",
            kind=NoticeKind.TROUBLE,
            to=Correspondent("dana.okafor@harbourvale.example", "Dana Okafor"),
            created_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
            facts={"label": "tom.ellis@harbourvale.example", "reason": reason.id, "approval": is_approval},
            reference="CO-9D1M-7VHE",
        )
        message = write_trouble(notice, VENDOR, None)
        words = "\n".join(part.words for part in message.paragraphs if isinstance(part, Text))
        said = explain(reason.id, where=Where.HEALTH, values={"vendor": "Larkspur"})
        assert "Who can fix it: " in words
        assert said.headline.split("{")[0][:12] in words
        assert not re.search(r"\{[a-z_]+\}", words + message.subject), "a placeholder without words"


@pytest.mark.parametrize("reason", REASONS)
def test_what_waiting_mends_is_never_put_on_a_person(reason: Reason) -> None:
    if reason.retry is Retry.BACK_OFF:
        assert reason.fixer.value in {"microsoft", "nobody", "vendor"}


@pytest.mark.parametrize("where", list(Where))
@pytest.mark.parametrize(
    "error",
    [
        {"error": "never_seen_before"},
        {"error": None},
        {"error": "access_denied", "error_codes": (99999999,)},
        {"error": "never_seen_before", "error_codes": (99999999,), "suberror": "never_seen_before"},
    ],
)
def test_an_error_nobody_has_seen_degrades_to_unknown(where: Where, error: dict[str, object]) -> None:
    assert classify(where=where, **error) == "unknown"  # type: ignore[arg-type]
    assert explain("never_seen_before", where=where, values={"code": "AADSTS99999999"}).reason_id == "unknown"


@pytest.mark.parametrize("reason", REASONS)
def test_every_number_of_the_table_leads_to_its_reason_or_says_it_cannot_appear_there(reason: Reason) -> None:
    for number in reason.aadsts:
        for where in Where:
            found = reason_of_number(number, where=where)
            assert found is not None
            assert where in get_reason(found).where
