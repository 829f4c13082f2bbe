"""Probes and metrics for machines. None of them carries a name or an address (SR-110)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from ostiary import __version__
from ostiary.core.access.model import Permission
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

router = APIRouter(include_in_schema=False)


@router.get("/healthz", dependencies=[requires(Permission.PUBLIC)])
async def healthz() -> PlainTextResponse:
    """Say that the process is alive; asks nothing of anybody, so that a slow database restarts no one."""
    return PlainTextResponse("ok\n")


@router.get("/readyz", dependencies=[requires(Permission.PUBLIC)])
async def readyz(request: Request) -> JSONResponse:
    """Say whether requests should be sent here: 200 or 503, and nothing of why."""
    ready = all((await services(request).health.readiness()).values())
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503)


@router.get("/health", dependencies=[requires(Permission.METRICS_READ)])
async def health(request: Request) -> JSONResponse:
    """Say which part does not work, for whoever may know: 200 or 503."""
    parts = await services(request).health.readiness()
    ready = all(parts.values())
    return JSONResponse(
        {"ready": ready, "version": __version__, "parts": parts}, status_code=200 if ready else 503
    )


@router.get("/metrics", dependencies=[requires(Permission.METRICS_READ)])
async def metrics(request: Request) -> Response:
    """Give Prometheus its text; connections are counted as stored."""
    at = services(request)
    async with at.transactions() as transaction:
        counts = await transaction.connections.count_by_status(None)
    at.metrics.connections.clear()
    for status, count in counts.items():
        at.metrics.connections.labels(status.value).set(count)
    return Response(at.metrics.render(), media_type=at.metrics.content_type)
