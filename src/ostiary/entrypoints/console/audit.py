"""The audit log, for one organization and for all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.kernel.ids import parse_reference
from ostiary.entrypoints.console.shell import PAGE_SIZE, render_console, render_operator
from ostiary.entrypoints.web.context import organization_id, services
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)

KINDS: Final = (
    ("consent", "Microsoft approval"),
    ("approval_request", "Approval requests"),
    ("tenant", "Tenants"),
    ("member", "Members and licences"),
    ("connect", "Connecting and connections"),
    ("console", "Console sign-ins"),
    ("access", "Refused requests"),
    ("sign_in", "Returns from Microsoft"),
    ("operator", "Operators"),
    ("api_key", "API keys"),
    ("organization", "Organizations"),
)
"""What the list can be narrowed to: the beginning of the verb, and the words people see."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a person narrowed the list to; kept in the address, so that it can be bookmarked."""

    what: str = ""
    who: str = ""
    ref: str = ""
    outcome: str = ""


@router.get("/console/audit", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_audit(
    request: Request,
    what: Annotated[str, Query(max_length=60)] = "",
    who: Annotated[str, Query(max_length=100)] = "",
    ref: Annotated[str, Query(max_length=20)] = "",
    outcome: Annotated[str, Query(max_length=10)] = "",
    after: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Show what happened in one organization."""
    filters = Filters(what, who, ref, outcome)
    found = await _records(request, filters, organization_id(request), after)
    return await render_console(request, "console/audit.html", section="audit", **found)


@router.get("/operator/audit", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_all_audit(
    request: Request,
    what: Annotated[str, Query(max_length=60)] = "",
    who: Annotated[str, Query(max_length=100)] = "",
    ref: Annotated[str, Query(max_length=20)] = "",
    outcome: Annotated[str, Query(max_length=10)] = "",
    after: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Show what happened in every organization, and outside them."""
    filters = Filters(what, who, ref, outcome)
    found = await _records(request, filters, None, after)
    return render_operator(request, "console/audit.html", section="audit", **found)


async def _records(
    request: Request, filters: Filters, organization: str | None, after: str | None
) -> dict[str, Any]:
    page = await services(request).audit.list_records(
        organization_id=organization,
        what_prefix=filters.what or None,
        who=filters.who or None,
        # What is no reference cannot match; it must not mean "no filter".
        reference=(parse_reference(filters.ref) or filters.ref) if filters.ref else None,
        outcome=filters.outcome or None,
        cursor=after,
        limit=PAGE_SIZE,
    )
    chosen = {name: value for name, value in asdict(filters).items() if value}
    next_query = urlencode({**chosen, "after": page.next_cursor}) if page.next_cursor else None
    return {
        "records": page.items,
        "chosen": filters,
        "kinds": KINDS,
        "next_href": next_query and f"{request.url.path}?{next_query}",
        "on_first": after is None,
    }
