"""``ostiary explain``: what a reason id, a number of Microsoft's or a person's reference means, and what to do."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ostiary.bootstrap import Services
from ostiary.core.audit.model import AuditRecord
from ostiary.core.kernel.ids import parse_reference
from ostiary.core.reasons.catalogue import CATALOGUE, find_reason
from ostiary.core.reasons.classify import reason_of_number, variant_of
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import run_with_services

_NUMBER = re.compile(r"^(?:AADSTS)?(\d{4,7})$", re.IGNORECASE)
_MOST_RECORDS = 100


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain", epilog="Next: ostiary doctor")(explain_command)


def explain_command(
    what: Annotated[
        str,
        typer.Argument(
            help="A reason id (not_admin), a Microsoft number (AADSTS50105) or a reference (CN-5H2R-9WTB)."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what a reason, a Microsoft error number or a person's reference means, who can fix it, and how.

    A reference is looked up in this instance's audit log; the others need no settings.

    Examples:

        ostiary explain AADSTS50105

        ostiary explain CN-5H2R-9WTB
    """
    text = what.strip()
    reference = parse_reference(text)
    records = () if reference is None else _records(reference, as_json=as_json)
    number = _NUMBER.match(text)
    codes: tuple[int, ...] = () if number is None else (int(number[1]),)
    reason_id = _newest_reason(records) if records else _of_number(codes[0]) if codes else text.lower()
    words = _explain(reason_id, codes)
    if words is None and not records:
        print(f"Nothing is known about {what}. Reasons: {', '.join(sorted(CATALOGUE))}", file=sys.stderr)
        raise typer.Exit(ExitCode.NOT_FOUND)
    if as_json:
        print(json.dumps(_document(words, reference, records), ensure_ascii=False))
        return
    for record in records:
        print(
            f"{record.at:%Y-%m-%d %H:%M:%S} UTC  {record.actor.name or record.actor.kind}: {record.sentence}"
        )
    if words is not None:
        print(("\n" if records else "") + words.headline + "\n")
        _print_words(words)


def _print_words(words: Explanation) -> None:
    rows = [("Why", words.why), ("Who can fix it", words.who_can_fix)]
    rows += [
        ("Do this next" if not index else "", action.label) for index, action in enumerate(words.actions)
    ]
    rows.append(("Reason", words.reason_id))
    for label, text in rows:
        print(f"  {label:<15} {text}")
    for copyable in words.copyables:
        print(f"\n{copyable.title}\n\n{copyable.text}")


def _records(reference: str, *, as_json: bool) -> tuple[AuditRecord, ...]:
    async def use(services: Services) -> tuple[AuditRecord, ...]:
        page = await services.audit.list_records(
            organization_id=None, reference=reference, limit=_MOST_RECORDS
        )
        return tuple(reversed(page.items))

    return run_with_services(use, as_json=as_json)


def _newest_reason(records: Sequence[AuditRecord]) -> str | None:
    return next((record.reason for record in reversed(records) if record.reason), None)


def _explain(reason_id: str | None, codes: tuple[int, ...]) -> Explanation | None:
    reason = find_reason(reason_id) if reason_id else None
    if reason is None:
        return None
    where = next(each for each in (Where.CONSENT, Where.CONNECT, Where.HEALTH) if each in reason.where)
    return explain(reason.id, where=where, values={}, variant=variant_of(reason.id, codes))


def _of_number(number: int) -> str | None:
    named = next((reason.id for reason in CATALOGUE.values() if number in reason.aadsts), None)
    if named is not None:
        return named
    found = (reason_of_number(number, where=where) for where in (Where.CONSENT, Where.CONNECT, Where.HEALTH))
    return next((reason for reason in found if reason not in (None, "unknown")), None)


def _document(
    words: Explanation | None, reference: str | None, records: Sequence[AuditRecord]
) -> dict[str, Any]:
    document: dict[str, Any] = {"ok": True}
    if words is not None:
        document |= {
            "reason": words.reason_id,
            "title": words.headline,
            "why": words.why,
            "who": words.fixer.value,
            "who_can_fix": words.who_can_fix,
            "next": [{"id": action.id, "label": action.label} for action in words.actions],
        }
    if reference is not None:
        document["ref"] = reference
        document["records"] = [
            {
                "at": record.at.isoformat(),
                "what": record.what,
                "sentence": record.sentence,
                "reason": record.reason,
            }
            for record in records
        ]
    return document
