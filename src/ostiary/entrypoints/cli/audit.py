"""``ostiary audit``: who did what."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Final

import typer

from ostiary.bootstrap import Services
from ostiary.core.audit.model import AuditRecord
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services

audit = typer.Typer(help="The audit log.", no_args_is_help=True)

_LOOK_EVERY_SECONDS: Final = 2.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(audit, name="audit")


@audit.command("tail", epilog="Next: ostiary explain")
def tail(
    organization: Annotated[str | None, typer.Option("--org", help="Only this customer.")] = None,
    count: Annotated[int, typer.Option("-n", "--lines", help="Records to begin with.", min=0, max=1000)] = 20,
    what: Annotated[str | None, typer.Option(help="Beginning of the verb, such as consent.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show the newest records, oldest of them first.

    Examples:

        ostiary audit tail --org hv

        ostiary audit tail --follow --json
    """

    async def use(services: Services) -> None:
        own = None if organization is None else (await services.organizations.resolve(organization)).id
        page = await services.audit.list_records(organization_id=own, what_prefix=what, limit=max(count, 1))
        last = page.items[0].id if page.items else None
        for record in reversed(page.items[:count]):
            _show(record, as_json)
        while follow:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            for record in await services.audit.newer_than(last, organization_id=own):
                last = record.id
                if what is None or record.what.startswith(what):
                    _show(record, as_json)

    run_with_services(use, as_json=as_json)


def _show(record: AuditRecord, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_document(record), ensure_ascii=False), flush=True)
        return
    outcome = "" if record.outcome == "done" else f" [{record.outcome}]"
    who = record.actor.name or record.actor.kind.value
    reference = f"  {record.reference}" if record.reference else ""
    print(
        f"{record.at:%Y-%m-%d %H:%M:%S}  {one_line(who)}: {one_line(record.sentence)}{outcome}{reference}",
        flush=True,
    )


def _document(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at.isoformat(),
        "what": record.what,
        "sentence": record.sentence,
        "outcome": record.outcome,
        "actor": {
            "kind": record.actor.kind.value,
            "id": record.actor.id,
            "name": record.actor.name,
            "ip": record.actor.ip,
        },
        "organization_id": record.organization_id,
        "object_id": record.object_id,
        "ref": record.reference,
        "reason": record.reason,
        "detail": dict(record.detail),
    }
