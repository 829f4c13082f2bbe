"""``ostiary freeze`` and ``ostiary unfreeze``."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from ostiary.bootstrap import application
from ostiary.core.audit.model import SYSTEM
from ostiary.entrypoints.cli.main import app
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.settings import Settings


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    values = settings.model_dump(exclude_none=True)
    for name, value in values.items():
        shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        text = ",".join(map(str, shown)) if isinstance(shown, tuple) else str(shown)
        monkeypatch.setenv(f"OSTIARY_{name.upper()}", text)
    return settings


async def ostiary(*words: str) -> tuple[int, Any]:
    result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else None


async def test_the_kill_switch_from_the_command_line(environment: Settings) -> None:
    async with application(environment) as services:
        organization, _ = await services.organizations.create(
            external_id="hv", name="Harbour & Vale", actor=SYSTEM
        )
    code, done = await ostiary("freeze", "--org", "hv", "--note", "stolen laptop")
    assert code == 0
    assert [(each["scope"], each["target_id"], each["note"]) for each in done["frozen"]] == [
        ("organization", organization.id, "stolen laptop")
    ]
    assert (await ostiary("freeze"))[1]["changed"] is False
    assert (await ostiary("unfreeze", "--org", "hv"))[1] == {"ok": True, "changed": True}
    assert (await ostiary("freeze"))[1]["frozen"] == []


async def test_it_wants_to_know_exactly_what_to_stop(environment: Settings) -> None:
    for words in (("freeze", "--org", "hv", "--everything"), ("unfreeze",)):
        assert (await ostiary(*words))[0] == ExitCode.WRONG_USAGE
    assert (await ostiary("freeze", "--connection", "con_gone"))[0] == ExitCode.NOT_FOUND
