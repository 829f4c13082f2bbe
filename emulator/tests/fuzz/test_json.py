"""The JSON side under schemathesis: documented errors only. A short look always, a long one by `make fuzz-emulator`."""

from __future__ import annotations

import os

import pytest

from fuzz.api_fuzzer import Fuzzer, Report
from m365_emulator.openapi import SIDES, document
from m365_emulator.pytest_plugin import RunningEmulator
from sample import HTTP


def _explain(report: Report) -> str:
    return "\n".join([*report.failures[:10], str(report)])


def test_the_description_is_served_and_names_every_side(m365_emulator: RunningEmulator) -> None:
    served = HTTP.get(f"{m365_emulator.http_url}/control/openapi.json").json()
    assert served == document()
    assert {"/v1.0/me/messages", "/v1.0/users/{user}/messages", "/{tenant}/oauth2/v2.0/token"} <= set(
        served["paths"]
    )
    assert {tag for item in served["paths"].values() for one in item.values() for tag in one["tags"]} == set(
        SIDES
    )


@pytest.mark.parametrize("side", SIDES)
def test_whatever_is_sent_gets_a_documented_answer(m365_emulator: RunningEmulator, side: str) -> None:
    report = Fuzzer(m365_emulator, side, seed=20261124).run(rounds=1, examples=3)
    assert report.failures == [], _explain(report)
    assert report.statuses[200] > 20, "too little was accepted for the rest to mean anything"


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.skipif("FUZZ_SECONDS" not in os.environ, reason="a long run: `make fuzz-emulator`")
@pytest.mark.parametrize("side", SIDES)
def test_whatever_is_sent_for_a_long_time_gets_a_documented_answer(
    m365_emulator: RunningEmulator, side: str
) -> None:
    seconds, seed = float(os.environ["FUZZ_SECONDS"]), int(os.environ.get("FUZZ_SEED", "1"))
    report = Fuzzer(m365_emulator, side, seed).run(seconds=seconds / len(SIDES), examples=25)
    print(report)
    assert report.failures == [], _explain(report)
