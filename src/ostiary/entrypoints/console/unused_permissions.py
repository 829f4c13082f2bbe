"""Permissions that mailboxes hold and nobody used for 30, 60 or 90 days: what could be given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.connections.usage import PERIODS, UnusedPermissions
from ostiary.entrypoints.console.shell import PAGE_SIZE, render_console
from ostiary.entrypoints.web.context import organization_id, services
from ostiary.entrypoints.web.permissions import requires

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

router = APIRouter(include_in_schema=False)

Days = Literal["30", "60", "90"]

MOST_ROUNDS: Final = 20
"""Pages of connections looked through for one page of the list: a thousand busy mailboxes must not look like none."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of the report."""

    items: tuple[UnusedPermissions, ...]
    next_cursor: str | None


@router.get("/console/unused-permissions", dependencies=[requires(Permission.CONSOLE_READ)])
async def show_unused(
    request: Request,
    days: Days = "30",
    after: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """List mailboxes with the permissions they hold and did not use."""
    found = await _look(
        services(request), days=int(days), organization_id=organization_id(request), cursor=after
    )
    query = {} if days == "30" else {"days": days}
    path = "/console/unused-permissions"
    return await render_console(
        request,
        "console/unused_permissions.html",
        section="unused",
        path=path,
        items=found.items,
        days=int(days),
        periods=PERIODS,
        next_href=found.next_cursor and f"{path}?{urlencode({**query, 'after': found.next_cursor})}",
        first_href=path + (f"?{urlencode(query)}" if query else ""),
        on_first=after is None,
    )


async def _look(at: Services, *, days: int, organization_id: str, cursor: str | None) -> Found:
    items: list[UnusedPermissions] = []
    for _ in range(MOST_ROUNDS):
        page = await at.permission_usage.unused(
            days=days, organization_id=organization_id, cursor=cursor, limit=PAGE_SIZE
        )
        items.extend(page.items)
        cursor = page.next_cursor
        if cursor is None or len(items) >= PAGE_SIZE:
            break
    return Found(tuple(items), cursor)
