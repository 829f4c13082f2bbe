"""A pytest plugin: watches the database during every test for acts without a record, and counts what was exercised.

``make acts`` runs the tests of pages, API, commands and jobs with it. Each writing route, command and job is then
either exercised while watched, or named as one that was not (SR-72, FG-19). What tests write themselves is no act.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import typer.main
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.act_watch import BOOK_KEEPING, TRAIL, ActWatch, is_called_by_a_test, leaving_out_what_tests_sow
from typer import core as typer_core

from ostiary.entrypoints.cli.main import app as commands
from ostiary.entrypoints.web import app as web
from ostiary.entrypoints.web.permissions import SAFE_METHODS
from ostiary.entrypoints.worker import jobs, runner

ACTS_ON_GET = re.compile(r"/return/")
"""Addresses that change things although they are read: Microsoft sends browsers back to them."""

exercised: dict[str, Counter[str]] = {"route": Counter(), "command": Counter(), "job": Counter()}
known: dict[str, set[str]] = {"route": set(), "command": set(), "job": {job.name for job in jobs.JOBS}}
acts = 0
unrecorded: dict[tuple[str, str], list[str]] = defaultdict(list)
_database: list[str] = []


class RouteCensus:
    """Counts requests that were answered with success, by route."""

    def __init__(self, inner: ASGIApp, table: dict[tuple[str, str], re.Pattern[str]]) -> None:
        self._inner, self._table = inner, table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and look at the status."""

        async def look(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                for (method, path), pattern in self._table.items():
                    if method == scope["method"] and pattern.fullmatch(scope["path"]):
                        exercised["route"][f"{method} {path}"] += 1
                        break
            await send(message)

        await self._inner(scope, receive, look if scope["type"] == "http" else send)


def _count_routes() -> None:
    protect = web.protect

    def protect_and_count(app: FastAPI, **given: Any) -> None:
        table = {
            (method, path): re.compile(re.sub(r"\\{\w+(:\w+)?\\}", "[^/]+", re.escape(path)))
            for method, path in app.state.permissions
            if method not in SAFE_METHODS or ACTS_ON_GET.search(path)
        }
        known["route"].update(f"{method} {path}" for method, path in table)
        app.add_middleware(RouteCensus, table=table)
        protect(app, **given)

    web.protect = protect_and_count


def _count_commands() -> None:
    group = typer.main.get_command(commands)

    def walk(command: Any, words: str, above: Any = None) -> None:
        context = type(command).context_class(command, parent=above, info_name=words)
        if not hasattr(command, "list_commands"):
            known["command"].add(words)
            return
        for name in command.list_commands(context):
            walk(command.get_command(context, name), f"{words} {name}".strip(), context)

    walk(group, "")
    invoke = typer_core.TyperCommand.invoke

    def invoke_and_count(self: Any, context: Any) -> Any:
        answer = invoke(self, context)
        exercised["command"][context.command_path.partition(" ")[2]] += 1
        return answer

    typer_core.TyperCommand.invoke = invoke_and_count  # type: ignore[method-assign]


def _count_jobs() -> None:
    def counting(job: jobs.Job) -> jobs.Job:
        async def run(services: Any, given: Any) -> object:
            answer = await job.run(services, given)
            exercised["job"][job.name] += 1
            return answer

        return replace(job, run=run)

    jobs.JOBS = tuple(counting(job) for job in jobs.JOBS)  # type: ignore[misc]
    runner.JOBS = jobs.JOBS  # type: ignore[misc]
    runner.Worker.__init__.__kwdefaults__["jobs"] = jobs.JOBS


def _leave_out_engines(begin: Callable[..., Any]) -> Callable[..., Any]:
    def marked(self: AsyncEngine) -> AbstractAsyncContextManager[AsyncConnection]:
        return sowing(begin(self)) if is_called_by_a_test() else begin(self)

    @asynccontextmanager
    async def sowing(
        opened: AbstractAsyncContextManager[AsyncConnection],
    ) -> AsyncIterator[AsyncConnection]:
        async with opened as connection:
            await connection.execute(text("SET LOCAL watch.sowing = 'yes'"))
            yield connection

    return marked


def pytest_configure() -> None:
    """Count from here on."""
    _count_routes()
    _count_commands()
    _count_jobs()
    AsyncEngine.begin = _leave_out_engines(AsyncEngine.begin)  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
async def watched(migrated_engine: AsyncEngine) -> AsyncIterator[None]:
    """Watch the run's database, whoever changes it."""
    watch = ActWatch(migrated_engine)
    await watch.install()
    _database.append(migrated_engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    async with leaving_out_what_tests_sow():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """After each test, ask what changed without a record."""
    global acts
    try:
        return (yield)
    finally:
        with psycopg.connect(_database[0], autocommit=True) as connection:
            no_acts = [*BOOK_KEEPING, TRAIL]
            found = connection.execute(
                "SELECT name, operation FROM watch.changes c WHERE name <> ALL(%s) AND NOT EXISTS"
                " (SELECT 1 FROM watch.changes r WHERE r.tx = c.tx AND r.name = %s) GROUP BY name, operation",
                (no_acts, TRAIL),
            ).fetchall()
            for name, operation in found:
                unrecorded[name, operation].append(item.nodeid)
            (row,) = connection.execute(
                "SELECT count(DISTINCT tx) FROM watch.changes WHERE name <> ALL(%s)", (no_acts,)
            ).fetchall()
            acts += row[0]
            connection.execute("DELETE FROM watch.changes")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was seen, and what was not."""
    say = terminalreporter.write_line
    say(f"FG-19: {acts} acts, {len(unrecorded)} kinds of acts without a record")
    for (name, operation), tests in sorted(unrecorded.items()):
        say(f"  {operation} {name}: {len(tests)} tests, such as {', '.join(tests[:3])}")
    for kind, every in known.items():
        missed = sorted(every - set(exercised[kind]))
        say(
            f"FG-19: {len(every) - len(missed)} of {len(every)} of kind {kind} exercised; not: {', '.join(missed)}"
        )
