"""Broken SOAP gets a documented error, always: a short look in every run, a long one by `make fuzz-emulator`."""

from __future__ import annotations

import os

import pytest

from ews_conformance import find_check
from fuzz.soap_mutator import Report, run


def _explain(report: Report) -> str:
    return "\n".join([*report.failures[:10], str(report)])


async def test_broken_soap_gets_a_documented_error() -> None:
    report = await run(seed=20261124, requests=900, violations=find_check())
    assert report.failures == [], _explain(report)
    assert report.statuses[200] > 100, "too little was accepted for the mutations to mean anything"


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.skipif("FUZZ_SECONDS" not in os.environ, reason="a long run: `make fuzz-emulator`")
async def test_broken_soap_for_a_long_time() -> None:
    seconds = float(os.environ["FUZZ_SECONDS"])
    seed = int(os.environ.get("FUZZ_SEED", "1"))
    report = await run(seed=seed, seconds=seconds, violations=find_check())
    print(report)
    assert report.failures == [], _explain(report)
