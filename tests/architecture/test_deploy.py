"""The files for production are checked as far as a machine without Docker and systemd can."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from ostiary.settings import Profile, Settings

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service")) + sorted((ROOT / "deploy").glob("*.timer"))


def _variables(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return dict(cast("tuple[str, str]", tuple(line.split("=", 1))) for line in lines)


def _compose() -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8")))


def test_the_example_settings_start_a_production_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _variables((ROOT / "deploy/ostiary.env.example").read_text("utf-8")).items():
        monkeypatch.setenv(name, value)
    for name, value in _compose()["services"]["serve"]["environment"].items():
        monkeypatch.setenv(name, value)
    assert Settings().profile is Profile.PRODUCTION  # type: ignore[call-arg]


def test_compose_names_only_what_it_declares() -> None:
    document = _compose()
    for name, service in document["services"].items():
        assert set(service.get("secrets", [])) <= set(document["secrets"]), name
        assert set(service.get("networks", [])) <= set(document["networks"]), name
        for needed in service.get("depends_on", {}):
            assert needed in document["services"], name


def test_compose_gives_our_processes_time_to_stop_and_nothing_to_write_to() -> None:
    longest = Settings.model_fields["shutdown_seconds"].default
    for name in ("serve", "worker", "migrate"):
        service = _compose()["services"][name]
        assert int(service["stop_grace_period"].removesuffix("s")) > longest
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["user"] == "10001:10001"


def test_image_and_lock_use_the_same_installer() -> None:
    pinned = next(
        line.split(":=")[1].strip()
        for line in (ROOT / "Makefile").read_text("utf-8").splitlines()
        if line.startswith("UV_VERSION")
    )
    assert f"uv=={pinned}" in (ROOT / "Dockerfile").read_text("utf-8")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        # The program is not installed where tests run; any program that is there will do.
        text = unit.read_text("utf-8").replace("/opt/ostiary/bin/ostiary", "/bin/true")
        (tmp_path / unit.name).write_text(text, "utf-8")
    ran = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr.strip()) == (0, "")


def test_services_leave_no_core_dump() -> None:
    for unit in UNITS:
        text = unit.read_text("utf-8")
        if "/opt/ostiary/bin/ostiary serve" in text or "/opt/ostiary/bin/ostiary worker" in text:
            assert "LimitCORE=0" in text, unit.name
    for name in ("serve", "worker"):
        assert _compose()["services"][name].get("ulimits", {}).get("core") == 0, name
