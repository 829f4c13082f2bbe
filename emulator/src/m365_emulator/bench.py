"""`python -m m365_emulator.bench`: what the emulator itself costs. Needs Linux, whose /proc tells CPU time and memory.

Prints one line for each target: the figure, the target, and whether it is met. Ends with 1 when one is missed.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

PEOPLE = 50
MESSAGES = 1_000
ROUNDS = 200
START_SECONDS = 60
CLIENT_ID = "11111111-2222-4333-8444-555555555555"
_SELECT = "id,subject,from,toRecipients,receivedDateTime,isRead,hasAttachments,bodyPreview"
_SEED = f"""
tenants:
  - name: Bench
    domains: [bench.example]
    people: [{", ".join(f"{{name: Person {n}, address: p{n}@bench.example}}" for n in range(PEOPLE))}]
apps:
  - name: Bench
    client_id: {CLIENT_ID}
    home: bench.example
    secrets: [bench-secret]
    application: {{graph: [Mail.Read], exchange: [full_access_as_app]}}
    approved_in: [bench.example]
"""
_FIND_ITEM = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
 xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header>
<t:RequestServerVersion Version="Exchange2016"/><t:ExchangeImpersonation><t:ConnectingSID>
<t:PrimarySmtpAddress>p0@bench.example</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header>
<s:Body><m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>
<m:IndexedPageItemView MaxEntriesReturned="100" Offset="0" BasePoint="Beginning"/><m:ParentFolderIds>
<t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem></s:Body></s:Envelope>"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its target."""

    name: str
    value: float
    unit: str
    target: float | None

    @property
    def is_met(self) -> bool:
        """True when the value is below the target, or there is none."""
        return self.target is None or self.value < self.target

    def line(self) -> str:
        """Return the printed line."""
        aim = (
            ""
            if self.target is None
            else f"  target < {self.target:g} {self.unit}  {'ok' if self.is_met else 'MISSED'}"
        )
        return f"{self.name:<52} {self.value:8.2f} {self.unit}{aim}"


class Served:
    """An emulator in a process of its own."""

    def __init__(self, folder: Path) -> None:
        seed = folder / "seed.yaml"
        seed.write_text(_SEED)
        started = time.perf_counter()
        arguments = ["serve", "--http-port", "0", "--https-port", "0", "--home", str(folder)]
        arguments += ["--seed", str(seed), "--messages", str(MESSAGES)]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-c", "from m365_emulator.cli import main; main()", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = ""
        while not line.startswith("ready "):
            line = self._process.stdout.readline()
            if not line:
                raise SystemExit("The emulator ended before it was ready.")
        self.ready_seconds = time.perf_counter() - started
        self._connection = http.client.HTTPConnection(urlsplit(line.split()[1]).netloc, timeout=START_SECONDS)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> bytes:
        """Send one request and return the body; anything but 200 ends the program."""
        self._connection.request(
            method, path, body, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content

    def cpu_seconds(self) -> float:
        """Return the CPU time the process has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Return the resident memory."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1_048_576

    def cpu_ms(self, ask: Callable[[], object], rounds: int = ROUNDS) -> float:
        """Return the server's CPU time for one call of `ask`, after a first one."""
        ask()
        before = self.cpu_seconds()
        for _ in range(rounds):
            ask()
        return (self.cpu_seconds() - before) * 1000 / rounds

    def stop(self) -> float:
        """Stop the process and return how long that took."""
        started = time.perf_counter()
        self._connection.close()
        self._process.terminate()
        self._process.wait(START_SECONDS)
        return time.perf_counter() - started


def _token(server: Served, scope: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": "bench-secret",
        "scope": scope,
    }
    body = server.ask(
        "POST",
        "/bench.example/oauth2/v2.0/token",
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
    )
    return str(json.loads(body)["access_token"])


def measure(folder: Path) -> list[Figure]:
    """Start an emulator twice (the first time makes its keys) and measure the second one."""
    first = Served(folder)
    first_ready = first.ready_seconds
    first.stop()
    server = Served(folder)
    figures = [
        Figure("ready, with new keys and certificates", first_ready, "s", None),
        Figure("ready", server.ready_seconds, "s", 1.5),
    ]
    graph_scope = "https://graph.microsoft.com/.default"
    figures.append(Figure("CPU until ready", server.cpu_seconds(), "s", 1.5))
    figures.append(Figure("CPU of a token", server.cpu_ms(lambda: _token(server, graph_scope)), "ms", 3))
    bearer = f"Bearer {_token(server, graph_scope)}"
    for number in range(PEOPLE):
        server.ask("GET", f"/v1.0/users/p{number}@bench.example/messages?$top=1", authorization=bearer)
    figures.append(
        Figure(f"memory of {PEOPLE} mailboxes of {MESSAGES:,} messages", server.megabytes(), "MB", 400)
    )
    page = f"/v1.0/users/p0@bench.example/messages?$top=100&$select={_SELECT}"
    figures.append(
        Figure(
            "CPU of a Graph page of 100 messages, 8 fields",
            server.cpu_ms(lambda: server.ask("GET", page, authorization=bearer)),
            "ms",
            5,
        )
    )
    ews = f"Bearer {_token(server, 'https://outlook.office365.com/.default')}"
    figures.append(
        Figure(
            "CPU of an EWS FindItem page of 100 items",
            server.cpu_ms(
                lambda: server.ask(
                    "POST", "/EWS/Exchange.asmx", _FIND_ITEM, authorization=ews, content_type="text/xml"
                )
            ),
            "ms",
            None,
        )
    )
    figures.append(Figure("stopped", server.stop(), "s", 3))
    return figures


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    for figure in figures:
        print(figure.line())  # noqa: T201 - the program's answer
    raise SystemExit(0 if all(figure.is_met for figure in figures) else 1)


if __name__ == "__main__":
    main()
