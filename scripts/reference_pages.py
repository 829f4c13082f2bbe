"""Write the reference pages that are made from code: settings and reasons. `make docs` runs it; a test compares."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from ostiary.core.reasons.catalogue import CATALOGUE
from ostiary.core.reasons.model import Reason
from ostiary.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Made by `make docs` from the code; change the code, not this page. -->"

WHERE = {"C": "approve", "U": "connect", "H": "an existing connection"}


def settings_page() -> str:
    """Return docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        NOTE,
        "",
        "Every setting is an environment variable, read once at start. `ostiary --env-file FILE …` reads a file of",
        "`NAME=value` lines for what the environment does not say. Lists are separated by commas. A process that",
        "finds something missing or unsafe says which variable and stops; it never prints a value.",
        "",
        "| Variable | Type | Default | Meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        lines.append(
            f"| `OSTIARY_{name.upper()}` | {_type(field)} | {_default(field)} | {_cell(field.description or '')} |"
        )
    return "\n".join(lines) + "\n"


def reasons_page() -> str:
    """Return docs/reference/reasons.md."""
    lines = [
        "# Reasons",
        "",
        NOTE,
        "",
        "A reason id is the same word on a page, in the audit log, in the API (`reason`), on the command line",
        "(`ostiary explain ID`) and as a scenario of the emulator. Numbers are AADSTS codes that hint at the reason.",
    ]
    for reason in sorted(CATALOGUE.values(), key=lambda each: each.id):
        lines += ["", f"## `{reason.id}`", "", *_reason(reason)]
    return "\n".join(lines) + "\n"


def _reason(reason: Reason) -> list[str]:
    headlines = dict.fromkeys([reason.headline, reason.connect_headline or reason.headline])
    where = ", ".join(
        WHERE[place.value] for place in sorted(reason.where, key=lambda each: "CUH".index(each.value))
    )
    actions = dict.fromkeys(action.label for action in (*reason.actions, *reason.connect_actions))
    numbers = ", ".join(str(number) for number in sorted(reason.aadsts)) or "none"
    return [
        f"**{' / '.join(headlines)}**",
        "",
        f"- Can appear when: {where}",
        f"- Why: {reason.why}",
        f"- Who can fix it: {reason.who_can_fix}",
        f"- Next steps: {' · '.join(actions) or 'none'}",
        f"- Our own retries: {reason.retry.value.replace('_', ' ')}",
        f"- AADSTS hints: {numbers}",
    ]


def _type(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) in (Union, UnionType) and len(parts) == 1:
        annotation = parts[0]
    if get_origin(annotation) is tuple:
        return "list of text"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Path: "path"}
    return "secret" if annotation is SecretStr else names.get(annotation, str(annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None or value == ():
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES = {
    ROOT / "docs" / "reference" / "settings.md": settings_page,
    ROOT / "docs" / "reference" / "reasons.md": reasons_page,
}


def main() -> int:
    """Write the pages; with --check, only say whether they are up to date."""
    stale = [page for page, make in PAGES.items() if not page.exists() or page.read_text("utf-8") != make()]
    if "--check" in sys.argv:
        for page in stale:
            print(f"{page.relative_to(ROOT)} is out of date; run: make docs")
        return 1 if stale else 0
    for page in stale:
        page.write_text(PAGES[page](), "utf-8")
        print(f"wrote {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
