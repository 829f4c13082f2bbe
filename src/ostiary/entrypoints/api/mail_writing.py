"""Writing, marking and filing messages of a connection."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query, Request, Response
from pydantic import Field

from ostiary.core.access.model import Permission
from ostiary.core.mail.model import MessageSummary
from ostiary.core.mail.writing import CheckVersion
from ostiary.entrypoints.api.etags import check_if_match, etag_of
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once_elsewhere
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.mail_acts import act_key
from ostiary.entrypoints.api.mail_shapes import (
    Destination,
    MessageChange,
    MessageShape,
    MessageSummaryShape,
    NewDraft,
)
from ostiary.entrypoints.api.problems import MAILBOX_CHANGING
from ostiary.entrypoints.api.shapes import ObjectId, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="mail", dependencies=[NAMES_CONNECTION])
_MAY_WRITE = [requires(Permission.API_MAILBOX_WRITE)]

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=2048,
        description="`ETag` of the version you know: the call fails with 412 when the message has another one.",
    ),
]


class DeleteQuery(RequestShape):
    """How to delete."""

    for_good: Annotated[bool, Field(description="Beyond its owner's reach, instead of to Deleted Items.")] = (
        False
    )


@router.post(
    "/drafts",
    dependencies=_MAY_WRITE,
    status_code=201,
    response_model=MessageShape,
    responses=MAILBOX_CHANGING,
    summary="Write a draft",
    operation_id="create_draft",
)
async def create_draft(
    request: Request, connection_id: ObjectId, new: NewDraft, key: IdempotencyKey = None
) -> Response:
    """Save a new draft, or one that answers a message. Add attachments to it, then send it."""

    async def act() -> Outcome:
        draft = await services(request).mail_writing.create_draft(
            connection_id,
            new.content(),
            organization_id=principal(request).organization_id,
            answering=new.answering(),
            act_key=act_key(request, key),
        )
        return Outcome(201, MessageShape.model_validate(draft))

    return await once_elsewhere(request, key, new, act, is_repeatable=True)


@router.patch(
    "/messages/{message_id}",
    dependencies=_MAY_WRITE,
    response_model=MessageSummaryShape,
    responses=MAILBOX_CHANGING,
    summary="Change a message",
    operation_id="update_message",
)
async def update_message(
    request: Request,
    response: Response,
    connection_id: ObjectId,
    message_id: ObjectId,
    change: MessageChange,
    if_match: IfMatch = None,
) -> MessageSummary:
    """Mark any message as read, flag or categorize it; rewrite one that is still a draft."""
    message = await services(request).mail_writing.update_message(
        connection_id,
        message_id,
        change.changes(),
        organization_id=principal(request).organization_id,
        check_version=_check(if_match),
    )
    response.headers["ETag"] = etag_of(message.version)
    return message


@router.delete(
    "/messages/{message_id}",
    dependencies=_MAY_WRITE,
    status_code=204,
    responses=MAILBOX_CHANGING,
    summary="Delete a message",
    operation_id="delete_message",
)
async def delete_message(
    request: Request,
    connection_id: ObjectId,
    message_id: ObjectId,
    query: Annotated[DeleteQuery, Query()],
    if_match: IfMatch = None,
) -> None:
    """Move a message to Deleted Items, or delete it for good. Deleting a scheduled one calls it off."""
    await services(request).mail_writing.delete(
        connection_id,
        message_id,
        organization_id=principal(request).organization_id,
        for_good=query.for_good,
        check_version=_check(if_match),
    )


@router.post(
    "/messages/{message_id}/move",
    dependencies=_MAY_WRITE,
    response_model=MessageSummaryShape,
    responses=MAILBOX_CHANGING,
    summary="Move a message",
    operation_id="move_message",
)
async def move_message(
    request: Request, connection_id: ObjectId, message_id: ObjectId, to: Destination
) -> MessageSummary:
    """Move a message to another folder. Over EWS it has a new id afterwards."""
    return await services(request).mail_writing.move(
        connection_id, message_id, to.folder, organization_id=principal(request).organization_id
    )


@router.post(
    "/messages/{message_id}/copy",
    dependencies=_MAY_WRITE,
    status_code=201,
    response_model=MessageSummaryShape,
    responses=MAILBOX_CHANGING,
    summary="Copy a message",
    operation_id="copy_message",
)
async def copy_message(
    request: Request,
    connection_id: ObjectId,
    message_id: ObjectId,
    to: Destination,
    key: IdempotencyKey = None,
) -> Response:
    """Copy a message to another folder.

    Where Microsoft's answer is lost nobody knows whether there is a copy: repeated with the same `Idempotency-Key`, the
    call does not copy again, and answers `409` `idempotent_outcome_unknown`. Look in the folder, then decide.
    """

    async def act() -> Outcome:
        copied = await services(request).mail_writing.copy(
            connection_id, message_id, to.folder, organization_id=principal(request).organization_id
        )
        return Outcome(201, MessageSummaryShape.model_validate(copied))

    return await once_elsewhere(request, key, to, act)


def _check(if_match: str | None) -> CheckVersion | None:
    return None if if_match is None else lambda version: check_if_match(version, if_match)
