"""What commands that change or show records share: the actor, and JSON that is one object."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Annotated, Any

import typer

from ostiary.core.audit.model import Actor, ActorKind

JSONOption = Annotated[bool, typer.Option("--json", help="One JSON object.")]
OrganizationOption = Annotated[
    str, typer.Option("--org", help="The customer: your own id for it, or ours.", show_default=False)
]


def command_line_actor() -> Actor:
    """Return who acts: whoever has a shell on this machine, by the name of their account."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Actor(ActorKind.OPERATOR, name=f"{name} (command line)")


def print_json(document: dict[str, Any]) -> None:
    """Write one object to standard output."""
    print(json.dumps(document, ensure_ascii=False, default=str))


def advise(text: str) -> None:
    """Write advice to standard error, where it does not get into a script's input."""
    print(text, file=sys.stderr)
