"""``ostiary incidents``: what stopped working, and what works again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ostiary.bootstrap import Services
from ostiary.core.connections.incidents import Incident
from ostiary.core.kernel.page import Page
from ostiary.core.reasons.catalogue import get_reason
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("incidents", epilog="Next: ostiary explain")(list_incidents)


def list_incidents(
    organization: Annotated[str | None, typer.Option("--org", help="Only this customer.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    count: Annotated[int, typer.Option("-n", "--lines", help="At most this many.", min=1, max=1000)] = 50,
    as_json: JSONOption = False,
) -> None:
    """List troubles of connections and approvals, newest first. Each is listed once, from its first notice to its end.

    Examples:

        ostiary incidents --org hv

        ostiary incidents --all --json
    """

    async def use(services: Services) -> Page[Incident]:
        own = None if organization is None else (await services.organizations.resolve(organization)).id
        return await services.incidents.page(
            organization_id=own, is_open=None if everything else True, limit=count
        )

    page = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "incidents": [_document(each) for each in page.items]})
        return
    if not page.items:
        advise("Nothing is wrong." if not everything else "Nothing was ever wrong.")
        return
    print_table(
        ("SINCE", "WHAT", "REASON", "WHO CAN FIX IT", "ENDED", "REFERENCE"),
        [
            (
                f"{each.opened_at:%Y-%m-%d %H:%M}",
                one_line(each.label),
                each.reason,
                get_reason(each.reason).fixer.value.replace("_", " "),
                "" if each.closed_at is None else f"{each.closed_at:%Y-%m-%d %H:%M}",
                each.reference,
            )
            for each in page.items
        ],
    )
    if page.next_cursor is not None:
        advise(f"There are more; show them with -n {min(1000, count * 4)}.")


def _document(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "organization_id": incident.organization_id,
        "subject": incident.subject.value,
        "object_id": incident.object_id,
        "ref": incident.reference,
        "label": incident.label,
        "reason": incident.reason,
        "opened_at": incident.opened_at.isoformat(),
        "changed_at": incident.changed_at.isoformat(),
        "closed_at": None if incident.closed_at is None else incident.closed_at.isoformat(),
        "end": None if incident.end is None else incident.end.value,
        "cause_id": incident.cause_id,
    }
