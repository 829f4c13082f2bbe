"""``ostiary explain`` knows every reason and every number of the catalogue, and needs no settings for them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ostiary.core.reasons.catalogue import CATALOGUE
from ostiary.entrypoints.cli.main import app
from ostiary.entrypoints.cli.outcome import ExitCode

NUMBERS = sorted((number, reason.id) for reason in CATALOGUE.values() for number in reason.aadsts)


@pytest.mark.parametrize("reason_id", sorted(CATALOGUE))
def test_every_reason_is_explained(reason_id: str) -> None:
    ran = CliRunner().invoke(app, ["explain", reason_id, "--json"])
    assert ran.exit_code == ExitCode.DONE
    told = json.loads(ran.stdout)
    assert told["reason"] == reason_id
    assert told["title"]
    assert "{" not in ran.stdout.replace('{"', "")


@pytest.mark.parametrize(("number", "reason_id"), NUMBERS)
def test_every_number_leads_to_a_reason_that_names_it(number: int, reason_id: str) -> None:
    told = json.loads(CliRunner().invoke(app, ["explain", f"AADSTS{number}", "--json"]).stdout)
    assert number in CATALOGUE[told["reason"]].aadsts
    assert reason_id in {each.id for each in CATALOGUE.values() if number in each.aadsts}


def test_unknown_words_end_with_not_found_and_list_what_is_known() -> None:
    ran = CliRunner().invoke(app, ["explain", "no_such_thing"])
    assert ran.exit_code == ExitCode.NOT_FOUND
    assert "not_admin" in ran.stderr
