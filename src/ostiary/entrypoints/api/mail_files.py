"""Attachments and whole messages of a connection, as streams both ways."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Annotated, Any, Final

import structlog
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.requests import ClientDisconnect

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import InvalidRequest, OstiaryError
from ostiary.core.mail.attachments import MOST_ATTACHMENT_BYTES, ByteStream, NewAttachment
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once_elsewhere
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.mail_shapes import AttachmentShape
from ostiary.entrypoints.api.problems import MAILBOX, MAILBOX_CHANGING
from ostiary.entrypoints.api.shapes import Line, ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.errors import AnswerCutShort
from ostiary.entrypoints.web.permissions import requires

log = structlog.get_logger("ostiary.mail")

router = api_router(
    "/v1/connections/{connection_id}/messages/{message_id}", tag="mail", dependencies=[NAMES_CONNECTION]
)

LONGEST_SILENCE_SECONDS: Final = 60.0
"""An upload that brings nothing for so long is given up: it holds a place at Microsoft."""
_BYTES: Final[dict[str, Any]] = {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
}
_UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"The bytes of the file, at most {MOST_ATTACHMENT_BYTES // 1024**2} MB. `Content-Length` is needed.",
        "content": _BYTES,
    }
}
_CONTENT_TYPE: Final = r"^[A-Za-z0-9!#$&^_.+-]{1,120}/[A-Za-z0-9!#$&^_.+-]{1,120}$"


class FileQuery(RequestShape):
    """What the file is."""

    name: Annotated[
        Line,
        Field(
            min_length=1, max_length=255, description="Its name, without a path.", examples=["figures.xlsx"]
        ),
    ]
    content_type: Annotated[str, Field(pattern=_CONTENT_TYPE, description="What the message says it is.")] = (
        "application/octet-stream"
    )
    inline: Annotated[bool, Field(description="A picture that the HTML body shows by its `content_id`.")] = (
        False
    )
    content_id: Annotated[
        str | None,
        Field(
            pattern=r"^[\x21-\x3b\x3d\x3f-\x7e]{1,255}$",
            description="What `cid:` in the HTML body names, without angle brackets.",
        ),
    ] = None


@router.post(
    "/attachments",
    dependencies=[requires(Permission.API_MAILBOX_WRITE)],
    status_code=201,
    response_model=AttachmentShape,
    responses=MAILBOX_CHANGING,
    openapi_extra=_UPLOAD,
    summary="Attach a file",
    operation_id="add_attachment",
)
async def add_attachment(
    request: Request,
    connection_id: ObjectId,
    message_id: ObjectId,
    query: Annotated[FileQuery, Query()],
    key: IdempotencyKey = None,
) -> Response:
    """Attach a file to a draft. Its bytes pass through and are kept nowhere.

    Where Microsoft's answer is lost nobody knows whether it is attached: repeated with the same `Idempotency-Key`, the
    call does not attach again, and answers `409` `idempotent_outcome_unknown`. Look at the draft, then decide.
    """
    file = NewAttachment(
        name=query.name,
        content_type=query.content_type,
        size_bytes=_announced_length(request),
        is_inline=query.inline,
        content_id=query.content_id,
    )

    async def act() -> Outcome:
        added = await services(request).mail_writing.add_attachment(
            connection_id,
            message_id,
            file,
            _body_of(request),
            organization_id=principal(request).organization_id,
        )
        return Outcome(201, AttachmentShape.model_validate(added))

    return await once_elsewhere(request, key, query, act)


@router.get(
    "/attachments/{attachment_id}",
    dependencies=[requires(Permission.API_MAILBOX_READ)],
    responses={**MAILBOX, 200: {"description": "The bytes of the file.", "content": _BYTES}},
    response_class=Response,
    summary="Download an attachment",
    operation_id="get_attachment",
)
async def get_attachment(
    request: Request, connection_id: ObjectId, message_id: ObjectId, attachment_id: ObjectId
) -> Response:
    """The bytes of an attached file, or an attached message as MIME. A stranger's: nothing was unpacked or checked."""
    opened = services(request).mail.open_attachment(
        connection_id, message_id, attachment_id, organization_id=principal(request).organization_id
    )
    return await _download(request, opened, "attachment")


@router.delete(
    "/attachments/{attachment_id}",
    dependencies=[requires(Permission.API_MAILBOX_WRITE)],
    status_code=204,
    responses=MAILBOX_CHANGING,
    summary="Remove an attachment",
    operation_id="remove_attachment",
)
async def remove_attachment(
    request: Request, connection_id: ObjectId, message_id: ObjectId, attachment_id: ObjectId
) -> None:
    """Take an attachment off a draft."""
    await services(request).mail_writing.remove_attachment(
        connection_id, message_id, attachment_id, organization_id=principal(request).organization_id
    )


@router.get(
    "/mime",
    dependencies=[requires(Permission.API_MAILBOX_READ)],
    responses={**MAILBOX, 200: {"description": "The message as RFC 822 text.", "content": _BYTES}},
    response_class=Response,
    summary="Download a message",
    operation_id="get_mime",
)
async def get_mime(request: Request, connection_id: ObjectId, message_id: ObjectId) -> Response:
    """The whole message with its attachments, as it would travel."""
    opened = services(request).mail.open_mime(
        connection_id, message_id, organization_id=principal(request).organization_id
    )
    return await _download(request, opened, "message.eml")


async def _download(request: Request, opened: AbstractAsyncContextManager[ByteStream], name: str) -> Response:
    """Answer with a stream. What can go wrong before its first byte is answered as every other failure."""
    stack = AsyncExitStack()
    try:
        stream = await stack.enter_async_context(opened)
    except BaseException:
        await stack.aclose()
        raise

    async def chunks() -> AsyncGenerator[bytes]:
        given = 0
        try:
            async with stack:
                async for chunk in stream.chunks:
                    given += len(chunk)
                    yield chunk
        except OstiaryError as error:
            # The answer has begun, so no status can tell it any more.
            services(request).metrics.downloads_cut_short.inc()
            log.warning("download_cut_short", code=error.code, given_bytes=given)
            raise AnswerCutShort from error

    headers = {
        # No browser opens a stranger's file in our name, whatever it says it is (SR-94).
        "Content-Disposition": f'attachment; filename="{re.sub(r"[^A-Za-z0-9._-]", "_", name)}"',
        "Cache-Control": "no-store",
        # Says to the layer that compresses answers that this one stays as it is.
        "Content-Encoding": "identity",
    }
    if stream.size_bytes is not None:
        headers["Content-Length"] = str(stream.size_bytes)
    return StreamingResponse(chunks(), media_type="application/octet-stream", headers=headers)


def _announced_length(request: Request) -> int:
    announced = request.headers.get("content-length", "")
    if not (announced.isascii() and announced.isdigit()):
        raise InvalidRequest("Say how long the file is.", field="Content-Length")
    return int(announced)


async def _body_of(request: Request) -> AsyncIterator[bytes]:
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(LONGEST_SILENCE_SECONDS):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise InvalidRequest("Nothing more of the file came.") from error
        except ClientDisconnect as error:
            raise InvalidRequest("The file was cut short.") from error
        if piece is None:
            return
        yield piece
