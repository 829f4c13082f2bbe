"""Where Microsoft Graph posts that something changed. Answered within moments, or Microsoft stops telling (graph.md §8)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from ostiary.bootstrap import Services
from ostiary.core.access.model import Permission
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.core.sync.notifications import MOST_TOKEN_CHARACTERS, TooManyWaiting, UnknownPath
from ostiary.core.sync.subscriptions import PATH
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires

ANSWER_SECONDS: Final = 2.5
"""Microsoft counts answers that take longer than three seconds against the whole host, for every customer."""

ROUTE: Final = f"{PATH}/{{segment}}"
RETRY_AFTER: Final = {"Retry-After": "5"}
"""With every 503."""

router = APIRouter(include_in_schema=False)

log = structlog.get_logger("ostiary.notifications")


@router.post(ROUTE, dependencies=[requires(Permission.PUBLIC, form=False)])
async def take(request: Request, segment: str) -> Response:
    """Echo a handshake, or keep what a post says and only then say so (SR-84, SR-85).

    Posts without a query come here only where no :class:`~ostiary.entrypoints.site.intake.Intake` stands before it.
    """
    declare(instance_wide(Duty.RECORDS))
    token = request.query_params.get("validationToken")
    if token is not None:
        if len(token) > MOST_TOKEN_CHARACTERS or not await services(request).notifications.may_echo(segment):
            return Response(status_code=404)
        # As plain text, which no page of ours lets run as anything else.
        return Response(token, media_type="text/plain")
    status = await keep(services(request), segment, request.body)
    return Response(
        status_code=status,
        headers=RETRY_AFTER if status == 503 else None,
        background=BackgroundTask(answered, status),
    )


async def answered(status: int) -> None:
    """What was kept is acknowledged from here on."""
    if status == 202:
        await hit(Failpoint.INGEST_ANSWER_SENT)


async def keep(services: Services, segment: str, read_body: Callable[[], Awaitable[bytes]]) -> int:
    """Keep what a post says; return the status to answer with. Whoever posted learns nothing else."""
    # Posts of all customers are kept together; whose each is shows by its subscription.
    declare(instance_wide(Duty.RECORDS))
    counted = services.metrics.notifications
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            receipt = await services.notifications.take(segment, await read_body())
    except UnknownPath:
        counted.labels("unknown").inc()
        return 404
    except TooManyWaiting:
        counted.labels("crowded").inc()
        return 503
    except Exception as error:
        # Whatever it was: what is not kept is not acknowledged, and Microsoft posts it again.
        counted.labels("failed").inc()
        log.warning("notification not kept", error=type(error).__name__)
        return 503
    counted.labels("kept").inc(receipt.kept_count)
    if receipt.dropped_count:
        counted.labels("dropped").inc(receipt.dropped_count)
    return 202
