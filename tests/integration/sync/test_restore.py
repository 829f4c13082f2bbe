"""A backup made while the service works, everything lost, and put back (SR-109, FG-23).

The whole way in one test, because each step needs the one before: dump, go on, lose all, restore into a new server, look
what is there. It says how long it took (`make drill`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from socket import socket

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import driver_url
from ostiary.adapters.sql.migrate import schema_state
from ostiary.bootstrap import Services, application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.token_rules import refresh_token_context
from ostiary.core.feed.errors import FeedCursorExpired
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.vault.policy import Purpose
from ostiary.entrypoints.web.server import WebServer
from ostiary.settings import Settings

from ...conftest import Emulator, new_client
from ..connect_world import TOM, make_company
from .conftest import Followed, connect
from .truth import Truth

DRILL = "DRILL" in os.environ
MESSAGES_BETWEEN = 5


@dataclass(frozen=True)
class Tools:
    """PostgreSQL's own programs, as an operator uses them."""

    folder: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder / program), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    def dump(self, url: str, file: Path) -> None:
        ended = self.run("pg_dump", "--format=custom", f"--file={file}", url)
        assert ended.returncode == 0, ended.stderr

    def restore(self, url: str, file: Path) -> subprocess.CompletedProcess[str]:
        return self.run("pg_restore", "--single-transaction", "--exit-on-error", f"--dbname={url}", str(file))


@asynccontextmanager
async def serving(settings: Settings, clock: MovableClock, listener: socket) -> AsyncGenerator[Services]:
    """The service, and its site for Microsoft's handshakes."""
    async with application(settings, clock=clock) as services:
        web = WebServer(services, listener.dup())
        running = asyncio.create_task(web.run())
        await web.started()
        try:
            yield services
        finally:
            await web.stop(drain_seconds=0)
            await running


@contextmanager
def fresh_database(server_url: str, name: str) -> Generator[str]:
    server = create_engine(driver_url(server_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def backup_login(server_url: str) -> Generator[str]:
    """Who may read every row, and nothing else: as docs/howto/backup.md says."""
    engine = create_engine(driver_url(server_url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE ostiary_backup LOGIN BYPASSRLS"))
        connection.execute(text("GRANT pg_read_all_data TO ostiary_backup"))
    yield make_url(server_url).set(username="ostiary_backup").render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text("DROP OWNED BY ostiary_backup; DROP ROLE ostiary_backup"))


async def opened(services: Services) -> int:
    """How many saved sign-ins open."""
    count = 0
    async with services.transactions() as tx:
        ids = (await tx._connection.scalars(text("SELECT connection_id FROM refresh_tokens"))).all()
    assert ids
    for connection_id in ids:
        async with services.transactions() as tx:
            connection = await tx.connections.get(connection_id)
            stored = await tx.refresh_tokens.find(connection_id)
        assert stored is not None
        try:
            await services.vault.open(
                stored[0], refresh_token_context(connection, stored[1]), purpose=Purpose.REFRESH
            )
        except OstiaryError:
            continue
        count += 1
    return count


def remote_ids(emulator: Emulator) -> list[str]:
    return sorted(each["id"] for each in emulator.control("GET", "/subscriptions")["graph"])


async def known_ids(followed: Followed) -> list[str]:
    async with followed.app.transactions() as tx:
        rows = await tx.subscriptions.of_connection(followed.connection.id)
    return sorted(str(each.microsoft_id) for each in rows)


@pytest.mark.skipif(not DRILL, reason="loses and restores a whole database: `make drill`")
@pytest.mark.timeout(300)
async def test_restored_from_a_backup_it_opens_nothing_without_its_keys_and_catches_up_with_them(
    emulator_settings: Settings,
    clock: MovableClock,
    emulator: Emulator,
    listener: socket,
    site_url: str,
    database_server: EmbeddedServer,
    tmp_path: Path,
) -> None:
    tools = Tools(Path(database_server._server.bin_path))
    dump_file = tmp_path / "backup.dump"
    lost_url = database_server.url
    async with (
        httpx.AsyncClient(trust_env=False) as oracle_http,
        new_client(site_url) as client,
        serving(emulator_settings, clock, listener) as app,
    ):
        company = await make_company(app, client, site_url, emulator)
        connection = await connect(company, AccessMethod.GRAPH)
        truth = Truth(oracle_http, emulator.url, TOM)
        before = Followed(app, emulator, connection, truth)
        await before.read()
        assert await app.subscriptions.keep() == 2
        await before.read()
        await before.news()

        # The backup, while mail comes in and is read.
        with backup_login(lost_url) as backup_url:
            began = time.monotonic()
            dumping = asyncio.create_task(asyncio.to_thread(tools.dump, backup_url, dump_file))
            while not dumping.done():
                await truth.write("during the backup")
                await before.sweep()
            await dumping
            dump_seconds = time.monotonic() - began

        # And life goes on: none of this is in it.
        for number in range(MESSAGES_BETWEEN):
            await truth.write(f"after the backup {number}")
        await before.sweep()
        told = await before.news()
        assert len(told) >= MESSAGES_BETWEEN
        reader = before._cursor
        clock.advance(timedelta(days=5))
        emulator.control("POST", "/clock", {"set": clock.now().isoformat()})
        # Lost and made anew at Microsoft, which then has some that the backup knows nothing of.
        async with app.transactions() as tx:
            await tx._connection.execute(text("DELETE FROM graph_subscriptions"))
        assert await app.subscriptions.keep() == 2
        made_since = set(await known_ids(before))

    # Everything is lost; only the dump, and the keys in another place, are left.
    lost_at = time.monotonic()
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="ostiary-drill-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        server = stack.enter_context(EmbeddedServer.start(home))
        server_url = server.url
        cut_url = stack.enter_context(fresh_database(server_url, "restore_cut"))
        cut_file = tmp_path / "cut.dump"
        cut_file.write_bytes(dump_file.read_bytes()[: dump_file.stat().st_size * 3 // 4])
        assert tools.restore(cut_url, cut_file).returncode != 0
        # Nothing of half a dump is there to be taken for the whole: the service would refuse to start on it.
        assert schema_state(cut_url).current is None

        url = stack.enter_context(fresh_database(server_url, "restore_whole"))
        ended = tools.restore(url, dump_file)
        assert ended.returncode == 0, ended.stderr
        restored = emulator_settings.model_copy(update={"database_url": SecretStr(url)})

        without = restored.model_copy(update={"data_dir": tmp_path / "elsewhere"})
        async with application(without, clock=clock) as app:
            assert await opened(app) == 0

        async with (
            httpx.AsyncClient(trust_env=False) as oracle_http,
            serving(restored, clock, listener) as app,
        ):
            assert await opened(app) == 1
            report = await app.after_restore.run(actor=SYSTEM)
            assert (report.sources_count, report.streams_count >= 1) == (2, True)
            truth = Truth(oracle_http, emulator.url, TOM)
            after = Followed(app, emulator, connection, truth)
            await after.read()
            back_seconds = time.monotonic() - lost_at
            assert await after.projection() == await truth.messages()
            # What came after the backup is told again, under the ids it had, to whoever follows from here on.
            again = {event.id for event in await after.news()}
            assert {event.id for event in told if event.type.value.startswith("message.")} <= again
            # A reader from before stands behind places that new events would take: it has to begin anew.
            with pytest.raises(FeedCursorExpired):
                await app.feed.read(connection.id, cursor=reader, limit=10)
            # Subscriptions made meanwhile are nobody's; afterwards there is one for each source, and it is known.
            await app.subscriptions.keep()
            await app.subscriptions.audit()
            await app.subscriptions.keep()
            assert remote_ids(emulator) == await known_ids(after)
            assert len(remote_ids(emulator)) == 2
            assert made_since.isdisjoint(remote_ids(emulator))
            await app.audit.keeping.seal()
            assert (await app.audit.keeping.verify()).is_intact
    size = dump_file.stat().st_size // 1024
    print(
        f"\nFG-23: dump of {size} KB in {dump_seconds:.1f} s while in use; from nothing to a mailbox that is read"
        f" {back_seconds:.1f} s; 0 saved sign-ins open without the keys, 1 of 1 with them"
    )
