"""The ways in beside plain HTTP: stand-in proxy, SMTP, the command itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from m365_emulator.pytest_plugin import RunningEmulator
from sample import BACKGROUND_ID, BACKGROUND_SECRET, HARBOUR, TOM

COMMAND = str(Path(sys.executable).with_name("m365-emulator"))


def test_proxy_takes_known_hosts_to_us_and_refuses_others(m365_emulator: RunningEmulator) -> None:
    proxy = m365_emulator.stand_in_environment()["HTTPS_PROXY"]

    trust = ssl.create_default_context(cafile=m365_emulator.ca)
    with httpx.Client(proxy=proxy, verify=trust, trust_env=False, timeout=10) as client:
        document = client.get(
            "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
        ).json()
        assert document["token_endpoint"] == "https://login.microsoftonline.com/common/oauth2/v2.0/token"
        assert document["userinfo_endpoint"] == "https://graph.microsoft.com/oidc/userinfo"
        assert client.get("https://graph.microsoft.com/v1.0/me").status_code == 401
        assert client.get("https://autodiscover.harbourvale.example/").status_code == 200
        with pytest.raises(httpx.ProxyError, match="403"):
            client.get("https://example.org/")


def test_proxy_survives_nonsense(m365_emulator: RunningEmulator) -> None:
    host, port = m365_emulator.stand_in_environment()["HTTPS_PROXY"].removeprefix("http://").split(":")
    for nonsense in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"CONNECT\r\n\r\n",
        b"CONNECT :443 HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(nonsense)
            assert connection.recv(100).split(b" ")[1] in (b"403", b"405")


def test_mail_by_smtp_arrives_and_strangers_are_refused(m365_emulator: RunningEmulator) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "someone@elsewhere.example", TOM, "By SMTP"
    message.set_content("first line\n.a line that begins with a dot\n")

    with smtplib.SMTP("127.0.0.1", m365_emulator.smtp_port, timeout=10) as client:
        client.send_message(message)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.send_message(message, to_addrs=["nobody@nowhere.example"])
        assert client.docmd("EXPN", "all")[0] == 502
        assert client.docmd("DATA")[0] == 503

    mailbox = m365_emulator.world.find_mailbox(TOM)
    assert mailbox is not None
    arrived = mailbox.all_mail()
    found = next(item for item in arrived if item.subject == "By SMTP")
    assert "\n.a line" in found.body.content.replace("\r\n", "\n")
    assert found.folder.well_known == "inbox"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A served emulator in a process of its own, with a data file."""
    (tmp_path / "secret").write_text("from-a-file\n")
    arguments = ["serve", "--http-port", "0", "--https-port", "0", "--messages", "3"]
    arguments += ["--data", str(tmp_path / "world"), "--home", str(tmp_path / "home")]
    arguments += [
        "--redirect-uri",
        "https://app.example/return",
        "--client-secret-file",
        str(tmp_path / "secret"),
    ]
    with subprocess.Popen([COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = ""
        while not line.startswith("ready "):
            line = process.stdout.readline()
            assert line, "the emulator ended before it was ready"
        _, http_url, https_url = line.split()
        yield process, http_url, https_url
        process.kill()


def test_serve_prints_where_it_is_and_keeps_its_data(
    served: tuple[subprocess.Popen[str], str, str], tmp_path: Path
) -> None:
    process, http_url, https_url = served
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", http_url)
    assert re.fullmatch(r"https://localhost:\d+", https_url)
    env = {**os.environ, "M365_EMULATOR_URL": http_url}

    def command(*arguments: str) -> str:
        done = subprocess.run(
            [COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    assert "app_disabled" in command("scenario", "list")
    command("scenario", "set", "harbourvale.example", "ews_off")
    command("faults", "add", "--route", "GET /nowhere", "--status", "500")
    assert "/nowhere" in command("faults", "list")
    command("clock", "--advance", "90d")
    command("snapshot", "take", "one")
    assert "one" in command("snapshot", "list")
    with urllib.request.urlopen(f"{http_url}/common/v2.0/.well-known/openid-configuration", timeout=10):
        pass
    assert "openid-configuration" in command("log")

    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert (tmp_path / "world").exists()


def test_data_of_another_version_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "world").write_bytes(b"m365-emulator world of long ago")
    arguments = [COMMAND, "serve", "--http-port", "0", "--https-port", "0", "--data", str(tmp_path / "world")]

    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("ca ")
        assert process.stdout.readline().startswith("ready ")
        process.send_signal(signal.SIGINT)
        complaint = process.stderr.read()

    assert "kept as world.old" in complaint
    assert (tmp_path / "world.old").read_bytes() == b"m365-emulator world of long ago"
    assert process.returncode == 0


def test_run_gives_a_program_the_emulator_and_ends_with_its_code(tmp_path: Path) -> None:
    program = (
        "import msal, sys\n"
        f"app = msal.ConfidentialClientApplication('{BACKGROUND_ID}', client_credential='{BACKGROUND_SECRET}',"
        f" authority='https://login.microsoftonline.com/{HARBOUR}')\n"
        "sys.exit(7 if 'access_token' in app.acquire_token_for_client(['https://graph.microsoft.com/.default']) else 1)"
    )
    arguments = [COMMAND, "run", "--home", str(tmp_path), "--", sys.executable, "-c", program]

    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 7, done.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_run_takes_fetch_and_https_of_any_node_there_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "earlier.cjs").write_text("process.env.EARLIER = 'kept';")
    program = """
        const https = require("node:https");
        const get = (url) => new Promise((done, failed) =>
          https.get(url, (answer) => done(answer.resume().statusCode)).once("error", failed));
        (async () => {
          const url = "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration";
          const document = await (await fetch(url)).json();
          const here = await fetch(process.env.M365_EMULATOR_URL + "/healthz");
          const elsewhere = await fetch("https://example.org/").then(() => "reached", () => "refused");
          const old = await get("https://graph.microsoft.com/v1.0/me");
          const oldElsewhere = await get("https://example.org/").then(() => "reached", () => "refused");
          console.log([document.token_endpoint, here.status, elsewhere, old, oldElsewhere, process.env.EARLIER].join());
        })();
    """
    arguments = [COMMAND, "run", "--home", str(tmp_path), "--", "node", "-e", program]
    environment = {**os.environ, "NODE_OPTIONS": f"--require {tmp_path / 'earlier.cjs'}"}

    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.strip().split(",") == [
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "200",
        "refused",
        "401",
        "refused",
        "kept",
    ], done.stderr


def test_serve_refuses_addresses_that_others_can_reach(tmp_path: Path) -> None:
    arguments = [COMMAND, "serve", "--host", "0.0.0.0", "--home", str(tmp_path)]

    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert "--i-know-this-is-a-fake-sign-in" in done.stderr
