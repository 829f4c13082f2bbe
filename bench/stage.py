"""What every measurement stands on: PostgreSQL with default durability, the emulator, and an instance's settings.

Each is a process of its own, on the loopback, on free ports, and gone at the end.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import httpx
from pydantic import SecretStr

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.migrate import upgrade
from ostiary.bootstrap import Services, application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.announcing import announce
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.token_rules import refresh_token_context
from ostiary.core.consent.permissions import PERMISSIONS, token_scopes
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.tenants.model import BindingState, Tenant
from ostiary.entrypoints.cli.demo.browser import Browser
from ostiary.logs import configure_logging
from ostiary.settings import Profile, Settings

CLIENT_ID: Final = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
TENANT_ID: Final = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
DOMAIN: Final = "harbourvale.example"
ORGANIZATION_ID: Final = "org_bench"
_RETURN_URL: Final = "http://localhost/bench/returned"
_READY_SECONDS: Final = 120

_SEED: Final = """
tenants:
  - name: Larkspur Software
    domains: [larkspur.example]
    people: [{{name: Vik, address: vik@larkspur.example}}]
  - name: Harbour & Vale
    id: {tenant}
    domains: [{domain}]
    people: [{people}]
apps:
  - client_id: {client}
    name: Larkspur for Microsoft 365
    home: larkspur.example
    publisher: {{name: Larkspur Software Ltd, domain: larkspur.example, verified: true}}
    redirect_uris: [{returned}]
    delegated:
      graph: [openid, profile, email, offline_access, User.Read, Mail.ReadWrite, Mail.Send, Calendars.ReadWrite,
              MailboxSettings.Read]
      exchange: [EWS.AccessAsUser.All]
"""


def address_of(number: int) -> str:
    """Return the address of one of the emulated people."""
    return f"p{number}@{DOMAIN}"


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a person's sign-in at the emulator gave."""

    access_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Addresses and settings of one measurement."""

    folder: Path
    emulator_url: str
    emulator_pid: int
    owner_url: str
    settings: Settings

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Steer the emulator."""
        answer = httpx.request(
            method, f"{self.emulator_url}/control{path}", json=body or {}, timeout=600, trust_env=False
        )
        answer.raise_for_status()
        return answer.json()

    async def sign_in(self, address: str, method: AccessMethod) -> SignIn:
        """Sign a person in for one resource, as a browser and the vendor's server would."""
        asked = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "redirect_uri": _RETURN_URL,
            "scope": " ".join(token_scopes(method)),
            "state": "s",
            "nonce": "n",
            "login_hint": address,
        }
        async with Browser(secure_origins=[self.emulator_url]) as browser:
            browser._stop_at = _RETURN_URL
            code = ""
            url = f"{self.emulator_url}/{TENANT_ID}/oauth2/v2.0/authorize?{urlencode(asked)}"
            try:
                await browser.open(url)
                if address in browser.page.text and "Sign in" not in browser.page.buttons:
                    await browser.press(address)
                await browser.press("Sign in")
            except Exception as stopped:
                code = parse_qs(urlsplit(str(stopped)).query).get("code", [""])[0]
                if not code:
                    raise
        form = {
            "client_id": CLIENT_ID,
            "client_secret": _secret(self.settings),
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": _RETURN_URL,
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.emulator_url}/{TENANT_ID}/oauth2/v2.0/token", data=form) as answer,
        ):
            tokens = await answer.json()
        return SignIn(tokens["access_token"], tokens["refresh_token"])

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the settings as a process of the product reads them."""
        values = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
        for name, value in self.settings.model_dump(exclude_none=True, exclude_unset=True).items():
            shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
            text = ",".join(map(str, shown)) if isinstance(shown, tuple) else str(shown)
            values[f"OSTIARY_{name.upper()}"] = text
        return values | changes


@contextmanager
def stage(*, people: int = 1, messages: int = 0) -> Iterator[Stage]:
    """Start everything.

    Args:
        people: Mailboxes there are.
        messages: In each mailbox, made when it is first opened.
    """
    configure_logging(level="ERROR", log_format="text")
    # What a measurement does itself may reach everything, as a worker does.
    declare(instance_wide(Duty.WORKER))
    folder = Path(tempfile.mkdtemp(prefix="ostiary-bench-"))
    try:
        with EmbeddedServer.start(folder / "data") as server, _emulator(folder, people, messages) as emulator:
            upgrade(server.url)
            url, process_id, secret = emulator
            yield Stage(
                folder, url, process_id, server.url, _settings(folder, server.service_url, url, secret)
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _emulator(folder: Path, people: int, messages: int) -> Iterator[tuple[str, int, str]]:
    listed = ", ".join(f"{{name: Person {n}, address: {address_of(n)}}}" for n in range(people))
    seed = folder / "seed.yaml"
    seed.write_text(
        _SEED.format(tenant=TENANT_ID, domain=DOMAIN, people=listed, client=CLIENT_ID, returned=_RETURN_URL)
    )
    secret_file = folder / "secret"
    secret_file.write_text(secrets.token_urlsafe(24))
    command = [str(Path(sys.executable).parent / "m365-emulator"), "serve"]
    command += ["--http-port", "0", "--https-port", "0", "--seed", str(seed), "--home", str(folder / "home")]
    command += ["--messages", str(messages), "--client-secret-file", str(secret_file)]
    log = (folder / "emulator.log").open("w+")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "ready":
                url = rest.split()[0]
                _prepare(url)
                yield url, process.pid, secret_file.read_text()
                return
        log.seek(0)
        raise RuntimeError(f"the emulator did not start: {log.read()}")
    finally:
        end(process)
        log.close()


def _prepare(url: str) -> None:
    """Approve the app in the tenant; lift the budget of calls, which several rounds would use up."""
    with httpx.Client(base_url=f"{url}/control", trust_env=False, timeout=60) as control:
        control.post(f"/tenants/{DOMAIN}/grants", json={"app_id": CLIENT_ID}).raise_for_status()
        control.patch("/services/graph", json={"requests": 10_000_000}).raise_for_status()
        allowed = {"ews_enabled": True, "ews_allowed_app_ids": [CLIENT_ID]}
        control.patch(f"/tenants/{DOMAIN}/policies", json=allowed).raise_for_status()


def _settings(folder: Path, database_url: str, emulator_url: str, secret: str) -> Settings:
    port = free_port()
    return Settings(
        profile=Profile.DEVELOPMENT,
        data_dir=folder / "data",
        database_url=SecretStr(database_url),
        host="127.0.0.1",
        port=port,
        public_url=f"http://localhost:{port}",
        vendor_name="Larkspur",
        vendor_app_name="Larkspur for Microsoft 365",
        vendor_publisher="Larkspur Software Ltd",
        vendor_help_email="help@larkspur.example",
        vendor_data_kept="Ids and headers of messages.",
        app_client_id=CLIENT_ID,
        app_secret=SecretStr(secret),
        allow_client_secret=True,
        login_url=emulator_url,
        graph_url=emulator_url,
        ews_url=f"{emulator_url}/EWS/Exchange.asmx",
        log_level="ERROR",
        workers_inside=False,
        webhook_private_destinations=True,
        # Several rounds over one mailbox are more than Microsoft's budget for it; only this one limit is lifted.
        mailbox_calls_per_10_minutes=1_000_000,
    )


def _secret(settings: Settings) -> str:
    assert settings.app_secret is not None
    return settings.app_secret.get_secret_value()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end(process: subprocess.Popen[Any], seconds: float = 20) -> None:
    """Stop a process we started."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


async def add_organization(services: Services) -> None:
    """Harbour & Vale, with its tenant bound."""
    now = services.clock.now()
    async with services.transactions() as tx:
        await tx.organizations.add(Organization(ORGANIZATION_ID, "hv", "Harbour & Vale", now))
        await tx.tenants.add(
            Tenant(
                id="ten_bench",
                cloud="global",
                tenant_id=TENANT_ID,
                organization_id=ORGANIZATION_ID,
                binding=BindingState.BOUND,
                bound_how="verified_domain",
                display_name="Harbour & Vale",
                domains=(DOMAIN,),
                created_at=now,
                bound_at=now,
            )
        )


async def connect(services: Services, place: Stage, number: int, method: AccessMethod) -> Connection:
    """Connect one person's mailbox: a real sign-in at the emulator, stored as the product stores it."""
    address, now = address_of(number), services.clock.now()
    signed_in = await place.sign_in(address, method)
    member_id = f"mem_{number}"
    unconfirmed = Connection(
        id=new_id("con", services.entropy),
        organization_id=ORGANIZATION_ID,
        member_id=member_id,
        cloud="global",
        tenant_id=TENANT_ID,
        object_id=place.control("GET", f"/users/{address}")["oid"],
        method=method,
        registration_id="main",
        mail=True,
        calendar=True,
        status=ConnectionStatus.UNCONFIRMED,
        reference=f"CX-{number:04}",
        address=address,
        display_name=f"Person {number}",
        created_at=now,
        changed_at=now,
        granted_scopes=tuple(permission.scope for permission in PERMISSIONS[method]),
        token_version=1,
    )
    connection = replace(unconfirmed, status=ConnectionStatus.CONNECTED, connected_at=now)
    sealed = await services.vault.seal(Secret(signed_in.refresh_token), refresh_token_context(unconfirmed, 1))
    member = Member(
        member_id, ORGANIZATION_ID, f"u{number}", address, f"Person {number}", MemberRole.MEMBER, True, now
    )
    async with services.transactions() as tx:
        await tx.members.add(member)
        await tx.connections.add(connection)
        await tx.refresh_tokens.put(connection.id, sealed, version=1, at=now)
        await announce(tx.feed, unconfirmed, connection)
    return connection


@asynccontextmanager
async def opened(place: Stage, **changes: Any) -> AsyncIterator[Services]:
    """The product's services in this process, as its own processes open them."""
    async with application(place.settings.model_copy(update=changes)) as services:
        yield services


@contextmanager
def product(place: Stage, *arguments: str, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the product in a process of its own."""
    log = (place.folder / f"{arguments[0]}.log").open("ab")
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "ostiary"), *arguments],
        env=place.environment(**changes),
        stdout=log,
        stderr=log,
    )
    try:
        yield process
    finally:
        end(process)
        log.close()


async def until_ready(url: str, process: subprocess.Popen[Any], seconds: float = 120) -> float:
    """Wait until a server answers that it is ready; return how long that took."""
    began, said = time.perf_counter(), "nothing"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while time.perf_counter() - began < seconds:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}")
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return time.perf_counter() - began
                    said = f"{answer.status} {await answer.text()}"
            except (aiohttp.ClientError, TimeoutError) as error:
                said = type(error).__name__
            await asyncio.sleep(0.01)
    raise RuntimeError(f"the server did not become ready: {said}")


def cpu_seconds(process_id: int) -> float:
    """Return the CPU time of a process so far. Linux only."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(process_id: int) -> int:
    """Return the memory of a process. Linux only."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


__all__ = ["SYSTEM", "Stage", "connect", "opened", "product", "stage", "until_ready"]
