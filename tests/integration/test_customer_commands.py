"""``ostiary org``, ``members``, ``operator``, ``api-key``, ``link``, ``approval``, ``requests`` and ``audit``."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from ostiary.bootstrap import application
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.cli.main import app
from ostiary.settings import Settings

DANA = "dana.okafor@harbourvale.example"
TOM = "tom.ellis@harbourvale.example"


class Command:
    """Runs ``ostiary`` on the test's database, in a thread: each command brings its own event loop."""

    async def __call__(self, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error."""
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    async def json(self, *words: str) -> Any:
        """Return the one JSON object that a command writes when it succeeds."""
        code, out, err = await self(*words, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def ostiary(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    assert settings.database_url is not None
    assert settings.app_secret is not None
    own = {
        "PROFILE": "development",
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "DATA_DIR": str(settings.data_dir),
        "PUBLIC_URL": settings.public_url,
        "VENDOR_NAME": settings.vendor_name,
        "VENDOR_APP_NAME": settings.vendor_app_name,
        "VENDOR_PUBLISHER": settings.vendor_publisher,
        "VENDOR_HELP_EMAIL": settings.vendor_help_email,
        "VENDOR_DATA_KEPT": settings.vendor_data_kept,
        "APP_CLIENT_ID": settings.app_client_id,
        "APP_SECRET": settings.app_secret.get_secret_value(),
        "ALLOW_CLIENT_SECRET": "true",
        "LOGIN_URL": settings.login_url or "",
    }
    for name, value in own.items():
        monkeypatch.setenv(f"OSTIARY_{name}", value)
    # A command sets up the log of its process, which here is the test run's.
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    yield Command()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


async def test_customer_with_people_and_licences_is_set_up_from_a_shell(ostiary: Command) -> None:
    made = await ostiary.json(
        "org", "create", "hv", "Harbour & Vale", "--domain", "harbourvale.example", "--seats", "1"
    )
    assert made["created"] is True
    code, _, err = await ostiary("org", "create", "hv", "Harbour & Vale")
    assert (code, "nothing was changed" in err) == (0, True)
    await ostiary.json(
        "members", "add", "--org", "hv", DANA, "Dana Okafor", "--role", "organization_admin", "--licence"
    )
    await ostiary.json("members", "add", "--org", "hv", TOM, "Tom Ellis")
    code, _, err = await ostiary("members", "licence", "give", "--org", "hv", TOM)
    assert code == 6
    assert "1 licences and 0 left" in err
    await ostiary.json("members", "licence", "take", "--org", "hv", DANA)
    given = await ostiary.json("members", "licence", "give", "--org", "hv", TOM)
    assert [member["email"] for member in given["changed"]] == [TOM]
    listed = await ostiary.json("members", "list", "--org", "hv", "--licensed")
    assert [member["email"] for member in listed["members"]] == [TOM]
    code, out, _ = await ostiary("org", "list")
    assert code == 0
    assert out.splitlines()[1].split()[0] == "hv"


async def test_a_file_of_people_is_shown_first_and_saved_without_dry_run(
    ostiary: Command, tmp_path: Path
) -> None:
    await ostiary("org", "create", "hv", "Harbour & Vale")
    file = tmp_path / "people.csv"
    file.write_text(f"email,name,id,licence\n{TOM},Tom Ellis,u1,yes\n{DANA},=HYPERLINK(1),u2,\n")
    words = ("members", "import", "--org", "hv", str(file))
    code, _, err = await ostiary(*words)
    assert code == 2
    assert "line 3, name: This begins like a spreadsheet formula." in err
    file.write_text(f"email,name,id,licence\n{TOM},Tom Ellis,u1,yes\n")
    plan = await ostiary.json(*words, "--dry-run")
    assert (plan["added"], plan["saved"]) == (["u1"], False)
    assert (await ostiary.json("members", "list", "--org", "hv"))["members"] == []
    assert (await ostiary.json(*words))["saved"]
    [tom] = (await ostiary.json("members", "list", "--org", "hv"))["members"]
    assert (tom["external_id"], tom["licensed"]) == ("u1", True)


async def test_wrong_customers_and_people_have_the_exit_code_of_not_found(ostiary: Command) -> None:
    await ostiary.json("org", "create", "hv", "Harbour & Vale")
    for words in (
        ("members", "list", "--org", "nobody"),
        ("members", "licence", "give", "--org", "hv", "nobody@harbourvale.example"),
        ("approval", "status", "--org", "hv", "nowhere.example"),
        ("link", "create", "--org", "hv", "--tenant", "nowhere.example"),
        ("api-key", "revoke", "key_none"),
    ):
        code, out, _ = await ostiary(*words, "--json")
        assert (code, json.loads(out)["code"]) == (5, "not_found"), words
    code, _, _ = await ostiary("org", "create", "has blank", "X")
    assert code == 2


async def test_links_and_keys_made_in_a_shell_work(ostiary: Command, settings: Settings) -> None:
    await ostiary.json("org", "create", "hv", "Harbour & Vale")
    await ostiary.json("members", "add", "--org", "hv", DANA, "Dana Okafor", "--role", "organization_admin")
    operator = await ostiary.json("operator", "sign-in-link")
    admin = await ostiary.json("members", "sign-in-link", "--org", "hv", DANA)
    approval = await ostiary.json("link", "create", "--org", "hv", "--to", "priya.nair@harbourvale.example")
    key = await ostiary.json("api-key", "create", "reports", "--permission", "api.read")
    assert approval["url"].startswith("http://localhost:8080/admin-consent/l/")
    async with application(settings) as services:
        for made, role in ((operator, "operator"), (admin, "organization_admin")):
            link = await services.access.find_link(Secret(made["url"].rpartition("/")[2]))
            assert link is not None
            assert link.role == role
        caller = await services.access.authenticate_api_key(Secret(key["key"]))
        assert caller is not None
        assert caller.permissions == {"api.read"}
        await ostiary.json("api-key", "revoke", key["id"])
        assert await services.access.authenticate_api_key(Secret(key["key"])) is None
    listed = await ostiary.json("api-key", "list")
    assert [each["state"] for each in listed["api_keys"]] == ["revoked"]
    assert key["key"] not in json.dumps(listed)
    _, out, _ = await ostiary("audit", "tail", "--json", "-n", "50")
    records = [json.loads(line) for line in out.splitlines()]
    assert {"operator.link_created", "console.link_created", "api_key.revoked"} <= {
        each["what"] for each in records
    }
    for secret in (operator["url"], admin["url"], approval["url"], key["key"]):
        assert secret.rpartition("/")[2] not in out


async def test_approval_and_requests_say_where_things_stand(ostiary: Command) -> None:
    await ostiary.json("org", "create", "hv", "Harbour & Vale")
    status = await ostiary.json("approval", "status", "--org", "hv")
    assert status == {"ok": True, "waiting": 0, "tenants": []}
    code, _, err = await ostiary("requests", "list", "--org", "hv")
    assert (code, err.strip()) == (0, "No one is waiting for approval.")
