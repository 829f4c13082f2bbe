"""``ostiary connect-session`` and ``ostiary connections``, run as the command they are."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ostiary.settings import Settings

TOM = "tom.ellis@harbourvale.example"
Company = Any


class Command:
    """Runs ``ostiary`` against the test's database and emulator."""

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        assert settings.app_secret is not None
        values: dict[str, object] = {
            name: getattr(settings, name)
            for name in (
                "data_dir", "public_url", "vendor_name", "vendor_app_name", "vendor_publisher",
                "vendor_help_email", "vendor_data_kept", "app_client_id", "login_url", "graph_url", "ews_url",
            )
        }  # fmt: skip
        values |= {
            "profile": "development",
            "database_url": settings.database_url.get_secret_value(),
            "app_secret": settings.app_secret.get_secret_value(),
            "allow_client_secret": "true",
        }
        own = {f"OSTIARY_{name.upper()}": str(value) for name, value in values.items()}
        self._environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **own}

    async def __call__(self, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "ostiary"),
            *words,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
def ostiary(emulator_settings: Settings) -> Command:
    return Command(emulator_settings)


async def test_an_invitation_made_on_the_command_line_connects_its_member(
    company: Company, ostiary: Command
) -> None:
    await company.approve()
    code, out, err = await ostiary("connect-session", "create", "--org", "hv", TOM, "--json")
    assert code == 0, err
    made = json.loads(out)
    # The command runs on the machine's clock and the site on the test's: the link is only good in the form it has.
    assert made["url"].startswith(f"{company.browser.site}/connect/s/")
    assert made["ref"].startswith("CO-")


async def test_connections_are_listed_checked_shown_and_disconnected(
    company: Company, ostiary: Command
) -> None:
    await company.approve()
    connection = await company.confirm(await company.go())
    code, out, _ = await ostiary("connections", "list", "--org", "hv")
    assert (code, TOM in out, "connected" in out) == (0, True, True)
    code, out, _ = await ostiary("connections", "show", connection.reference.lower())
    assert (code, "email and calendar" in out) == (0, True)
    code, out, _ = await ostiary("connections", "show", "nobody@harbourvale.example", "--json")
    assert (code, json.loads(out)["ok"]) == (5, False)
    code, out, err = await ostiary("connections", "pause", TOM)
    assert (code, out) == (0, f"{TOM}: paused\n"), err
    code, out, _ = await ostiary("connections", "resume", TOM, "--json")
    assert json.loads(out)["connection"]["status"] == "connected"
    code, _, _ = await ostiary("connections", "disconnect", TOM)
    assert code != 0
    assert await company.app.connections.get(connection.id, organization_id=None)
    code, out, _ = await ostiary("connections", "disconnect", TOM, "--yes", "--json")
    receipt = json.loads(out)
    assert (code, receipt["tokens_destroyed"]) == (0, True)
    async with company.app.transactions() as tx:
        assert await tx.refresh_tokens.find(connection.id) is None


async def test_a_check_says_what_is_wrong_and_who_can_mend_it(company: Company, ostiary: Command) -> None:
    await company.approve()
    await company.confirm(await company.go())
    company.emulator.control("POST", "/clock", {"freeze": False, "reset": True})
    code, out, err = await ostiary("connections", "check", TOM)
    assert (code, out) == (0, f"✓ {TOM} works over Microsoft Graph\n"), err
    company.emulator.set_scenario("harbourvale.example", "mailbox_missing")
    code, out, _ = await ostiary("connections", "check", TOM)
    assert code == 1
    assert f"✗ We couldn’t find a mailbox for {TOM}" in out
    assert "reason mailbox_missing" in out
    code, out, _ = await ostiary("connections", "check", TOM, "--json")
    assert json.loads(out)["connection"]["reason"] == "mailbox_missing"
