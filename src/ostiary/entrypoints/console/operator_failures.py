"""What stopped people most: this week against last (UX §10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.reasons.explain import explain
from ostiary.core.reasons.model import Where
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)

WEEK: Final = timedelta(days=7)
_MOST: Final = 50
_BAR: Final = 240
"""Width of the longest bar."""


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One reason, its words and its bar."""

    reason: str
    headline: str
    who: str
    this_week: int
    last_week: int
    width: int


@router.get("/operator/failures", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_failures(request: Request) -> Response:
    """Rank reasons by how often they are on the audit trail."""
    at = services(request)
    now = at.clock.now()
    async with at.transactions() as transaction:
        found = await transaction.figures.failures(
            since=now - WEEK, before=now - 2 * WEEK, until=now + timedelta(seconds=1), limit=_MOST
        )
    most = max((each.this_week for each in found), default=0) or 1
    values = {"vendor": at.settings.vendor_name}
    rows: list[FailureRow] = []
    for each in found:
        words = explain(each.reason, where=Where.CONNECT, values=values)
        width = round(_BAR * each.this_week / most)
        rows.append(
            FailureRow(each.reason, words.headline, words.who_can_fix, each.this_week, each.last_week, width)
        )
    return render_operator(
        request, "console/operator_failures.html", section="failures", rows=rows, bar_width=_BAR
    )
