"""Only these places may open a sealed value, each for its own purpose (SR-39, SR-40)."""

from __future__ import annotations

import ast
from pathlib import Path

import ostiary

SOURCE = Path(next(iter(ostiary.__path__)))

ALLOWED = {
    "core/connections/tokens.py": "use and refresh a saved sign-in, on record first",
    "core/connections/rewrap.py": "wrap it under the current key, on record first",
    "core/vault/service.py": "the vault itself",
    "entrypoints/api/idempotency.py": "the stored answer of a repeated API call; never a token",
}


def openings() -> set[str]:
    """Return the files that call a vault's ``open`` or ``seal_again``."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = ast.unparse(node.func.value)
            opens = node.func.attr == "open" and (
                "vault" in owner or (owner == "self" and path.parent.name == "vault")
            )
            if opens or node.func.attr == "seal_again":
                found.add(str(path.relative_to(SOURCE)))
    return found


def test_sealed_values_are_opened_in_known_places_only() -> None:
    assert openings() == set(ALLOWED)


def test_no_page_console_or_command_reaches_refresh_tokens() -> None:
    # The demo looks whether the row is gone after a disconnect.
    demo = SOURCE / "entrypoints/cli/demo/steps/connecting.py"
    reaching = [
        str(path.relative_to(SOURCE))
        for path in (SOURCE / "entrypoints").rglob("*.py")
        if path != demo
        and ("refresh_tokens.find" in path.read_text("utf-8") or ".unwrap(" in path.read_text("utf-8"))
    ]
    assert reaching == []
