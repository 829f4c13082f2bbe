"""Incidents: what stopped working, since when, who can mend it, and whether it works again (UX §7, §10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.connections.incidents import Incident, IncidentEnd, IncidentSubject
from ostiary.core.kernel.page import Page
from ostiary.core.organizations.model import Organization
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Fixer, Where
from ostiary.entrypoints.console.shell import PAGE_SIZE, render_console, render_operator
from ostiary.entrypoints.console.words import Word
from ostiary.entrypoints.web.context import organization_id, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import written_date

router = APIRouter(include_in_schema=False)

Show = Literal["open", "over", "all"]
FILTERS: Final[tuple[tuple[Show, str], ...]] = (("open", "Not solved"), ("over", "Over"), ("all", "All"))
_IS_OPEN: Final[dict[Show, bool | None]] = {"open": True, "over": False, "all": None}

_OPEN: Final = Word("Not solved", "bad", "alert")
_ENDS: Final = {
    IncidentEnd.RECOVERED: Word("Works again", "ok", "check"),
    IncidentEnd.ENDED: Word("Not used any more", "", "pause"),
}


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident as a person reads it."""

    incident: Incident
    said: Explanation
    who: str
    word: Word
    href: str
    """Where one sees more and does something."""
    organization: Organization | None = None


@router.get("/console/incidents", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_incidents(
    request: Request,
    show: Show = "open",
    after: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """List the organization's incidents, newest first."""
    at = services(request)
    own = organization_id(request)
    page = await at.incidents.page(organization_id=own, is_open=_IS_OPEN[show], cursor=after, limit=PAGE_SIZE)
    organization = await at.organizations.get(own)
    rows = [_row(request, each, organization, for_operator=False) for each in page.items]
    return await render_console(
        request,
        "console/incidents.html",
        section="incidents",
        **_context("/console/incidents", page, rows, show=show, after=after),
    )


@router.get("/operator/incidents", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_all_incidents(
    request: Request,
    show: Show = "open",
    after: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """List incidents of all customers, newest first."""
    at = services(request)
    page = await at.incidents.page(
        organization_id=None, is_open=_IS_OPEN[show], cursor=after, limit=PAGE_SIZE
    )
    known = {each.organization_id for each in page.items}
    async with at.transactions() as transaction:
        organizations = {each: await transaction.organizations.get(each) for each in sorted(known)}
    rows = [
        _row(request, each, organizations[each.organization_id], for_operator=True) for each in page.items
    ]
    return render_operator(
        request,
        "console/incidents.html",
        section="incidents",
        **_context("/operator/incidents", page, rows, show=show, after=after),
    )


def _context(
    path: str, page: Page[Incident], rows: Sequence[IncidentRow], *, show: Show, after: str | None
) -> dict[str, Any]:
    query = {} if show == "open" else {"show": show}
    return {
        "path": path,
        "rows": rows,
        "show": show,
        "filters": FILTERS,
        "next_href": page.next_cursor and f"{path}?{urlencode({**query, 'after': page.next_cursor})}",
        "first_href": path + (f"?{urlencode(query)}" if query else ""),
        "on_first": after is None,
    }


def _row(
    request: Request, incident: Incident, organization: Organization, *, for_operator: bool
) -> IncidentRow:
    settings = services(request).settings
    said = explain(
        incident.reason,
        where=Where.HEALTH,
        values={
            "vendor": settings.vendor_name,
            "org": organization.name,
            "account": incident.label,
            "date": written_date(incident.opened_at),
            "help": settings.vendor_help_email,
            "ref": incident.reference,
        },
    )
    is_connection = incident.subject is IncidentSubject.CONNECTION
    if for_operator:
        href = f"/operator/reference?{urlencode({'ref': incident.reference})}"
    else:
        href = f"/console/connections/{incident.object_id}" if is_connection else "/console/approval"
    return IncidentRow(
        incident,
        said,
        # The reader is not whose mailbox it is.
        "The person" if said.fixer is Fixer.YOU else said.who_can_fix,
        _OPEN if incident.end is None else _ENDS[incident.end],
        href,
        organization if for_operator else None,
    )
