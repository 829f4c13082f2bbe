"""@microsoft/microsoft-graph-client, unmodified, at the emulator's own address and under Microsoft's host names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph_conformance import conforming_answers
from m365_emulator.entra.tokens import issue_access_token
from m365_emulator.pytest_plugin import RunningEmulator
from sample import BACKGROUND_ID, DANA, TOM

FOLDER = Path(__file__).parent / "node"
NODE = shutil.which("node") or ""
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not NODE, reason="node is not installed"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules").is_dir(), reason="npm ci has not run in tests/clients/node"
    ),
]


@pytest.fixture(autouse=True)
def conformance(m365_emulator: RunningEmulator, tmp_path: Path) -> Iterator[None]:
    """Check every answer of Graph against Microsoft's metadata."""
    with conforming_answers(m365_emulator.world, tmp_path / "exchanges.jsonl"):
        yield


@pytest.mark.parametrize("way_in", ["own origin", "stand-in"])
def test_reads_writes_follows_and_batches(m365_emulator: RunningEmulator, way_in: str) -> None:
    world = m365_emulator.world
    tom, dana = world.find_mailbox(TOM), world.find_mailbox(DANA)
    assert tom is not None
    assert dana is not None
    token, _ = issue_access_token(
        world,
        tenant=tom.owner.tenant,  # type: ignore[attr-defined]
        app=world.apps[BACKGROUND_ID],
        audience="https://graph.microsoft.com",
        authentication="1",
        roles=["Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite"],
    )
    environment = {**os.environ, "TOKEN": token, "PERSON": TOM, "OTHER": DANA}
    if way_in == "own origin":
        environment |= {"GRAPH": m365_emulator.https_url, "NODE_EXTRA_CA_CERTS": m365_emulator.ca}
    else:
        environment |= m365_emulator.stand_in_environment()
    ran = subprocess.run(
        [NODE, "graph.mjs"],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    inbox = tom.well_known("inbox").total_count
    assert found == {
        "count": inbox,
        "seen": inbox,
        "mime": True,
        "immutable": True,
        "changed": [True],
        "starts": ["2027-03-22T10:00", "2027-03-29T10:00"],
        "batch": [200, 200],
        "error": [400, "ErrorInvalidIdMalformed"],
    }
    assert dana.all_mail()[0].subject == "From JavaScript, again"
