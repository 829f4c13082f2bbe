"""Erase and export for an organization's admins: one person, one mailbox, or a copy of everything (SR-102)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.connections.erase import EraseReceipt
from ostiary.core.kernel.errors import Conflict
from ostiary.entrypoints.console.shell import render_console
from ostiary.entrypoints.web.context import actor, organization_id, principal, services
from ostiary.entrypoints.web.download import export_answer
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)


@router.post("/console/settings/export", dependencies=[requires(Permission.CONSOLE_MANAGE, fresh=True)])
async def export_organization(request: Request) -> Response:
    """Send everything stored about the organization and its people."""
    at = services(request)
    organization = await at.organizations.get(organization_id(request))
    rows = at.export.rows(organization.id, actor=actor(request))
    return await export_answer(rows, file_name=f"{organization.id}.json")


@router.post(
    "/console/members/{member_id}/export", dependencies=[requires(Permission.CONSOLE_MANAGE, fresh=True)]
)
async def export_member(request: Request, member_id: str) -> Response:
    """Send everything stored about one person."""
    own = organization_id(request)
    member = await services(request).organizations.get_member(member_id, organization_id=own)
    rows = services(request).export.rows(own, member_id=member.id, actor=actor(request))
    return await export_answer(rows, file_name=f"{member.id}.json")


@router.post(
    "/console/connections/{connection_id}/export",
    dependencies=[requires(Permission.CONSOLE_MANAGE, fresh=True)],
)
async def export_connection(request: Request, connection_id: str) -> Response:
    """Send everything stored about one mailbox."""
    own = organization_id(request)
    connection = await services(request).connections.get(connection_id, organization_id=own)
    rows = services(request).export.rows(own, connection_id=connection.id, actor=actor(request))
    return await export_answer(rows, file_name=f"{connection.id}.json")


@router.get("/console/members/{member_id}/erase", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def show_erase_member(request: Request, member_id: str) -> Response:
    """Say what erasing a person deletes, and ask for their address."""
    return await _ask_for_member(request, member_id)


@router.post(
    "/console/members/{member_id}/erase", dependencies=[requires(Permission.CONSOLE_MANAGE, fresh=True)]
)
async def erase_member(
    request: Request, member_id: str, typed: Annotated[str, Form(max_length=400)] = ""
) -> Response:
    """Erase a person, once their address was typed."""
    own = organization_id(request)
    member = await services(request).organizations.get_member(member_id, organization_id=own)
    if member.id == principal(request).id:
        raise Conflict("You can’t erase yourself. Another organization admin can.")
    if typed.strip().casefold() != member.email.casefold():
        return await _ask_for_member(request, member_id, typed=typed, status_code=400)
    receipt = await services(request).erasure.erase_member(
        member.id, organization_id=own, actor=actor(request)
    )
    return await _receipt(request, receipt, section="members")


@router.get("/console/connections/{connection_id}/erase", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def show_erase_connection(request: Request, connection_id: str) -> Response:
    """Say what erasing a mailbox deletes, and ask for its address."""
    return await _ask_for_connection(request, connection_id)


@router.post(
    "/console/connections/{connection_id}/erase",
    dependencies=[requires(Permission.CONSOLE_MANAGE, fresh=True)],
)
async def erase_connection(
    request: Request, connection_id: str, typed: Annotated[str, Form(max_length=400)] = ""
) -> Response:
    """Erase what is known of a mailbox, once its address was typed."""
    own = organization_id(request)
    connection = await services(request).connections.get(connection_id, organization_id=own)
    if typed.strip().casefold() != connection.address.casefold():
        return await _ask_for_connection(request, connection_id, typed=typed, status_code=400)
    receipt = await services(request).erasure.erase_connection(
        connection.id, organization_id=own, actor=actor(request)
    )
    return await _receipt(request, receipt, section="connections")


async def _ask_for_member(
    request: Request, member_id: str, *, typed: str | None = None, status_code: int = 200
) -> Response:
    own = organization_id(request)
    member = await services(request).organizations.get_member(member_id, organization_id=own)
    return await render_console(
        request,
        "console/erase.html",
        section="members",
        status_code=status_code,
        name=member.display_name,
        word=member.email,
        back=f"/console/members/{member.id}",
        is_person=True,
        is_self=member.id == principal(request).id,
        typed=typed,
    )


async def _ask_for_connection(
    request: Request, connection_id: str, *, typed: str | None = None, status_code: int = 200
) -> Response:
    own = organization_id(request)
    connection = await services(request).connections.get(connection_id, organization_id=own)
    return await render_console(
        request,
        "console/erase.html",
        section="connections",
        status_code=status_code,
        name=connection.address,
        word=connection.address,
        back=f"/console/connections/{connection.id}",
        is_person=False,
        is_self=False,
        typed=typed,
    )


async def _receipt(request: Request, receipt: EraseReceipt, *, section: str) -> Response:
    return await render_console(request, "console/erased.html", section=section, receipt=receipt)
