"""Members and licences: find people, give and take licences, invite them to connect."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.roster import RosterEntry
from ostiary.core.kernel.errors import Conflict, InvalidRequest
from ostiary.entrypoints.console.shell import PAGE_SIZE, render_console
from ostiary.entrypoints.console.words import CONNECTION_WORDS, SHOWN_STATUSES
from ostiary.entrypoints.web.context import actor, organization_id, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)

Show = Literal["all", "licensed", "unlicensed", "waiting"]
FILTERS: Final[tuple[tuple[Show, str], ...]] = (
    ("all", "Everybody"),
    ("licensed", "With a licence"),
    ("unlicensed", "Without a licence"),
    ("waiting", "Licensed, not connected"),
)
_LICENSED: Final[dict[Show, bool | None]] = {
    "all": None,
    "licensed": True,
    "unlicensed": False,
    "waiting": True,
}


@router.get("/console/members", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_members(
    request: Request,
    show: Show = "all",
    status: ConnectionStatus | None = None,
    q: Annotated[str, Query(max_length=100)] = "",
    after: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """List people, with search and filters in the address."""
    return await _list(request, show=show, status=status, q=q, after=after)


@router.post("/console/members/licences", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def change_licences(
    request: Request,
    action: Annotated[Literal["give", "take"], Form()],
    member: Annotated[list[str], Form(default_factory=list)],
    show: Annotated[Show, Form()] = "all",
    status: Annotated[ConnectionStatus | Literal[""], Form()] = "",
    q: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Give licences to the chosen people or take them away: all of them or none."""
    organizations = services(request).organizations
    change = organizations.give_licences if action == "give" else organizations.take_licences
    try:
        await change(member, organization_id=organization_id(request), actor=actor(request))
    except (Conflict, InvalidRequest) as refusal:
        return await _list(
            request,
            show=show,
            status=status or None,
            q=q,
            after=None,
            problem=refusal.message,
            chosen=member,
            status_code=409,
        )
    query = urlencode({key: value for key, value in (("show", show), ("status", status), ("q", q)) if value})
    return see_other(f"/console/members?{query}")


@router.get("/console/members/new", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def show_new_member(request: Request) -> Response:
    """Show the form for one person."""
    return await render_console(request, "console/member_new.html", section="members", problems=[], values={})


@router.post("/console/members/new", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def add_member(
    request: Request,
    display_name: Annotated[str, Form(max_length=300)] = "",
    email: Annotated[str, Form(max_length=400)] = "",
    licensed: Annotated[bool, Form()] = False,
) -> Response:
    """Add one person. The address is the id until the vendor's own system names another."""
    try:
        member, _ = await services(request).organizations.add_member(
            organization_id=organization_id(request),
            external_id=email.strip().lower(),
            email=email,
            display_name=display_name,
            licensed=licensed,
            actor=actor(request),
        )
    except (InvalidRequest, Conflict) as refusal:
        field = refusal.field if isinstance(refusal, InvalidRequest) else "licensed"
        field = "email" if field == "external_id" else field or "display_name"
        return await render_console(
            request,
            "console/member_new.html",
            section="members",
            status_code=400,
            problems=[(field, _problem(field, refusal.message))],
            values={"display_name": display_name, "email": email, "licensed": licensed},
        )
    return see_other(f"/console/members/{member.id}")


@router.get("/console/members/{member_id}", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_member(request: Request, member_id: str) -> Response:
    """Show one person, their connections and what was done."""
    own = organization_id(request)
    async with services(request).transactions() as transaction:
        member = await transaction.members.get(member_id, organization_id=own)
        connections = await transaction.connections.list_for_member(member.id)
        history = await transaction.audit.page(organization_id=own, object_id=member.id, limit=20)
    return await render_console(
        request,
        "console/member.html",
        section="members",
        row=RosterEntry(member, current_connection(connections)),
        connections=connections,
        words=CONNECTION_WORDS,
        records=history.items,
    )


@router.post("/console/members/{member_id}/invite", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def invite(request: Request, member_id: str) -> Response:
    """Make a connect link for one person and show it this once."""
    own = organization_id(request)
    member = await services(request).organizations.get_member(member_id, organization_id=own)
    if not member.licensed:
        raise Conflict(f"{member.display_name} needs a licence first.", reason="no_licence")
    made = await services(request).connections.sessions.create(
        organization_id=own, member_id=member.id, actor=actor(request)
    )
    public_url = services(request).settings.public_url.rstrip("/")
    return await render_console(
        request,
        "console/invitation.html",
        section="members",
        member=member,
        session=made.session,
        link=f"{public_url}/connect/s/{made.secret.reveal()}",
    )


def current_connection(connections: tuple[Connection, ...]) -> Connection | None:
    """Return the connection that counts: the newest that is not over."""
    ended = {ConnectionStatus.DISCONNECTED, ConnectionStatus.UNCONFIRMED, ConnectionStatus.CONNECTING}
    live = [connection for connection in connections if connection.status not in ended]
    return max(live, key=lambda connection: connection.created_at, default=None)


async def _list(
    request: Request,
    *,
    show: Show,
    status: ConnectionStatus | None,
    q: str,
    after: str | None,
    problem: str | None = None,
    chosen: list[str] | None = None,
    status_code: int = 200,
) -> Response:
    search = q.strip() or None
    if show == "waiting":
        status = ConnectionStatus.NOT_CONNECTED
    async with services(request).transactions() as transaction:
        own = organization_id(request)
        page = await transaction.roster.page(
            organization_id=own,
            search=search,
            licensed=_LICENSED[show],
            status=status,
            cursor=after,
            limit=PAGE_SIZE,
        )
        count = await transaction.roster.count(
            organization_id=own, search=search, licensed=_LICENSED[show], status=status
        )
    given = {"show": show if show != "all" else "", "status": status if show != "waiting" else "", "q": q}
    query = {key: value for key, value in given.items() if value}
    next_query = urlencode({**query, "after": page.next_cursor}) if page.next_cursor else None
    return await render_console(
        request,
        "console/members.html",
        section="members",
        status_code=status_code,
        rows=page.items,
        count=count,
        show=show,
        status=status if show != "waiting" else None,
        statuses=[(each, CONNECTION_WORDS[each].text) for each in SHOWN_STATUSES],
        q=q,
        filters=FILTERS,
        problem=problem,
        chosen=chosen or [],
        next_href=next_query and f"/console/members?{next_query}",
        first_href="/console/members" + (f"?{urlencode(query)}" if query else ""),
        on_first=after is None,
    )


def _problem(field: str, message: str) -> str:
    if field == "display_name":
        return f"Name: {message}"
    return f"Email address: {message}" if field == "email" else message
