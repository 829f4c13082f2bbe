"""How fast mailboxes are used now, and which ones Microsoft asked us to leave alone for a while."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)

_SHOWN: Final = 100


@router.get("/operator/traffic", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_traffic(request: Request) -> Response:
    """List mailboxes in use or paused, the longest pause first."""
    at = services(request)
    loads = await at.governor.loads(limit=_SHOWN)
    people = {(load.key.tenant_id, load.key.object_id) for load in loads}
    async with at.transactions() as transaction:
        found = await transaction.connections.of_people(people)
    return render_operator(
        request,
        "console/operator_traffic.html",
        section="traffic",
        rows=[(load, found.get((load.key.tenant_id, load.key.object_id))) for load in loads],
        most_at_once=at.settings.mailbox_calls_at_once,
        most_calls=at.settings.mailbox_calls_per_10_minutes,
        shown=_SHOWN,
    )
