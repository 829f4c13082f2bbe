"""The embedded server: one for all processes of a folder, stopped by whoever started it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ostiary.adapters.sql.embedded import EmbeddedServer


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: its parents are closed to the server's own system user.
    with tempfile.TemporaryDirectory(prefix="ostiary-embedded-") as name:
        yield Path(name)


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


JOINER = """
import sys
from pathlib import Path
from ostiary.adapters.sql.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]))
print(server.is_ours)
server.stop()
"""


def test_second_process_joins_and_leaves_the_server_running(folder: Path) -> None:
    with EmbeddedServer.start(folder) as server:
        assert server.is_ours
        ran = subprocess.run(
            [sys.executable, "-c", JOINER, str(folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert ran.stdout.strip() == "False"
        assert answers(server.url)
    assert not answers(server.url)


def test_data_outlives_the_server(folder: Path) -> None:
    with EmbeddedServer.start(folder) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (n integer)")
    with EmbeddedServer.start(folder) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_server_of_a_process_that_died_is_taken_over_and_stopped(folder: Path) -> None:
    left = "import os, sys\n" + JOINER.replace("server.stop()", "sys.stdout.flush(); os._exit(9)")
    ran = subprocess.run(
        [sys.executable, "-c", left, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (9, "True")
    with EmbeddedServer.start(folder) as server:
        assert server.is_ours
        assert answers(server.url)
    assert not answers(server.url)


def test_it_listens_on_no_network_address(folder: Path) -> None:
    with EmbeddedServer.start(folder) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
