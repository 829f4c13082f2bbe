"""EWS exposure: which customers still depend on it, and whether they will be done in time (UX §10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.connections.figures import AT_RISK_AFTER, PACE_WEEKS
from ostiary.core.consent.model import EWS_ENDS_ON
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)

_MOST: Final = 200


@router.get("/operator/ews", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_exposure(request: Request) -> Response:
    """List directories by mailboxes still on EWS."""
    at = services(request)
    now = at.clock.now()
    async with at.transactions() as transaction:
        rows = await transaction.figures.ews_exposure(
            moved_since=now - timedelta(weeks=PACE_WEEKS), limit=_MOST
        )
    return render_operator(
        request,
        "console/operator_ews.html",
        section="ews",
        rows=rows,
        total=sum(row.on_ews for row in rows),
        days=(EWS_ENDS_ON - now.date()).days,
        ends_on=EWS_ENDS_ON,
        risk_day=AT_RISK_AFTER,
        pace_weeks=PACE_WEEKS,
        today=now.date(),
    )
