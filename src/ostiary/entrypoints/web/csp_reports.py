"""Where browsers report that a page tried something its policy forbids."""

from __future__ import annotations

import json
from typing import Any, Final, cast
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.entrypoints.web.permissions import requires

router = APIRouter()
log = structlog.get_logger("ostiary.web")

_MOST_PER_REQUEST: Final = 5


@router.post("/csp-report", dependencies=[requires(Permission.PUBLIC, form=False)], include_in_schema=False)
async def receive_report(request: Request) -> Response:
    """Log what was blocked. Anybody can send this, so it is only a hint, and paths are cut short."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        return Response(status_code=204)
    reports = cast("list[Any]", body) if isinstance(body, list) else [body]
    for report in reports[:_MOST_PER_REQUEST]:
        if isinstance(report, dict):
            _log(cast("dict[str, Any]", report))
    return Response(status_code=204)


def _log(report: dict[str, Any]) -> None:
    # The older report-uri form nests under "csp-report", the Reporting API under "body".
    inner = report.get("csp-report") or report.get("body") or {}
    if not isinstance(inner, dict):
        return
    facts = cast("dict[str, Any]", inner)
    log.warning(
        "content_security_policy_violation",
        directive=_short(facts.get("effective-directive") or facts.get("effectiveDirective")),
        page=_first_segment(facts.get("document-uri") or facts.get("documentURL")),
        blocked=_first_segment(facts.get("blocked-uri") or facts.get("blockedURL")),
    )


def _short(value: object) -> str:
    return value[:60] if isinstance(value, str) else ""


def _first_segment(value: object) -> str:
    """Host and first part of the path: later parts can hold a link's secret."""
    if not isinstance(value, str):
        return ""
    parts = urlsplit(value[:500])
    return _short(parts.netloc + "/" + parts.path.lstrip("/").split("/")[0])
