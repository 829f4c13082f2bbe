"""The only file that picks adapters and hands them to services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary import __version__
from ostiary.adapters.http_session import create_session
from ostiary.adapters.keys.file import FileKeyService, create_key_file
from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine, driver_url
from ostiary.adapters.sql.migrate import SchemaState, downgrade, schema_state, upgrade
from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.core.kernel.clock import Clock, SystemClock
from ostiary.core.kernel.entropy import Entropy, SystemEntropy
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.vault.service import VaultService
from ostiary.health import Health
from ostiary.metrics import Metrics
from ostiary.settings import Profile, Settings

log = structlog.get_logger("ostiary.bootstrap")

__all__ = [
    "DatabaseParameters",
    "SchemaState",
    "Services",
    "application",
    "database_url",
    "downgrade",
    "schema_state",
    "upgrade",
]


@dataclass(frozen=True, slots=True)
class DatabaseParameters:
    """How the job queue's own connections reach the database."""

    conninfo: str
    keywords: Mapping[str, Any]

    def __repr__(self) -> str:
        return "DatabaseParameters(‹secret›)"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the entry points may call."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    transactions: SQLTransactions
    database_parameters: DatabaseParameters
    vault: VaultService
    health: Health
    metrics: Metrics


@asynccontextmanager
async def application(settings: Settings, *, clock: Clock | None = None) -> AsyncGenerator[Services]:
    """Open everything, hand out the services, close everything in reverse order.

    Raises:
        Misconfigured: Keys, credentials or the database's schema are not fit to start with.
    """
    clock = clock or SystemClock()
    entropy = SystemEntropy()
    async with AsyncExitStack() as stack:
        keys = _open_keys(settings, entropy, clock)
        url = await stack.enter_async_context(database_url(settings))
        await _require_schema(settings, url)
        engine = create_engine(url, pool_size=settings.database_pool_size)
        stack.push_async_callback(engine.dispose)
        await _require_durability(settings, engine)
        metrics = Metrics()
        await stack.enter_async_context(
            create_session(
                user_agent=f"ostiary/{__version__}",
                ca_file=settings.ca_file,
                observe=_Observer(metrics),
            )
        )
        yield Services(
            settings=settings,
            clock=clock,
            entropy=entropy,
            transactions=SQLTransactions(engine, clock=clock, entropy=entropy),
            database_parameters=_parameters(url),
            vault=VaultService(keys=keys, entropy=entropy),
            health=Health({"database": lambda: _ping(engine), "keys": keys.health}),
            metrics=metrics,
        )


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncGenerator[str]:
    """Give the database's address; without one in the settings, that of the embedded server, started if need be."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    server = await asyncio.to_thread(EmbeddedServer.start, settings.data_dir)
    try:
        yield server.url
    finally:
        await asyncio.to_thread(server.stop)


def _open_keys(settings: Settings, entropy: Entropy, clock: Clock) -> FileKeyService:
    path = settings.key_file
    if path is None:
        # Settings refuse this in production: there, a lost key file must never be replaced in silence.
        path = settings.data_dir / "keys.json"
        if not path.exists():
            create_key_file(path, name=clock.now().strftime("%Y-%m"), entropy=entropy)
    return FileKeyService.load(path, entropy=entropy)


async def _require_schema(settings: Settings, url: str) -> None:
    state = await asyncio.to_thread(schema_state, url)
    if state.is_current:
        return
    if settings.profile is Profile.DEVELOPMENT:
        await asyncio.to_thread(upgrade, url)
        return
    found = state.current or "nothing"
    raise Misconfigured(
        f"The database has schema {found}, and this version needs {state.head}. Run: ostiary migrate"
    )


async def _require_durability(settings: Settings, engine: AsyncEngine) -> None:
    """Refuse a production database that may forget what it acknowledged (RR-1)."""
    if settings.profile is not Profile.PRODUCTION:
        return
    async with engine.connect() as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            value = await connection.scalar(text(f"SHOW {name}"))  # three fixed words
            if value == "off":
                raise Misconfigured(
                    f"PostgreSQL runs with {name} off: it could lose what we told people is saved."
                )


def _parameters(url: str) -> DatabaseParameters:
    plain = driver_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return DatabaseParameters(plain, {"connect_timeout": 5, "options": "-c timezone=UTC"})


async def _ping(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


class _Observer:
    """Counts calls to Microsoft by service."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, *, path: str, status: int | None, seconds: float) -> None:
        service = _service(path)
        label = "error" if status is None else f"{status // 100}xx"
        self._metrics.microsoft_requests.labels(service, label).inc()
        self._metrics.microsoft_seconds.labels(service).observe(seconds)


def _service(path: str) -> str:
    """Tell Microsoft's services apart by path: the emulator serves all of them from one host."""
    if path.startswith("/v1.0/"):
        return "graph"
    return "ews" if path.lower().startswith("/ews/") else "entra"
