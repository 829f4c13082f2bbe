"""No secret is left anywhere: logs at DEBUG, database, pages, addresses, metrics, files, arguments (SR-43, FG-16)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from ostiary.core.audit.model import SYSTEM

from ..conftest import Emulator
from .canaries import Canaries, Hit, spellings
from .oracle import Oracle
from .people import CarefulBrowser, Crowd
from .processes import Served, environment

ROUNDS = int(os.environ.get("CANARY_ROUNDS", "1"))

FAULTS: tuple[dict[str, Any], ...] = (
    {"route": "POST */token", "status": 503, "probability": 0.15, "seed": 1},
    {"route": "POST */token", "garbage": True, "probability": 0.1, "seed": 2},
    {"route": "POST */token", "truncate_after_bytes": 200, "probability": 0.1, "seed": 3},
    {"route": "GET /v1.0/*", "status": 500, "probability": 0.15, "seed": 4},
    {"route": "GET /v1.0/*", "reset": True, "probability": 0.1, "seed": 5},
    {"route": "POST */token", "reset": True, "probability": 0.1, "seed": 6},
)
"""All of them at once: what is logged of a failure is where secrets slip out."""


@dataclass
class Seen:
    """What came out of the product towards people: pages and their addresses."""

    secrets: dict[str, set[str | bytes]] = field(default_factory=dict)
    pages: list[tuple[str, bytes]] = field(default_factory=list)

    def note(self, kind: str, value: str | bytes) -> None:
        self.secrets.setdefault(kind, set()).add(value)


class WatchedBrowser(CarefulBrowser):
    """Keeps every page of ours, with its address, and every cookie that it was given."""

    seen: Seen

    async def _request(self, method: str, url: str, **request: Any) -> httpx.Response:
        answer = await super()._request(method, url, **request)
        if url.startswith(self.site):
            for line in answer.headers.get_list("set-cookie"):
                value = line.partition("=")[2].partition(";")[0]
                if len(value) >= 16:
                    self.seen.note("cookie", value)
            if not answer.has_redirect_location:
                self.seen.pages.append((url, answer.content))
        return answer


@pytest_asyncio.fixture
async def worker_log(served: Served, tmp_path: Path) -> AsyncIterator[tuple[Path, list[bytes]]]:
    """A worker started as anybody starts it: its log, and its arguments as every user of the machine sees them."""
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ostiary", "worker",
            env=environment(served.settings), stdout=output, stderr=output,
        )  # fmt: skip
    arguments = [Path(f"/proc/{process.pid}/cmdline").read_bytes()]
    yield log, arguments
    process.terminate()
    await process.wait()


@pytest.fixture
def faults(running_emulator: Emulator) -> Iterator[None]:
    for fault in FAULTS:
        running_emulator.control("POST", "/faults", fault)
    yield
    running_emulator.control("DELETE", "/faults")


async def live_a_day(crowd: Crowd, served: Served, oracle: Oracle, seen: Seen) -> None:
    """Every flow once, whatever fails on the way."""

    def browser() -> WatchedBrowser:
        opened = WatchedBrowser(crowd.client, crowd.site)
        opened.seen = seen
        return opened

    with contextlib.suppress(AssertionError, httpx.HTTPError, KeyError, IndexError):
        customer = await crowd.customer()
        link = await crowd.approval_link(customer)
        seen.note("approval link", link.rpartition("/")[2])
        await crowd.go_and_approve(browser(), link, customer)
    for path in ("/admin-consent/l/" + "w" * 43, "/connect/s/" + "w" * 43, "/admin-consent", "/connect/lost"):
        await browser().open(path)
    customer = await crowd.customer(approved=True)
    for _ in range(4):
        with contextlib.suppress(AssertionError, httpx.HTTPError, KeyError, IndexError):
            session_id, link = await crowd.connect_link(customer)
            seen.note("connect session", link.rpartition("/")[2])
            page = await crowd.go_and_connect(browser(), link, customer)
            if "completion_code=" in page.url:
                seen.note("completion code", page.url.partition("completion_code=")[2])
            connection_id = (await crowd.confirm(page)).json()["id"]
            for number in range(6):
                if number % 2:
                    # The next call has to refresh.
                    await oracle.change("DELETE FROM access_tokens WHERE connection_id = :c", c=connection_id)
                await crowd.read_mail(connection_id)
                await crowd.api.get(f"/v1/connections/{connection_id}/messages", params={"folder": "inbox"})
            for act in ("check", "pause", "resume", "disconnect"):
                await crowd.api.post(f"/v1/connections/{connection_id}/{act}")
            await crowd.api.post(
                f"/v1/connect-sessions/{session_id}/confirm", json={"completion_code": "w" * 43}
            )
            break
    await crowd.api.get("/v1/connections", headers={"Authorization": "Bearer " + "w" * 60})
    _, secret = await crowd.services.access.create_operator_link(name="Sam", actor=SYSTEM)
    seen.note("console link", secret.reveal())
    operator = browser()
    page = await operator.open(f"/console/link/{secret.reveal()}")
    with contextlib.suppress(AssertionError):
        page = await operator.press(page, "Sign in")
    for path in ("/console", "/console/connections", "/console/audit", "/console/operator"):
        await operator.open(path)
    await served.run("connections", "list")
    await served.run("audit", "verify")


async def dump_of(oracle: Oracle) -> bytes:
    """Every row of every table as text; what is binary comes in hexadecimal."""
    rows: list[str] = []
    async with oracle.engine.connect() as connection:
        tables = await connection.scalars(
            text("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
        )
        for table in tables:
            found = await connection.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            rows += [row[0] for row in found]
    return "\n".join(rows).encode()


def keys_in(path: Path) -> set[bytes]:
    """Key material of the key file."""
    found: set[bytes] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)
        elif isinstance(value, str) and len(value) >= 43:
            with contextlib.suppress(ValueError):
                found.add(base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_"))

    walk(json.loads(path.read_text()))
    return {key for key in found if len(key) >= 32}


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("faults")
async def test_no_secret_is_found_in_anything_that_a_day_leaves(
    crowd: Crowd, served: Served, oracle: Oracle, worker_log: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    known = {kind: set(values) for kind, values in oracle.tap.secrets.items()}
    seen = Seen()
    for _ in range(ROUNDS):
        await live_a_day(crowd, served, oracle, seen)
    for kind, values in oracle.tap.secrets.items():
        for value in values - known.get(kind, set()):
            seen.note(kind, value)
    settings = served.settings
    assert settings.app_secret is not None
    assert settings.metrics_token is not None
    assert settings.database_url is not None
    seen.note("client secret", settings.app_secret.get_secret_value())
    seen.note("metrics token", settings.metrics_token.get_secret_value())
    seen.note("database password", settings.database_url.get_secret_value().split(":")[2].partition("@")[0])
    seen.note("API key", crowd.api.headers["Authorization"].removeprefix("Bearer "))
    for key in keys_in(settings.data_dir / "keys.json"):
        seen.note("key of the key file", key)
    kinds = {
        "access_token", "refresh_token", "id_token", "code", "code_verifier", "state", "cookie", "approval link",
        "connect session", "completion code", "console link", "client secret", "metrics token",
        "database password", "API key", "key of the key file",
    }  # fmt: skip
    assert kinds <= set(seen.secrets), f"not planted: {kinds - set(seen.secrets)}"
    canaries = Canaries(seen.secrets)

    log, arguments = worker_log
    token = settings.metrics_token.get_secret_value()
    metrics = await crowd.client.get(f"{crowd.site}/metrics", headers={"Authorization": f"Bearer {token}"})
    assert metrics.status_code == 200
    hits: list[Hit] = [
        *canaries.in_folder(served.home),
        *canaries.in_folder(settings.data_dir, but=["keys.json"]),
        *canaries.in_folder(oracle.database_folder),
        *canaries.in_text(await dump_of(oracle), "database dump"),
        *canaries.in_text(log.read_bytes(), "worker log"),
        *canaries.in_text(metrics.content, "metrics"),
        *(hit for each in arguments for hit in canaries.in_text(each, "process arguments")),
        *(hit for url, content in seen.pages for hit in canaries.in_text(content, f"page {url}")),
        *(hit for url, _ in seen.pages for hit in canaries.in_text(url.encode(), f"address {url}")),
    ]
    print(
        f"\nFG-16: {len(hits)} hits of {canaries.count} secrets of {len(seen.secrets)} kinds; {len(seen.pages)} pages,"
        f" {served.log_file.stat().st_size + log.stat().st_size} bytes of log at DEBUG"
    )
    assert hits == []


def test_the_scanner_finds_what_is_there_in_every_spelling(tmp_path: Path) -> None:
    secret = b"canary-7Hq2mZ9xKfWvTb4N+/=&8sLpQr"
    canaries = Canaries({"canary": [secret]})
    assert list(canaries.in_text(b"nothing to see: " + secret[:-1], "clean")) == []
    for before in range(4):
        planted = b"x" * before + secret + b"yz"
        for name, content in {
            "raw": planted,
            "hex": planted.hex().encode(),
            "base64": base64.b64encode(planted),
            "base64url": base64.urlsafe_b64encode(planted),
            "percent": spellings(planted)["percent"],
        }.items():
            (tmp_path / "artefact").write_bytes(b'{"event": "' + content + b'"}')
            hits = list(canaries.in_folder(tmp_path))
            assert hits, f"{name}, {before} bytes before it"
            assert any(hit.spelling.lower().startswith(name.partition("64")[0]) for hit in hits)
