"""MSAL for Node, unmodified, at the emulator's own address and under Microsoft's host names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from browsing import Browser, query_of
from m365_emulator.pytest_plugin import RunningEmulator
from sample import (
    BACKGROUND_ID,
    BACKGROUND_SECRET,
    CLIENT_ID,
    CLIENT_SECRET,
    EWS,
    GRAPH_SCOPE,
    HARBOUR,
    REDIRECT_URI,
    TOM,
    App,
    claims_of,
)

FOLDER = Path(__file__).parent / "node"
NODE = shutil.which("node")
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules").is_dir(), reason="npm ci has not run in tests/clients/node"
    ),
]


@pytest.fixture(params=["own origin", "stand-in"])
def environment(request: pytest.FixtureRequest, m365_emulator: RunningEmulator) -> dict[str, str]:
    """Environment of the Node program."""
    if request.param == "own origin":
        return {**os.environ, "LOGIN": m365_emulator.https_url, "NODE_EXTRA_CA_CERTS": m365_emulator.ca}
    return {
        **os.environ,
        **m365_emulator.stand_in_environment(),
        "LOGIN": "https://login.microsoftonline.com",
    }


def run(environment: dict[str, str], mode: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [NODE or "node", "msal.mjs", mode],
        cwd=FOLDER,
        env={**environment, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_client_credentials(environment: dict[str, str]) -> None:
    with run(
        environment,
        "client-credentials",
        CLIENT_ID=BACKGROUND_ID,
        CLIENT_SECRET=BACKGROUND_SECRET,
        TENANT=HARBOUR,
    ) as node:
        out, err = node.communicate(timeout=30)

    assert out, err
    result = json.loads(out)
    assert "Mail.ReadWrite" in claims_of(result["accessToken"])["roles"]
    assert result["secondFromCache"] is True


def test_code_with_pkce_then_silent_and_another_resource(
    browser: Browser, app: App, environment: dict[str, str]
) -> None:
    app.approve(browser, scope=f"{GRAPH_SCOPE} {EWS}")
    with run(
        environment,
        "code",
        CLIENT_ID=CLIENT_ID,
        CLIENT_SECRET=CLIENT_SECRET,
        TENANT=HARBOUR,
        REDIRECT_URI=REDIRECT_URI,
        SCOPES="User.Read Mail.ReadWrite",
        OTHER_SCOPE=EWS,
    ) as node:
        assert node.stdout is not None
        line = node.stdout.readline()
        if not line:
            pytest.fail(node.communicate(timeout=10)[1])
        url = json.loads(line)["url"]
        page = browser.sign_in(browser.open("/" + url.split("/", 3)[3]), TOM)
        out, err = node.communicate(json.dumps(query_of(page.url)) + "\n", timeout=30)

    assert out, err
    result = json.loads(out)
    assert result["tenant"] == HARBOUR
    assert result["account"].endswith(HARBOUR)
    assert result["nonce"] == "node-nonce"
    assert result["silentFromCache"] is True
    assert claims_of(result["otherToken"])["aud"] == "https://outlook.office365.com"
