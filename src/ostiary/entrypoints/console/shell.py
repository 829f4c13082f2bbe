"""The frame of every console page: whose console, which section, how many wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse

from ostiary.core.access.model import SESSION_IDLE_LIFE, Permission, Role
from ostiary.core.connections.freeze import Freeze
from ostiary.core.organizations.model import Organization
from ostiary.entrypoints.web.context import find_principal, organization_id, principal, services
from ostiary.entrypoints.web.templates import render, sign_in_path

PAGE_SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the side navigation."""

    id: str
    label: str
    path: str


SECTIONS: Final = (
    Section("overview", "Overview", "/console"),
    Section("approval", "Microsoft approval", "/console/approval"),
    Section("requests", "Approval requests", "/console/requests"),
    Section("members", "Members and licences", "/console/members"),
    Section("connections", "Connections", "/console/connections"),
    Section("incidents", "Incidents", "/console/incidents"),
    Section("unused", "Unused permissions", "/console/unused-permissions"),
    Section("audit", "Audit log", "/console/audit"),
    Section("settings", "Settings", "/console/settings"),
)

OPERATOR_SECTIONS: Final = (
    Section("overview", "Overview", "/operator"),
    Section("customers", "Customers", "/operator/customers"),
    Section("ews", "EWS exposure", "/operator/ews"),
    Section("apps", "Apps", "/operator/apps"),
    Section("incidents", "Incidents", "/operator/incidents"),
    Section("failures", "Failures", "/operator/failures"),
    Section("webhooks", "Webhooks", "/operator/webhooks"),
    Section("traffic", "Traffic", "/operator/traffic"),
    Section("freezes", "Kill switch", "/operator/freezes"),
    Section("keys", "API keys", "/operator/keys"),
    Section("people", "Operators", "/operator/people"),
    Section("audit", "Audit log", "/operator/audit"),
)


async def render_console(
    request: Request, template: str, *, section: str, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """Answer with a page of one organization's console."""
    organization, waiting, frozen = await _frame(request)
    caller = principal(request)
    return render(
        request,
        template,
        status_code=status_code,
        sections=SECTIONS,
        section=section,
        organization=organization,
        waiting_count=waiting,
        frozen=frozen,
        is_operator=caller.role is Role.OPERATOR,
        may_manage=caller.may(Permission.CONSOLE_MANAGE),
        now=services(request).clock.now(),
        session_seconds=seconds_left(request),
        sign_in_again=sign_in_path(_here(request)),
        **context,
    )


def render_operator(
    request: Request, template: str, *, section: str, status_code: int = 200, **context: Any
) -> HTMLResponse:
    """Answer with a page about all customers."""
    return render(
        request,
        template,
        status_code=status_code,
        sections=OPERATOR_SECTIONS,
        section=section,
        organization=None,
        waiting_count=0,
        frozen=None,
        is_operator=True,
        may_manage=False,
        now=services(request).clock.now(),
        session_seconds=seconds_left(request),
        sign_in_again=sign_in_path(_here(request)),
        **context,
    )


def seconds_left(request: Request) -> int:
    """How long the caller's session lasts if nothing is done with it from now on (SR-52)."""
    ends_at = principal(request).session_ends_at
    idle = SESSION_IDLE_LIFE.total_seconds()
    if ends_at is None:
        return int(idle)
    left = (ends_at - services(request).clock.now()).total_seconds()
    return max(0, int(min(idle, left)))


def _here(request: Request) -> str | None:
    """Where to come back to; a form that was just sent has no address of its own."""
    if request.method not in {"GET", "HEAD"}:
        return None
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def recently_signed_in(request: Request) -> bool:
    """Whether the caller signed in a moment ago, as a sensitive act asks for (SR-57)."""
    caller = find_principal(request)
    return caller is not None and caller.is_fresh(services(request).clock.now())


def recent_moment(value: datetime, now: datetime) -> str:
    """``Today 14:02``, ``Yesterday 16:20``, ``3 November 14:02``, ``3 November 2025 14:02`` (UTC)."""
    if value.date() == now.date():
        day = "Today"
    elif value.date() == (now - timedelta(days=1)).date():
        day = "Yesterday"
    else:
        day = f"{value.day} {value:%B}" + ("" if value.year == now.year else f" {value.year}")
    return f"{day} {value:%H:%M}"


async def _frame(request: Request) -> tuple[Organization, int, Freeze | None]:
    async with services(request).transactions() as transaction:
        organization = await transaction.organizations.get(organization_id(request))
        waiting = await transaction.approval_requests.count_waiting(organization.id)
        frozen = await transaction.freezes.covering(organization.id)
    return organization, waiting, frozen
