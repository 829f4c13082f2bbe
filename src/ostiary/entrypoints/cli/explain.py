"""``ostiary explain``: what a reason id or a number of Microsoft's means, and what to do about it."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated

import typer

from ostiary.core.reasons.catalogue import CATALOGUE, find_reason
from ostiary.core.reasons.classify import reason_of_number, variant_of
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.cli.outcome import ExitCode

_NUMBER = re.compile(r"^(?:AADSTS)?(\d{4,7})$", re.IGNORECASE)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain", epilog="Next: ostiary doctor")(explain_command)


def explain_command(
    what: Annotated[str, typer.Argument(help="A reason id (not_admin) or a Microsoft number (AADSTS50105).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what a reason or a Microsoft error number means, who can fix it, and how.

    Examples:

        ostiary explain not_admin

        ostiary explain AADSTS50105
    """
    number = _NUMBER.match(what.strip())
    reason_id, codes = (
        (what.strip().lower(), ()) if number is None else (_of_number(int(number[1])), (int(number[1]),))
    )
    reason = find_reason(reason_id) if reason_id else None
    if reason is None:
        print(f"Nothing is known about {what}. Reasons: {', '.join(sorted(CATALOGUE))}", file=sys.stderr)
        raise typer.Exit(ExitCode.NOT_FOUND)
    where = next(each for each in (Where.CONSENT, Where.CONNECT, Where.HEALTH) if each in reason.where)
    words = explain(reason.id, where=where, values={}, variant=variant_of(reason.id, codes))
    if as_json:
        print(json.dumps(_document(words), ensure_ascii=False))
        return
    print(f"{words.headline}\n")
    rows = [("Why", words.why), ("Who can fix it", words.who_can_fix)]
    rows += [
        ("Do this next" if not index else "", action.label) for index, action in enumerate(words.actions)
    ]
    rows.append(("Reason", words.reason_id))
    for label, text in rows:
        print(f"  {label:<15} {text}")
    for copyable in words.copyables:
        print(f"\n{copyable.title}\n\n{copyable.text}")


def _of_number(number: int) -> str | None:
    found = [reason_of_number(number, where=where) for where in (Where.CONSENT, Where.CONNECT, Where.HEALTH)]
    # In some flows a number says less than in others: take the one that says most.
    telling = [reason for reason in found if reason not in (None, "unknown", "session_lost")]
    return next(iter([*telling, *found]), None)


def _document(words: Explanation) -> dict[str, object]:
    return {
        "ok": True,
        "reason": words.reason_id,
        "title": words.headline,
        "why": words.why,
        "who": words.fixer.value,
        "who_can_fix": words.who_can_fix,
        "next": [{"id": action.id, "label": action.label} for action in words.actions],
    }
