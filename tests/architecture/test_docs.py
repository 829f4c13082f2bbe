"""Pages say what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ostiary.core.reasons.catalogue import CATALOGUE
from ostiary.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_generated_reference_pages_are_up_to_date() -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "reference_pages.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_each_setting_is_documented(name: str) -> None:
    assert f"`OSTIARY_{name.upper()}`" in (ROOT / "docs/reference/settings.md").read_text("utf-8")
    assert Settings.model_fields[name].description


@pytest.mark.parametrize("reason_id", sorted(CATALOGUE))
def test_each_reason_is_documented(reason_id: str) -> None:
    assert f"## `{reason_id}`" in (ROOT / "docs/reference/reasons.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    broken = [
        target
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if not target.startswith(("http:", "https:", "mailto:", "#"))
        and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert broken == []


def test_files_named_by_the_architecture_page_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    names = set(re.findall(r"`((?:src|tests|emulator|docs|scripts|deploy|bench)/[\w./-]+)`", text))
    assert names, "the page names no file at all"
    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []


def test_names_that_the_architecture_page_puts_in_a_file_are_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    placed = re.findall(r"`([A-Za-z_.]+)`\s+in\s+`(src/[\w./-]+\.py)`", text)
    assert len(placed) > 10, "the test no longer finds the names it is about"
    missing = [
        (name, file)
        for name, file in placed
        for part in name.split(".")
        if not re.search(rf"\b(?:def|class) {part}\b", (ROOT / file).read_text("utf-8"))
    ]
    assert missing == []


def test_commands_that_pages_show_exist() -> None:
    help_text = subprocess.run(
        [str(Path(sys.executable).parent / "ostiary"), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    known = set(re.findall(r"^  ([a-z-]+) ", help_text, flags=re.MULTILINE))
    named = {
        command
        for page in PAGES
        for command in re.findall(r"`ostiary (?:--env-file \S+ )?([a-z-]+)", page.read_text("utf-8"))
    }
    assert named - known == set()


def test_every_make_verb_that_pages_name_exists() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    named = {verb for page in PAGES for verb in re.findall(r"`make ([a-z-]+)", page.read_text("utf-8"))}
    assert named - verbs == set()


def test_environment_variables_that_pages_name_are_settings() -> None:
    known = {f"OSTIARY_{name.upper()}" for name in Settings.model_fields} | {"OSTIARY_ENV_FILE"}
    named = {
        name
        for page in [*PAGES, ROOT / "compose.yaml", *ROOT.glob("deploy/*")]
        for name in re.findall(r"\bOSTIARY_[A-Z_]+[A-Z]\b", page.read_text("utf-8"))
    }
    assert named - known == set()
