"""Kill tests: each flow is killed a few times in every run, and at every step many times by ``make test-kill``.

One service process, one PostgreSQL and one wire to the emulator serve all of them; each cycle is another customer.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine
from ostiary.bootstrap import application
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.failpoints import Failpoint
from ostiary.settings import Profile, Settings

from ..conftest import APP_SECRET, Emulator, emulator_for
from ..integration.connect_world import APP_ID, RETURN_URL
from .oracle import Oracle
from .people import Crowd
from .processes import Served, Starter, port_to_come_back_to
from .token_tap import TokenTap

KILLS = int(os.environ.get("KILLS", "0"))
"""Kills per step in the long run; 0 is the ordinary run, which kills at a sample of the steps, once each."""

CANARY = "canary-7Hq2mZ9xKfWvTb4N-"
"""Begins the secrets that tests choose themselves."""

LIMITED = ("sign_in", "consent", "link", "connect", "return", "mail", "api", "guess")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kill: kills as often as KILLS says; run by `make test-kill`")


def steps(every: Sequence[Failpoint], sample: Sequence[Failpoint]) -> Sequence[Failpoint]:
    """The steps to kill at in this run."""
    return every if KILLS else sample


@pytest.fixture(scope="package")
def home() -> Iterator[Path]:
    """Where everything of this package's processes lies."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-kill-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def own_database(home: Path) -> Iterator[EmbeddedServer]:
    """A PostgreSQL that keeps what it acknowledged, as in production."""
    with EmbeddedServer.start(home) as server:
        yield server


@pytest.fixture(scope="package")
def running_emulator() -> Iterator[Emulator]:
    """An emulator of these tests' own at today's time: the killed processes have no other clock.

    The one that other tests share is set back and stopped in time between any two files of theirs.
    """
    with emulator_for("http://localhost") as started:
        started.control("POST", "/reset", {"messages": 3})
        started.control("PATCH", f"/apps/{APP_ID}", {"secrets": [APP_SECRET, f"{CANARY}client"]})
        yield started


@pytest_asyncio.fixture(autouse=True)
async def as_usual(request: pytest.FixtureRequest) -> None:
    """However the test before ended: today's time and no faults at Microsoft, and a process that lives."""
    if "running_emulator" in request.fixturenames:
        emulator: Emulator = request.getfixturevalue("running_emulator")
        emulator.control("DELETE", "/faults")
        emulator.control("POST", "/clock", {"reset": True, "freeze": False})
        emulator.control("PATCH", f"/apps/{APP_ID}", {"single_use_refresh_tokens": False})
    for name in {"served", "feed_served"}.intersection(request.fixturenames):
        process: Served = request.getfixturevalue(name)
        process.folder.disarm()
        if not await process.lives():
            await process.start()


@pytest_asyncio.fixture(scope="package")
async def tap(running_emulator: Emulator) -> AsyncIterator[TokenTap]:
    async with TokenTap(running_emulator.url).running() as wire:
        yield wire


@pytest.fixture(scope="package")
def kill_settings(home: Path, own_database: EmbeddedServer, tap: TokenTap) -> Settings:
    port = port_to_come_back_to()
    return Settings(
        profile=Profile.DEVELOPMENT,
        data_dir=home / "data",
        # The server asks for no password; this one is there to be looked for afterwards.
        database_url=SecretStr(own_database.url.replace("postgres:@", f"postgres:{CANARY}database@", 1)),
        public_url=f"http://localhost:{port}",
        port=port,
        host="127.0.0.1",
        vendor_name="Larkspur",
        vendor_app_name="Larkspur for Microsoft 365",
        vendor_publisher="Larkspur Software Ltd",
        vendor_help_email="help@larkspur.example",
        vendor_data_kept="Ids and headers of messages, in Dublin, until you disconnect.",
        app_client_id=APP_ID,
        app_secret=SecretStr(f"{CANARY}client"),
        metrics_token=SecretStr(f"{CANARY}metrics"),
        allow_client_secret=True,
        login_url=tap.url,
        graph_url=tap.url,
        ews_url=f"{tap.url}/EWS/Exchange.asmx",
        return_urls=(RETURN_URL,),
        workers_inside=True,
        # Whoever reads mailboxes meanwhile would refresh the tokens that these tests count.
        sync_concurrency=0,
        change_detection="poll",
        log_level="DEBUG",
        # Every person of these tests sits at one address.
        **dict.fromkeys((f"rate_limit_{what}" for what in LIMITED), "off"),
    )


@pytest_asyncio.fixture(scope="package")
async def starter() -> AsyncIterator[Starter]:
    async with Starter.running() as warm:
        yield warm


@pytest_asyncio.fixture(scope="package")
async def served(home: Path, kill_settings: Settings, starter: Starter) -> AsyncIterator[Served]:
    (home / "data").mkdir()
    process = Served(kill_settings, home / "served", starter)
    await process.start()
    yield process
    await process.stop()


@pytest_asyncio.fixture(scope="package")
async def oracle(own_database: EmbeddedServer, served: Served, tap: TokenTap) -> AsyncIterator[Oracle]:
    engine = create_engine(own_database.url, pool_size=4)
    judge = Oracle(engine, served, tap, own_database.data_dir)
    yield judge
    await engine.dispose()
    assert judge.secrets_on_disk(all_of_them=True) == []


@pytest_asyncio.fixture(scope="package")
async def crowd(served: Served, running_emulator: Emulator) -> AsyncIterator[Crowd]:
    async with (
        application(served.settings) as services,
        httpx.AsyncClient(timeout=70, trust_env=False) as client,
        httpx.AsyncClient(base_url=served.url, timeout=70, trust_env=False) as api,
    ):
        _, key = await services.access.create_api_key(
            name="Larkspur", permissions=API_PERMISSIONS, actor=SYSTEM
        )
        api.headers["Authorization"] = f"Bearer {key.reveal()}"
        yield Crowd(services, running_emulator, served.url, client, api)
