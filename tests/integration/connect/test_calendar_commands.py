"""A connected calendar is written and searched by command."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.cli.main import app
from ostiary.settings import Settings

from .test_reading import Command, connect, let_time_run

GUEST = "sales.three@harbourvale.example"
MARCH = ("--from", "2027-03-01", "--to", "2027-05-01")


@pytest.fixture
def environment(emulator_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in Command(emulator_settings)._environment.items():
        monkeypatch.setenv(name, value)
    # A command sets up the log of its process, which here is the test run's.
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


async def command(*words: str) -> tuple[int, str, str]:
    """Run a command in a thread, where it has an event loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("method", list(AccessMethod))
async def test_a_meeting_is_made_changed_and_called_off_by_command(
    company: Any, environment: None, method: AccessMethod
) -> None:
    connection = await connect(company, method)
    let_time_run(company)

    async def run(*words: str) -> tuple[int, dict[str, Any]]:
        code, out, err = await command("calendar", words[0], connection.id, *words[1:], "--json")
        return code, json.loads(out or err)

    code, made = await run(
        "create", "Command-made", "--start", "2027-03-01T10:00", "--zone", "Europe/Berlin", "--minutes", "45",
        "--invite", GUEST, "--repeat", "weekly", "--times", "3", "--text", "By hand", "--key", "cli-1",
    )  # fmt: skip
    assert code == 0, made
    assert made["event"]["recurrence"]["count"] == 3
    assert made["event"]["attendees"][0]["who"]["address"] == GUEST

    _, listed = await run("list", *MARCH)
    events = [each for each in listed["events"] if each["subject"] == "Command-made"]
    assert [each["starts_at"] for each in events] == [
        "2027-03-01T09:00:00Z",
        "2027-03-08T09:00:00Z",
        "2027-03-15T09:00:00Z",
    ]

    code, changed = await run("change", events[1]["id"], "--place", "Room 7", "--scope", "following")
    assert code == 0, changed
    assert changed["event"]["location"] == "Room 7"
    code, out, _ = await command("calendar", "show", connection.id, changed["event"]["id"])
    assert code == 0
    assert out.startswith("Subject   Command-made")
    assert "By hand" in out

    code, busy = await run("busy", connection.address, GUEST, "--from", "2027-03-01", "--to", "2027-03-02")
    assert code == 0
    assert [each["starts_at"] for each in busy["people"][0]["busy"]] == ["2027-03-01T09:00:00Z"]
    code, slots = await run(
        "slots", GUEST, "--from", "2027-03-01T00:00", "--to", "2027-03-01T12:00", "--any-hour"
    )
    assert code == 0
    assert "2027-03-01T09:00:00Z" not in {each["starts_at"] for each in slots["slots"]}

    code, refused = await run("respond", events[0]["id"], "accept")
    assert (code, refused["ok"]) == (6, False)
    code, _ = await run("cancel", changed["event"]["id"], "--comment", "Sorry", "--yes")
    assert code == 0
    code, _ = await run("delete", events[0]["id"], "--scope", "all", "--yes")
    assert code == 0
    _, listed = await run("list", *MARCH)
    assert not [each for each in listed["events"] if each["subject"] == "Command-made"]

    code, calendars = await run("calendars")
    assert [each["is_default"] for each in calendars["calendars"]].count(True) == 1
