"""Settings of one organization: whom we write to, and what people see of the vendor (UX §3)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.organizations.model import MemberRole
from ostiary.entrypoints.console.shell import render_console
from ostiary.entrypoints.site.facts import genuine_facts
from ostiary.entrypoints.web.context import actor, organization_id, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)


@router.get("/console/settings", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_settings(request: Request, saved: str = "") -> Response:
    """Show contacts, and the facts that pages show of the vendor."""
    return await _page(request, saved=bool(saved))


@router.post("/console/settings/contact", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def set_contact(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    email: Annotated[str, Form(max_length=320)] = "",
) -> Response:
    """Keep who the IT administrator is."""
    try:
        await services(request).organizations.set_it_contact(
            organization_id(request),
            name=name.strip() or None,
            email=email.strip() or None,
            actor=actor(request),
        )
    except InvalidRequest as error:
        return await _page(request, problem=error.message, name=name, email=email)
    return see_other("/console/settings?saved=1")


@router.post("/console/settings/digest", dependencies=[requires(Permission.CONSOLE_MANAGE)])
async def set_digest(request: Request, digest: Annotated[bool, Form()] = False) -> Response:
    """Send the weekly mail, or stop it."""
    await services(request).organizations.set_weekly_digest(
        organization_id(request), is_on=digest, actor=actor(request)
    )
    return see_other("/console/settings?saved=1")


async def _page(
    request: Request,
    *,
    saved: bool = False,
    problem: str | None = None,
    name: str | None = None,
    email: str | None = None,
) -> Response:
    at = services(request)
    organization = await at.organizations.get(organization_id(request))
    admins = await at.organizations.list_members(
        organization_id=organization.id, role=MemberRole.ORGANIZATION_ADMIN, limit=50
    )
    return await render_console(
        request,
        "console/settings.html",
        section="settings",
        status_code=200 if problem is None else 400,
        name=(organization.it_contact_name or "") if name is None else name,
        email=(organization.it_contact_email or "") if email is None else email,
        admins=admins.items,
        genuine=genuine_facts(request),
        sends_mail=at.approvals.sends_mail,
        saved=saved,
        problem=problem,
    )
