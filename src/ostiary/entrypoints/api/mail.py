"""Reading folders and messages of a connection."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Final

from fastapi import Header, Query, Request, Response
from pydantic import AwareDatetime, Field

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import InvalidRequest, Throttled
from ostiary.core.mail.batches import MessageOutcome
from ostiary.core.mail.filters import MessageFilter
from ostiary.core.mail.model import BodyForm, Message, MessageSummary
from ostiary.entrypoints.api.etags import etag_of, is_unchanged
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.mail_shapes import (
    Address,
    FolderNodeShape,
    FolderShape,
    FolderTreeShape,
    ManyMessages,
    MessageShape,
    MessageSummaryShape,
    NotReadShape,
    ReadManyShape,
    ReadShape,
    SafeHTMLShape,
    ThreadShape,
)
from ostiary.entrypoints.api.problems import MAILBOX, problem_responses
from ostiary.entrypoints.api.shapes import (
    Line,
    ListQuery,
    ObjectId,
    PageShape,
    RequestShape,
    page_shape,
)
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="mail", dependencies=[NAMES_CONNECTION])
_MAY_READ = [requires(Permission.API_MAILBOX_READ)]
ALL_FOLDERS: Final = "all"


class FolderQuery(ListQuery):
    """Which folders."""

    parent: Annotated[
        ObjectId | None,
        Field(description="Folder whose children are wanted; leave it out for the top level."),
    ] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Most folders wanted.")] = 100


class MessageQuery(ListQuery):
    """Which messages."""

    folder: Annotated[
        ObjectId,
        Field(
            description="A folder's id, one of `inbox`, `drafts`, `sent`, `deleted`, `junk`, `archive`, `outbox`, "
            "or `all` for every folder."
        ),
    ] = "inbox"
    unread: Annotated[bool, Field(description="Only messages nobody has read.")] = False
    sender: Annotated[Address | None, Field(alias="from", description="Only from this address.")] = None
    recipient: Annotated[
        Address | None, Field(alias="to", description="Only with this address in the To line.")
    ] = None
    subject: Annotated[
        Line | None, Field(min_length=1, max_length=200, description="Only with this in the subject.")
    ] = None
    has_attachments: Annotated[
        bool | None,
        Field(description="Only with, or only without attachments; pictures in the text do not count."),
    ] = None
    since: Annotated[AwareDatetime | None, Field(description="Only received at this time or later.")] = None
    until: Annotated[AwareDatetime | None, Field(description="Only received before this time.")] = None
    q: Annotated[
        Line | None,
        Field(
            min_length=1,
            max_length=200,
            description="Only with all these words somewhere: subject, text, people, names of attachments.",
        ),
    ] = None

    def where(self) -> MessageFilter:
        """Return the conditions; raises InvalidRequest for a window that ends before it starts."""
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise InvalidRequest("The window ends before it starts.", field="until")
        return MessageFilter(
            unread_only=self.unread,
            sender=self.sender,
            recipient=self.recipient,
            subject=self.subject,
            has_attachments=self.has_attachments,
            since=self.since,
            until=self.until,
            words=self.q,
        )


class BodyQuery(RequestShape):
    """In which form."""

    body: Annotated[
        BodyForm, Field(description="As it was written, or converted by Microsoft to text or HTML.")
    ] = BodyForm.STORED


def _summary(message: MessageSummary) -> MessageSummaryShape:
    return MessageSummaryShape.model_validate(message)


@router.get(
    "/folders",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="List mail folders",
    operation_id="list_folders",
)
async def list_folders(
    request: Request, connection_id: ObjectId, query: Annotated[FolderQuery, Query()]
) -> PageShape[FolderShape]:
    """Folders one level deep; ask for a folder's children with `parent`."""
    page = await services(request).mail.list_folders(
        connection_id,
        organization_id=principal(request).organization_id,
        parent_id=query.parent,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, FolderShape.model_validate)


@router.get(
    "/folder-tree",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="Read the folder tree",
    operation_id="get_folder_tree",
)
async def get_folder_tree(request: Request, connection_id: ObjectId) -> FolderTreeShape:
    """Every mail folder with its place in the tree, at most 2,000. Costs one call per folder with children."""
    tree = await services(request).mail.folder_tree(
        connection_id, organization_id=principal(request).organization_id
    )
    return FolderTreeShape(
        items=[
            FolderNodeShape(**FolderShape.model_validate(node.folder).model_dump(), path=list(node.path))
            for node in tree
        ]
    )


@router.get(
    "/messages",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="List or search messages",
    operation_id="list_messages",
)
async def list_messages(
    request: Request, connection_id: ObjectId, query: Annotated[MessageQuery, Query()]
) -> PageShape[MessageSummaryShape]:
    """Messages of one folder or of all, newest first, narrowed by any of the filters. See `capabilities` for the order
    of a search over all folders."""
    page = await services(request).mail.list_messages(
        connection_id,
        organization_id=principal(request).organization_id,
        folder_id=None if query.folder == ALL_FOLDERS else query.folder,
        cursor=query.cursor,
        limit=query.limit,
        where=query.where(),
    )
    return page_shape(page, _summary)


@router.post(
    "/messages/batch-get",
    dependencies=_MAY_READ,
    responses={**MAILBOX, **problem_responses(413)},
    summary="Read many messages",
    operation_id="get_messages",
)
async def get_messages(request: Request, connection_id: ObjectId, wanted: ManyMessages) -> ReadManyShape:
    """Up to 50 whole messages, such as those of a page of changes. Changes nothing.

    Over EWS they come in one call to Microsoft; over Graph in one for each, four at once. Where one cannot be read,
    its error stands in its place. All bodies together take at most 16 million characters; the first message is given
    whatever its length, and what has no room left is told as `batch_full`.
    """
    caller = principal(request)
    if len(wanted.ids) > 1:
        # The call itself is counted as one read already; a batch is no way around the alarm (SR-51).
        await services(request).bulk_reads.count(caller.id, name=caller.name, reads=len(wanted.ids) - 1)
    outcomes = await services(request).mail.get_messages(
        connection_id,
        wanted.ids,
        organization_id=caller.organization_id,
        body=wanted.body,
    )
    return ReadManyShape(
        items=[_read(message_id, each) for message_id, each in zip(wanted.ids, outcomes, strict=True)]
    )


def _read(message_id: str, outcome: MessageOutcome) -> ReadShape:
    if isinstance(outcome, Message):
        return ReadShape(id=message_id, message=MessageShape.model_validate(outcome), error=None)
    wait = ceil(outcome.retry_after_seconds) if isinstance(outcome, Throttled) else None
    error = NotReadShape(
        code=outcome.code, detail=outcome.message, reason=outcome.reason, retry_after_seconds=wait
    )
    return ReadShape(id=message_id, message=None, error=error)


@router.get(
    "/messages/{message_id}",
    dependencies=_MAY_READ,
    responses={**MAILBOX, 304: {"description": "Unchanged since the version in `If-None-Match`."}},
    response_model=MessageShape,
    summary="Read a message",
    operation_id="get_message",
)
async def get_message(
    request: Request,
    response: Response,
    connection_id: ObjectId,
    message_id: ObjectId,
    query: Annotated[BodyQuery, Query()],
    if_none_match: Annotated[str | None, Header(max_length=2048)] = None,
) -> Response | Message:
    """One whole message: body, headers and what is attached."""
    message = await services(request).mail.get_message(
        connection_id,
        message_id,
        organization_id=principal(request).organization_id,
        body=query.body,
    )
    tag = etag_of(message.version)
    if is_unchanged(tag, if_none_match):
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return message


@router.get(
    "/messages/{message_id}/thread",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="Read a conversation",
    operation_id="list_thread",
)
async def list_thread(request: Request, connection_id: ObjectId, message_id: ObjectId) -> ThreadShape:
    """The conversation that a message belongs to, over all folders: drafts and sent mail too."""
    thread = await services(request).mail.list_thread(
        connection_id, message_id, organization_id=principal(request).organization_id
    )
    return ThreadShape(items=[_summary(message) for message in thread])


@router.get(
    "/messages/{message_id}/safe-html",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="Read a message safely",
    operation_id="get_safe_html",
)
async def get_safe_html(request: Request, connection_id: ObjectId, message_id: ObjectId) -> SafeHTMLShape:
    """The body as HTML that may be shown: no scripts, no remote pictures, links that lead out only by a click."""
    safe = await services(request).mail.get_safe_html(
        connection_id, message_id, organization_id=principal(request).organization_id
    )
    return SafeHTMLShape.model_validate(safe)
