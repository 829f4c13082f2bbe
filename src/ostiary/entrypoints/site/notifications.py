"""Where Microsoft Graph posts that something changed. Answered within moments, or Microsoft stops telling (graph.md §8)."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from ostiary.core.access.model import Permission
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.core.sync.notifications import MOST_TOKEN_CHARACTERS, UnknownPath
from ostiary.core.sync.subscriptions import PATH
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

ANSWER_SECONDS: Final = 2.5
"""Microsoft counts answers that take longer than three seconds against the whole host, for every customer."""

router = APIRouter(include_in_schema=False)

log = structlog.get_logger("ostiary.notifications")


@router.post(f"{PATH}/{{segment}}", dependencies=[requires(Permission.PUBLIC, form=False)])
async def take(request: Request, segment: str) -> Response:
    """Echo a handshake, or keep what a post says and only then say so (SR-84, SR-85)."""
    # Posts of all customers are kept together; whose each is shows by its subscription.
    declare(instance_wide(Duty.RECORDS))
    inbox = services(request).notifications
    token = request.query_params.get("validationToken")
    if token is not None:
        if len(token) > MOST_TOKEN_CHARACTERS or not await inbox.may_echo(segment):
            return Response(status_code=404)
        # As plain text, which no page of ours lets run as anything else.
        return Response(token, media_type="text/plain")
    metrics = services(request).metrics
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            receipt = await inbox.take(segment, await request.body())
    except UnknownPath:
        metrics.notifications.labels("unknown").inc()
        return Response(status_code=404)
    except Exception as error:
        # Whatever it was: what is not kept is not acknowledged, and Microsoft posts it again.
        metrics.notifications.labels("failed").inc()
        log.warning("notification not kept", error=type(error).__name__)
        return Response(status_code=503, headers={"Retry-After": "5"})
    metrics.notifications.labels("kept").inc(receipt.kept_count)
    metrics.notifications.labels("dropped").inc(receipt.dropped_count)
    return Response(status_code=202, background=BackgroundTask(hit, Failpoint.INGEST_ANSWER_SENT))
