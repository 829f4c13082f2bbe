"""``ostiary erase`` and ``ostiary export``."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from ostiary.bootstrap import application
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.errors import NotFound
from ostiary.entrypoints.cli.main import app
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.settings import Settings

TOM = "tom.ellis@harbourvale.example"


async def ostiary(*words: str) -> tuple[int, str]:
    result = await asyncio.to_thread(CliRunner().invoke, app, list(words))
    return result.exit_code, result.stdout


async def test_a_customer_is_handed_out_and_erased(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.model_dump(exclude_none=True).items():
        shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        text = ",".join(map(str, shown)) if isinstance(shown, tuple) else str(shown)
        monkeypatch.setenv(f"OSTIARY_{name.upper()}", text)
    async with application(settings) as services:
        made, _ = await services.organizations.create(external_id="hv", name="Harbour & Vale", actor=SYSTEM)
        for number, address in enumerate((TOM, "dana.okafor@harbourvale.example")):
            await services.organizations.add_member(
                organization_id=made.id,
                external_id=f"u{number}",
                email=address,
                display_name=address.partition("@")[0],
                actor=SYSTEM,
            )
        code, out = await ostiary("export", "--org", "hv")
        assert code == 0
        assert {row["email"] for row in json.loads(out)["members"]} == {
            TOM,
            "dana.okafor@harbourvale.example",
        }
        assert [
            row["email"]
            for row in json.loads((await ostiary("export", "--org", "hv", "--member", TOM))[1])["members"]
        ] == [TOM]
        assert (await ostiary("erase", "--org", "hv"))[0] == ExitCode.WRONG_USAGE
        assert (await ostiary("erase", "--org", "hv", "--member", TOM, "--yes"))[0] == 0
        assert await services.organizations.count_members(made.id) == 1
        code, out = await ostiary("erase", "--org", "hv", "--yes", "--json")
        assert (code, json.loads(out)["erased"]["members"]) == (0, 1)
        with pytest.raises(NotFound):
            await services.organizations.get(made.id)
        assert (await ostiary("export", "--org", "hv"))[0] == ExitCode.NOT_FOUND
