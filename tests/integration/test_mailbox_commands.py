"""``ostiary mail``, ``changes`` and ``webhooks`` on a connected mailbox, and how much a command loads."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
import typer
from typer.testing import CliRunner

from ostiary.bootstrap import Services, application
from ostiary.core.feed.model import FeedEventType, connection_event
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import MovableClock
from ostiary.entrypoints.cli.commands import COMMANDS
from ostiary.entrypoints.cli.mail_files import safe_name
from ostiary.entrypoints.cli.main import app as commands
from ostiary.settings import Settings

from .connect_world import TOM, Company, Emulator, make_company

DANA = "dana.okafor@harbourvale.example"


@dataclass
class Shell:
    """Runs ``ostiary`` in a thread: each command brings its own event loop."""

    async def __call__(self, *words: str, given: str = "") -> tuple[int, str, str]:
        """Return exit code, standard output and standard error."""
        result = await asyncio.to_thread(CliRunner().invoke, commands, words, input=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    async def json(self, *words: str, given: str = "") -> Any:
        """Return the one object that a command writes when it succeeds."""
        code, out, err = await self(*words, "--json", given=given)
        assert code == 0, f"{out}{err}"
        return json.loads(out)


@pytest.fixture
def shell(
    emulator_settings: Settings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    own = emulator_settings.model_copy(update={"webhook_private_destinations": True})
    monkeypatch.setattr("ostiary.settings.load_settings", lambda **_: own)
    monkeypatch.setattr("ostiary.bootstrap.application", partial(application, clock=clock))
    # A command sets up the log of its process, which here is the test run's.
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    yield Shell()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    made = await make_company(app, client, site, emulator)
    await made.approve(AccessMethod.GRAPH)
    await made.confirm(await made.go())
    return made


@pytest.mark.usefixtures("company")
async def test_mail_is_sent_with_a_file_found_answered_and_its_file_saved(
    shell: Shell, tmp_path: Path
) -> None:
    figures = tmp_path / "figures.csv"
    figures.write_bytes(b"quarter,sum\n" * 100_000)

    code, out, err = await shell(
        "mail",
        "send",
        TOM,
        "--to",
        TOM,
        "--subject",
        "Figures",
        "--attach",
        str(figures),
        given="As promised.",
    )
    listed = await shell.json("mail", "list", TOM, "--limit", "5")
    (arrived,) = [each for each in listed["messages"] if each["subject"] == "Figures"]
    shown = await shell.json("mail", "show", TOM, arrived["id"])
    target = tmp_path / "saved"
    target.mkdir()
    saved = await shell.json("mail", "attachments", TOM, arrived["id"], "--save-to", str(target))
    again, _, refusal = await shell("mail", "attachments", TOM, arrived["id"], "--save-to", str(target))
    answer = await shell.json("mail", "reply", TOM, arrived["id"], "--text", "Thank you.", "--key", "k1")
    same = await shell.json("mail", "reply", TOM, arrived["id"], "--text", "Thank you.", "--key", "k1")
    found = await shell.json("mail", "search", TOM, "Figures", "--folder", "sent")

    assert (code, out) == (0, ""), err
    assert "attach figures.csv 1200000/1200000 100%" in err
    assert "Microsoft has taken it." in err
    assert "As promised." in (shown["message"]["text"] or shown["message"]["html"])
    assert saved["saved"] == [str(target / "figures.csv")]
    assert (target / "figures.csv").read_bytes() == figures.read_bytes()
    assert (again, "nothing was overwritten" in refusal) == (6, True)
    assert answer["sent"]["delivery"] == "sent"
    assert same == answer
    assert {"Figures", "RE: Figures"} <= {each["subject"] for each in found["messages"]}


@pytest.mark.usefixtures("company")
async def test_wrong_usage_of_mail_is_said_before_anything_is_sent(shell: Shell, tmp_path: Path) -> None:
    wrong = (
        ("send", TOM, "--subject", "x", "--text", "x"),
        ("send", TOM, "--to", DANA, "--subject", "x", "--text", "x", "--at", "soon"),
        ("send", TOM, "--to", DANA, "--subject", "x", "--text", "x", "--attach", str(tmp_path / "none")),
        ("reply", TOM, "m", "--text", "x", "--all", "--forward"),
        ("reply", TOM, "m", "--text", "x", "--forward"),
    )
    for words in wrong:
        code, _, err = await shell("mail", *words)
        assert code == 2, (words, err)
    assert (await shell("mail", "show", TOM, "AAkALgAAAAAAHYQDEapmEc2byACq"))[0] == 5
    assert (await shell("mail", "list", "nobody@harbourvale.example"))[0] == 5


async def test_changes_are_followed_from_where_the_file_says(
    shell: Shell, company: Company, tmp_path: Path
) -> None:
    (connection,) = await company.connections()
    place = tmp_path / "tom.cursor"
    words = ("changes", "follow", TOM, "--from-oldest", "--until-now", "--cursor-file", str(place), "--json")

    _, first, _ = await shell(*words)
    _, nothing, _ = await shell(*words)
    async with company.app.transactions() as tx:
        event = connection_event(
            connection_id=connection.id,
            organization_id=connection.organization_id,
            kind=FeedEventType.MESSAGE_CREATED,
            subject="m1",
            version="v1",
            occurred_at=company.app.clock.now(),
            data={"message_id": "m1"},
        )
        await tx.feed.append([event])
    _, news, _ = await shell(*words)
    _, plain, advice = await shell("changes", "list", TOM, "--limit", "1")
    code, _, err = await shell("changes", "list")

    assert [json.loads(line)["type"] for line in first.splitlines()] == ["connection.connected"]
    assert nothing == ""
    (told,) = [json.loads(line) for line in news.splitlines()]
    assert (told["id"], told["sequence"], told["data"]) == (event.id, 2, {"message_id": "m1"})
    assert "connection.connected" in plain
    assert "There is more: --cursor " in advice
    assert (code, "Name a connection" in err) == (2, True)
    assert (await shell.json("changes", "list", "--org", "hv"))["items"] == []


async def test_webhooks_are_looked_after_from_a_shell(shell: Shell, company: Company, tmp_path: Path) -> None:
    secret = tmp_path / "webhook.secret"
    address = "http://127.0.0.1:9/hooks"

    added = await shell.json(
        "webhooks", "add", address, "--type", "message.created", "--secret-file", str(secret)
    )
    own = added["endpoint"]["id"]
    again, _, _ = await shell("webhooks", "add", address)
    unproven, _, refusal = await shell("webhooks", "verify", own)
    rotated = await shell.json("webhooks", "rotate", own)
    disabled = await shell.json("webhooks", "disable", own)
    (listed,) = (await shell.json("webhooks", "list"))["endpoints"]
    _, table, _ = await shell("webhooks", "list")
    sent = await shell.json("webhooks", "deliveries", own, "--state", "dead", "--since", "2026-11-24")
    replayed = await shell.json("webhooks", "replay", own, "--state", "dead")
    taken, _, _ = await shell("webhooks", "add", f"{address}/2", "--secret-file", str(secret))
    missing, _, _ = await shell("webhooks", "disable", "whe_none")
    deleted = await shell.json("webhooks", "delete", own, "--yes")

    assert secret.read_text().startswith("whsec_")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert "secret" not in added
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != secret.read_text().strip()
    assert (again, unproven, taken, missing) == (6, 6, 2, 5)
    assert refusal
    assert disabled["endpoint"]["disabled_because"] == "by_hand"
    assert listed["deliveries"] == {"pending": 0, "delivered": 0, "dead": 0}
    assert "disabled (by hand)" in table
    assert (sent["deliveries"], replayed["replayed"], deleted) == ([], 0, {"ok": True})
    assert (await shell.json("webhooks", "list"))["endpoints"] == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("figures.xlsx", "figures.xlsx"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\Users\\x.exe", "C__Users_x.exe"),
        (".bashrc", "bashrc"),
        ("...", "attachment-7"),
        ("\x1b[31mred\u202egnp.exe", "__31mred_gnp.exe"),
        ("ü – 1.pdf", "ü _ 1.pdf"),
    ],
)
def test_names_of_files_stay_in_their_folder(name: str, safe: str) -> None:
    assert safe_name(name, 7) == safe
    assert len(safe_name("a" * 500 + ".pdf", 1)) <= 120


def test_the_list_of_commands_says_what_each_says_itself() -> None:
    group: Any = typer.main.get_command(commands)

    for entry in COMMANDS:
        command = group.commands.get(entry.name)
        first = " ".join(command.help.split("\n\n")[0].split())
        assert first.startswith(entry.summary.removesuffix(".")), entry.name


def test_every_new_command_shows_two_examples_and_what_comes_next() -> None:
    group: Any = typer.main.get_command(commands)

    for name in ("mail", "calendar", "changes", "webhooks"):
        for command in group.commands.get(name).commands.values():
            assert command.help.count(f"ostiary {name} {command.name}") == 2, command.name
            assert command.epilog.startswith("Next: ostiary "), command.name


@pytest.mark.parametrize(
    "words", ["--version", "--help", "mail --help", "calendar create --help", "changes --help"]
)
def test_a_command_that_only_speaks_loads_no_service(words: str) -> None:
    look = (
        "import sys\nsys.argv[1:] = sys.argv[1].split()\n"
        "from ostiary.entrypoints.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'sqlalchemy', 'fastapi', 'aiohttp', 'alembic', 'rich', 'ostiary.bootstrap'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", look, words], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout
    assert done.stderr.strip() == "[]"
