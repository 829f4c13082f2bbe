"""Connections and their health: what fails and why, one by one, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import Conflict, TemporarilyUnavailable, Throttled
from ostiary.core.organizations.model import Organization
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.console.reading import read_progress
from ostiary.entrypoints.console.shell import PAGE_SIZE, render_console
from ostiary.entrypoints.console.words import CONNECTION_WORDS, FILTERED_STATUSES
from ostiary.entrypoints.site.left_out import left_out_of
from ostiary.entrypoints.web.context import actor, organization_id, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other, written_date, written_moment

router = APIRouter(include_in_schema=False)

METHOD_FILTERS: Final = {AccessMethod.GRAPH: "Over Graph", AccessMethod.EWS: "Over EWS"}

CHECK_PROBLEMS: Final = {
    "later": "Microsoft isn’t answering properly at the moment, so nothing could be checked. Nothing has changed.",
}


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """All connections that one cause stops, so that one fix is shown once."""

    reason: str
    headline: str
    who: str
    count: int


@router.get("/console/connections", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_connections(
    request: Request,
    status: ConnectionStatus | None = None,
    reason: Annotated[str | None, Query(max_length=40)] = None,
    method: AccessMethod | None = None,
    after: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """List connections, with counts by status as filters and causes above them."""
    own = organization_id(request)
    async with services(request).transactions() as transaction:
        organization = await transaction.organizations.get(own)
        counts = await transaction.connections.count_by_status(own)
        reasons = await transaction.connections.count_by_reason(own)
        licensed = await transaction.members.count_licensed(own)
        page = await transaction.connections.page(
            organization_id=own,
            status=status,
            reason=reason,
            method=method,
            cursor=after,
            limit=PAGE_SIZE,
        )
        methods = await transaction.connections.count_by_method(own)
    chosen = (("status", status), ("reason", reason), ("method", method))
    query = {key: value for key, value in chosen if value}
    next_query = urlencode({**query, "after": page.next_cursor}) if page.next_cursor else None
    return await render_console(
        request,
        "console/connections.html",
        section="connections",
        items=page.items,
        words=CONNECTION_WORDS,
        chips=[(each, counts.get(each, 0)) for each in FILTERED_STATUSES],
        total=sum(counts.get(each, 0) for each in FILTERED_STATUSES),
        groups=_groups(request, organization, reasons),
        status=status,
        reason=reason,
        method=method,
        methods=[(each, METHOD_FILTERS[each], methods.get(each, 0)) for each in METHOD_FILTERS],
        licensed_count=licensed,
        next_href=next_query and f"/console/connections?{next_query}",
        first_href="/console/connections" + (f"?{urlencode(query)}" if query else ""),
        on_first=after is None,
    )


@router.get("/console/connections/{connection_id}", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_connection(request: Request, connection_id: str, problem: str = "") -> Response:
    """Show one connection: state, cause in the person's words, what happened to it."""
    return await _detail(request, connection_id, problem=CHECK_PROBLEMS.get(problem))


@router.post(
    "/console/connections/{connection_id}/check",
    dependencies=[requires(Permission.CONSOLE_MANAGE, uses_mailbox=True)],
)
async def check(request: Request, connection_id: str) -> Response:
    """Try the mailbox for real, now."""
    path = f"/console/connections/{connection_id}"
    try:
        await services(request).connections.check(
            connection_id, organization_id=organization_id(request), actor=actor(request)
        )
    except (TemporarilyUnavailable, Throttled):
        return see_other(f"{path}?problem=later")
    return see_other(path)


@router.post(
    "/console/connections/{connection_id}/resume", dependencies=[requires(Permission.CONSOLE_MANAGE)]
)
async def resume(request: Request, connection_id: str) -> Response:
    """Use a paused connection again, if its person has a licence."""
    own = organization_id(request)
    at = services(request)
    connection = await at.connections.get(connection_id, organization_id=own)
    member = await at.organizations.get_member(connection.member_id, organization_id=own)
    if not member.licensed:
        raise Conflict(f"{member.display_name} needs a licence first.", reason="no_licence")
    await at.connections.resume(connection.id, organization_id=own, actor=actor(request))
    return see_other(f"/console/connections/{connection.id}")


@router.post("/console/connections/{connection_id}/ask", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def ask_to_sign_in(request: Request, connection_id: str) -> Response:
    """Make a link with which the person renews exactly this connection, and show it this once."""
    own = organization_id(request)
    at = services(request)
    connection = await at.connections.get(connection_id, organization_id=own)
    member = await at.organizations.get_member(connection.member_id, organization_id=own)
    made = await at.connections.sessions.create(
        organization_id=own,
        member_id=member.id,
        connection_id=connection.id,
        mail=connection.mail,
        calendar=connection.calendar,
        actor=actor(request),
    )
    return await render_console(
        request,
        "console/invitation.html",
        section="connections",
        member=member,
        session=made.session,
        link=f"{at.settings.public_url.rstrip('/')}/connect/s/{made.secret.reveal()}",
    )


@router.get(
    "/console/connections/{connection_id}/disconnect", dependencies=[requires(Permission.CONSOLE_MANAGE)]
)
async def show_disconnect(request: Request, connection_id: str) -> Response:
    """Say what will be deleted, and ask for the address."""
    return await _confirm(request, connection_id)


@router.post(
    "/console/connections/{connection_id}/disconnect", dependencies=[requires(Permission.CONSOLE_MANAGE)]
)
async def disconnect(
    request: Request, connection_id: str, address: Annotated[str, Form(max_length=400)] = ""
) -> Response:
    """Destroy the tokens, once the address was typed."""
    own = organization_id(request)
    connection = await services(request).connections.get(connection_id, organization_id=own)
    if address.strip().lower() != connection.address.lower():
        return await _confirm(request, connection_id, typed=address, status_code=400)
    receipt = await services(request).connections.disconnect(
        connection_id, organization_id=own, actor=actor(request)
    )
    return await render_console(request, "console/disconnected.html", section="connections", receipt=receipt)


async def _detail(request: Request, connection_id: str, *, problem: str | None) -> Response:
    own = organization_id(request)
    async with services(request).transactions() as transaction:
        connection = await transaction.connections.get(connection_id, organization_id=own)
        member = await transaction.members.get(connection.member_id, organization_id=own)
        organization = await transaction.organizations.get(own)
        history = await transaction.audit.page(organization_id=own, object_id=connection.id, limit=20)
    return await render_console(
        request,
        "console/connection.html",
        section="connections",
        connection=connection,
        member=member,
        word=CONNECTION_WORDS[connection.status],
        explanation=explanation_of(request, organization, connection),
        records=history.items,
        problem=problem,
        reading=await read_progress(request, connection),
        left_out=left_out_of(request, connection, organization),
        ended=connection.status is ConnectionStatus.DISCONNECTED,
        paused=connection.status is ConnectionStatus.PAUSED,
    )


async def _confirm(
    request: Request, connection_id: str, *, typed: str | None = None, status_code: int = 200
) -> Response:
    own = organization_id(request)
    connection = await services(request).connections.get(connection_id, organization_id=own)
    if connection.status is ConnectionStatus.DISCONNECTED:
        raise Conflict(f"{connection.address} is disconnected already.", reference=connection.reference)
    return await render_console(
        request,
        "console/disconnect.html",
        section="connections",
        status_code=status_code,
        connection=connection,
        typed=typed,
    )


def explanation_of(
    request: Request, organization: Organization, connection: Connection
) -> Explanation | None:
    """Return the same words that the person sees, when something is wrong."""
    if connection.reason is None:
        return None
    settings = services(request).settings
    return explain(
        connection.reason,
        where=Where.HEALTH,
        values={
            "vendor": settings.vendor_name,
            "org": organization.name,
            "account": connection.address,
            "app_id": settings.app_client_id,
            "help": settings.vendor_help_email,
            "date": written_date(connection.changed_at),
            "time": written_moment(connection.changed_at),
            "code": None if connection.provider is None else connection.provider.code,
            "correlation_id": None if connection.provider is None else connection.provider.correlation_id,
            "ref": connection.reference,
        },
    )


def _groups(request: Request, organization: Organization, reasons: dict[str, int]) -> list[ReasonGroup]:
    values = {
        "vendor": services(request).settings.vendor_name,
        "org": organization.name,
        "account": "the person",
    }
    groups: list[ReasonGroup] = []
    for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        words = explain(reason, where=Where.HEALTH, values=values)
        groups.append(ReasonGroup(reason, words.headline, words.who_can_fix, count))
    return groups
