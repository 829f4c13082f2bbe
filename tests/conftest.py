"""Fixtures that every test may ask for: real parts, made cheap.

One embedded PostgreSQL and one emulator serve the whole run; each test that asks for them finds the tables
empty and the emulated world as it was sown. ``app`` is the whole service wired to both, ``site`` serves it on a
real port, and ``client`` is somebody's browser without a screen.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary.adapters.http_session import trusted
from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.adapters.sql.migrate import upgrade
from ostiary.bootstrap import Services, application
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.web.server import open_listener
from ostiary.logs import configure_logging
from ostiary.settings import Profile, Settings

from . import conformance
from .front import Front

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

APP_SECRET = "a secret for tests"
MESSAGES_PER_MAILBOX = 40

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""When tests begin, unless they move the clock."""


def pytest_configure() -> None:
    """Log as the product does, so that what a failing test shows is masked too.

    What a test does itself may reach everything, like a command at a shell; a request of the site begins with nothing.
    """
    configure_logging(level="WARNING", log_format="text")
    declare(instance_wide(Duty.COMMAND))


@pytest.fixture
def clock() -> MovableClock:
    """A clock that stands at 24 November 2026, 12:00 UTC until it is moved."""
    return MovableClock(NOW)


@pytest.fixture
def entropy() -> SeededEntropy:
    """The same bytes in every run."""
    return SeededEntropy(7)


@pytest.fixture(scope="session")
def database_server() -> Iterator[EmbeddedServer]:
    """One PostgreSQL for this test process, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-tests-"))
    try:
        with EmbeddedServer.start(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="session")
async def migrated_engine(database_server: EmbeddedServer) -> AsyncIterator[AsyncEngine]:
    """The engine of a database that has every table."""
    engine = create_engine(database_server.url, pool_size=10)
    async with engine.connect() as connection:
        # Nothing here has to survive a power cut. ALTER SYSTEM refuses to run in a transaction.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ALTER SYSTEM SET fsync = off"))
        await connection.execute(text("SELECT pg_reload_conf()"))
    await asyncio.to_thread(upgrade, database_server.url)
    yield engine
    await engine.dispose()


def _emptied(tables: Sequence[str]) -> str:
    """Return the SQL that leaves the tables empty and their numbering at its start.

    DELETE of few rows takes a tenth of the time of TRUNCATE, which makes new files for every table and index. The lock
    is the one TRUNCATE takes: whoever still writes for the test before is waited for.
    """
    deletes = "".join(f"DELETE FROM {table}; " for table in tables)
    return (
        "DO $$ BEGIN"
        # The audit trail refuses this from everybody, by a trigger; a test run may switch triggers off.
        " SET LOCAL session_replication_role = replica;"
        f" LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE;"
        f" {deletes}"
        "PERFORM setval((quote_ident(schemaname) || '.' || quote_ident(sequencename))::regclass, start_value, false)"
        " FROM pg_sequences WHERE last_value IS NOT NULL;"
        " END $$"
    )


@pytest_asyncio.fixture
async def database(migrated_engine: AsyncEngine) -> AsyncEngine:
    """An engine on a database whose tables are all there and all empty."""
    async with migrated_engine.begin() as connection:
        names = await connection.scalars(
            text(
                "SELECT quote_ident(tablename) FROM pg_tables"
                " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
        )
        await connection.exec_driver_sql(_emptied(tuple(names)))
    return migrated_engine


@pytest.fixture
def settings(tmp_path: Path, database: AsyncEngine) -> Settings:
    """Settings of a development instance on the empty database; Microsoft's hosts lead nowhere."""
    return Settings(
        profile=Profile.DEVELOPMENT,
        data_dir=tmp_path,
        database_url=SecretStr(database.url.render_as_string(hide_password=False)),
        public_url="http://localhost:8080",
        vendor_name="Larkspur",
        vendor_app_name="Larkspur for Microsoft 365",
        vendor_publisher="Larkspur Software Ltd",
        vendor_help_email="help@larkspur.example",
        vendor_data_kept="Ids and headers of messages, in Dublin, until you disconnect.",
        app_client_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
        app_secret=SecretStr(APP_SECRET),
        allow_client_secret=True,
        # Port 9 discards: whoever calls Microsoft in a test without the emulator fails at once.
        login_url="http://127.0.0.1:9",
        graph_url="http://127.0.0.1:9",
        ews_url="http://127.0.0.1:9/EWS/Exchange.asmx",
        return_urls=("https://app.larkspur.example/connected",),
    )


@pytest.fixture
def transactions(database: AsyncEngine, clock: MovableClock, entropy: SeededEntropy) -> SQLTransactions:
    """Units of work on the empty database."""
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

    return SQLTransactions(database, clock=clock, entropy=entropy)


@pytest.fixture(scope="session")
def listener() -> Iterator[socket.socket]:
    """The port that the site of this run is served on, reserved for the whole run."""
    reserved = open_listener("127.0.0.1", 0)
    yield reserved
    reserved.close()


@pytest.fixture(scope="session")
def site_url(listener: socket.socket) -> str:
    """The address of the site. Not the emulator's host: browsers must see two different sites."""
    return f"http://localhost:{listener.getsockname()[1]}"


def _plain_client() -> httpx.Client:
    """Return a client that keeps no connection, so that nobody is surprised when the emulator starts again.

    Without ``verify`` it would read the system's authorities once more, which takes 25 ms.
    """
    return httpx.Client(
        verify=trusted(),
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=20,
        trust_env=False,
    )


@dataclass(frozen=True, slots=True)
class Emulator:
    """The running emulator. ``url`` is plain HTTP; ``ca_file`` signs the certificate of ``https_url``."""

    url: str
    https_url: str
    ca_file: Path
    smtp_url: str
    """Takes mail for emulated mailboxes."""
    _http: httpx.Client = field(default_factory=lambda: _plain_client(), repr=False, compare=False)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the control API, such as ``control("PUT", "/tenants/hv-labs.example/scenario", {"id": "not_admin"})``."""
        answer = self._http.request(method, f"{self.url}/control{path}", json={} if body is None else body)
        answer.raise_for_status()
        return cast("dict[str, Any]", answer.json())

    def set_scenario(self, tenant: str, reason_id: str) -> None:
        """Make a tenant fail in one way, by reason id."""
        self.control("PUT", f"/tenants/{tenant}/scenario", {"id": reason_id})

    def requests(self, path: str = "", *, limit: int = 200) -> list[dict[str, Any]]:
        """Return what was asked of the emulator, newest first."""
        found = self._http.get(f"{self.url}/control/requests", params={"path": path, "limit": limit})
        return cast("list[dict[str, Any]]", found.json()["requests"])


@pytest.fixture(scope="session")
def emulator_process(site_url: str) -> Iterator[Emulator]:
    """The emulator that most tests share; each of them finds it as it was sown."""
    with emulator_for(site_url) as started:
        yield started


@contextmanager
def emulator_for(site_url: str) -> Iterator[Emulator]:
    """The emulator as its own process, as anybody would start it; what it answered is checked at its end."""
    home = Path(tempfile.mkdtemp(prefix="ostiary-emulator-"))
    secret_file = home / "client-secret"
    secret_file.write_text(APP_SECRET)
    command = [
        str(Path(sys.executable).parent / "m365-emulator"),
        "serve",
        "--http-port",
        "0",
        "--https-port",
        "0",
        "--smtp-port",
        "0",
    ]
    record = home / "exchanges"
    command += ["--home", str(home), "--client-secret-file", str(secret_file), "--record", str(record)]
    for address in redirect_addresses(site_url):
        command += ["--redirect-uri", address]
    log = (home / "log").open("w+")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield _wait_until_ready(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
        log.close()
        broken = conformance.violations(record)
        shutil.rmtree(home, ignore_errors=True)
    assert not broken, "these exchanges break Microsoft's schemas:\n" + "\n".join(broken[:50])


def redirect_addresses(site_url: str) -> list[str]:
    """Return the addresses Microsoft may send browsers back to, for one registration and for two."""
    pages = ("admin-consent", "connect", "console", "trust")
    return [f"{site_url}/{page}/return/{registration}" for registration in ("main", "ews") for page in pages]


def _wait_until_ready(process: subprocess.Popen[str], log: TextIO) -> Emulator:
    assert process.stdout is not None
    ca_file, smtp_url = Path(), ""
    # Ends when the emulator is ready, or with end-of-file when it died.
    for line in process.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "ca":
            ca_file = Path(rest)
        if word == "smtp":
            smtp_url = f"smtp://{rest}"
        if word == "ready":
            url, https_url = rest.split()
            return Emulator(url, https_url, ca_file, smtp_url)
    log.seek(0)
    raise RuntimeError(f"the emulator did not start:\n{log.read()}")


@pytest.fixture
def emulator(emulator_process: Emulator, clock: MovableClock) -> Emulator:
    """The emulator with its sample world as sown, its clock standing where the test's clock stands."""
    emulator_process.control("POST", "/reset", {"messages": MESSAGES_PER_MAILBOX})
    emulator_process.control("POST", "/clock", {"freeze": True, "set": clock.now().isoformat()})
    return emulator_process


@pytest.fixture
def move_time(clock: MovableClock, emulator: Emulator) -> Callable[[timedelta], None]:
    """Let time pass for both sides at once."""

    def move(by: timedelta) -> None:
        clock.advance(by)
        emulator.control("POST", "/clock", {"set": clock.now().isoformat()})

    return move


@pytest.fixture
def emulator_settings(settings: Settings, emulator: Emulator, site_url: str) -> Settings:
    """Settings of an instance whose Microsoft is the emulator."""
    return settings.model_copy(
        update={
            "public_url": site_url,
            "login_url": emulator.url,
            "graph_url": emulator.url,
            "ews_url": f"{emulator.url}/EWS/Exchange.asmx",
        }
    )


@pytest_asyncio.fixture
async def app(emulator_settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    """The services, wired to the empty database and the emulator, on the test's clock."""
    async with application(emulator_settings, clock=clock) as services:
        yield services


@pytest_asyncio.fixture(scope="session")
async def front(listener: socket.socket) -> AsyncIterator[Front]:
    """The server of this run, which serves one application after the other."""
    async with Front(listener.dup()) as running:
        yield running


@pytest_asyncio.fixture
async def site(app: Services, front: Front, site_url: str) -> AsyncIterator[str]:
    """The site on its port; gives its address."""
    front.serve(create_app(app))
    yield site_url
    await front.withdraw()


def new_client(base_url: str = "") -> httpx.AsyncClient:
    """Return a browser without a screen: its own cookies, no redirects followed unless asked."""
    # Browsers send secure cookies to http://localhost; the standard library has to be told.
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=["http", "https"]))
    cookies = httpx.Cookies(jar)

    async def send_cookies(request: httpx.Request) -> None:
        # httpx asks a copy of the jar, and a copy has lost the policy: ask the jar itself.
        if cookies:
            request.headers.pop("Cookie", None)
            cookies.set_cookie_header(request)

    return httpx.AsyncClient(
        base_url=base_url,
        cookies=jar,
        timeout=20,
        trust_env=False,
        verify=trusted(),
        event_hooks={"request": [send_cookies]},
    )


@pytest_asyncio.fixture
async def client(site: str) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the running site."""
    async with new_client(site) as opened:
        yield opened
