"""Where work may reach beyond what its caller may see, and where a request may use a saved sign-in (SR-40, SR-64)."""

from __future__ import annotations

import ast
from pathlib import Path

import ostiary

SOURCE = Path(next(iter(ostiary.__path__)))

BEYOND = {
    "core/connections/proof.py": "a directory belongs to one organization, and a mailbox to one member",
    "core/connections/keeping.py": "a mailbox belongs to one member",
}

DECLARING = {
    "entrypoints/site/notifications.py": "posts of all customers are kept in one transaction",
    "entrypoints/web/permissions.py": "a route, once it knows its caller",
    "entrypoints/cli/demo/command.py": "a command",
    "entrypoints/cli/doctor.py": "a command",
    "entrypoints/cli/runtime.py": "a command",
    "entrypoints/cli/serve.py": "the process itself; each request begins with nothing",
    "entrypoints/cli/sender.py": "the process itself",
    "entrypoints/cli/worker.py": "the process itself",
    "entrypoints/worker/runner.py": "every job",
    "entrypoints/worker/sender.py": "webhooks of every customer",
}

USING_MAILBOXES = {
    "entrypoints/api/connections.py": "check a connection",
    "entrypoints/console/connections.py": "check a connection",
}


def calls(name: str) -> dict[str, list[ast.Call]]:
    """Return the calls of a function, by file."""
    found: dict[str, list[ast.Call]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                found.setdefault(str(path.relative_to(SOURCE)), []).append(node)
    return found


def test_work_looks_beyond_its_organization_in_known_places_for_known_reasons() -> None:
    found = {
        file: [ast.literal_eval(call.args[0]) for call in made] for file, made in calls("everybody").items()
    }
    assert found == {file: [why] for file, why in BEYOND.items()}


def test_instance_wide_work_is_declared_in_known_places() -> None:
    found = set(calls("instance_wide")) - {"core/kernel/reach.py"}
    assert found == set(DECLARING)


def test_routes_that_use_mailboxes_beside_the_mailbox_api_are_known() -> None:
    found = {
        file: sum(any(given.arg == "uses_mailbox" for given in call.keywords) for call in made)
        for file, made in calls("requires").items()
    }
    assert {file for file, count in found.items() if count} == set(USING_MAILBOXES)
    assert all(count <= 1 for count in found.values())
