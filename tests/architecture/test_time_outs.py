"""Every way out of the process is given a time-out where it is opened (SR-106)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ostiary.bootstrap import _parameters

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "ostiary"

TIME_OUTS: Final = {
    "aiohttp.ClientSession": "timeout",
    "aiosmtplib.SMTP": "timeout",
    "subprocess.run": "timeout",
    "psycopg.AsyncConnection.connect": "connect_timeout",
    "create_async_engine": "connect_args",
    "sqlalchemy.create_engine": "connect_args",
    "boto3.client": "config",
}
"""What opens a connection or starts a program → the argument that bounds it."""

SPREAD: Final[dict[str, tuple[None]]] = {"psycopg.AsyncConnection.connect": (None,)}
"""May take it among ``**keywords``: those of the pool's own connections, which the next test asks."""

NEVER: Final = {
    "requests.get",
    "requests.post",
    "urllib.request.urlopen",
    "socket.create_connection",
    "os.system",
}
"""Ways out that have no bound of their own and are not used at all."""


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def unbounded(path: Path) -> list[str]:
    """Return the calls in a file that could last for ever."""
    return [
        f"{path.name}:{call.lineno} {name}"
        for name, call in _calls(path)
        if name in NEVER
        or (
            name in TIME_OUTS
            and not {TIME_OUTS[name], *SPREAD.get(name, ())} & {k.arg for k in call.keywords}
        )
    ]


def test_no_connection_is_opened_and_no_program_run_without_a_time_out() -> None:
    assert [found for path in sorted(SOURCE.rglob("*.py")) for found in unbounded(path)] == []


def test_connections_beside_the_pool_are_bounded_like_those_of_the_pool() -> None:
    keywords = _parameters("postgresql://ostiary@database/ostiary").keywords
    assert int(keywords["connect_timeout"]) <= 10
    assert "statement_timeout=" in keywords["options"]


def test_the_search_finds_what_it_is_about() -> None:
    used = {name for path in SOURCE.rglob("*.py") for name, _ in _calls(path)}
    assert used >= {"aiohttp.ClientSession", "aiosmtplib.SMTP", "create_async_engine", "boto3.client"}


def test_a_call_without_a_time_out_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "somewhere.py"
    file.write_text("aiohttp.ClientSession(trust_env=False)\nsubprocess.run(['x'], timeout=3)\n", "utf-8")
    assert unbounded(file) == ["somewhere.py:1 aiohttp.ClientSession"]
