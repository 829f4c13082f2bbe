"""Sending mail of a connection, once."""

from __future__ import annotations

from fastapi import Request, Response

from ostiary.core.access.model import Permission
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once_elsewhere
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.mail_acts import act_key
from ostiary.entrypoints.api.mail_shapes import NewMail, SendDraft, SentShape
from ostiary.entrypoints.api.problems import MAILBOX_CHANGING
from ostiary.entrypoints.api.shapes import ObjectId
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="mail", dependencies=[NAMES_CONNECTION])
_MAY_SEND = [requires(Permission.API_MAILBOX_WRITE)]


@router.post(
    "/send",
    dependencies=_MAY_SEND,
    status_code=202,
    response_model=SentShape,
    responses=MAILBOX_CHANGING,
    summary="Send a message",
    operation_id="send_mail",
)
async def send_mail(
    request: Request, connection_id: ObjectId, mail: NewMail, key: IdempotencyKey = None
) -> Response:
    """Write and send a message, or an answer to one, at once or at a time.

    Give an `Idempotency-Key`: repeated with it, the call never sends twice, even where Microsoft's answer was lost.
    """

    async def act() -> Outcome:
        outcome = await services(request).mail_sending.send(
            connection_id,
            mail.content(),
            organization_id=principal(request).organization_id,
            answering=mail.answering(),
            deliver_at=mail.send_at,
            act_key=act_key(request, key),
        )
        return Outcome(202, SentShape.model_validate(outcome))

    return await once_elsewhere(request, key, mail, act, is_repeatable=True)


@router.post(
    "/messages/{message_id}/send",
    dependencies=_MAY_SEND,
    status_code=202,
    response_model=SentShape,
    responses=MAILBOX_CHANGING,
    summary="Send a draft",
    operation_id="send_draft",
)
async def send_draft(
    request: Request,
    connection_id: ObjectId,
    message_id: ObjectId,
    how: SendDraft,
    key: IdempotencyKey = None,
) -> Response:
    """Send a draft with everything attached to it, at once or at a time. A draft can be sent only once."""

    async def act() -> Outcome:
        outcome = await services(request).mail_sending.send_draft(
            connection_id,
            message_id,
            organization_id=principal(request).organization_id,
            deliver_at=how.send_at,
            act_key=act_key(request, key),
        )
        return Outcome(202, SentShape.model_validate(outcome))

    return await once_elsewhere(request, key, how, act, is_repeatable=True)
