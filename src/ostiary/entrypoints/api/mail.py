"""Folders and messages of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.mail.filters import MessageFilter
from ostiary.core.mail.model import Importance, Message, MessageSummary, WellKnownFolder
from ostiary.entrypoints.api.etags import etag_of, is_unchanged
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.problems import MAILBOX
from ostiary.entrypoints.api.shapes import AnswerShape, ListQuery, ObjectId, PageShape, page_shape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="mail", dependencies=[NAMES_CONNECTION])
_MAY_READ = [requires(Permission.API_MAILBOX_READ)]


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
            description="A folder's id, or one of `inbox`, `drafts`, `sent`, `deleted`, `junk`, `archive`, `outbox`."
        ),
    ] = "inbox"
    unread: Annotated[bool, Field(description="Only messages nobody has read.")] = False


class FolderShape(AnswerShape):
    """A mail folder."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "AQMkADAwATM0MDAAMS1hNmQ4LWIwAC4AAAM",
                    "name": "Inbox",
                    "parent_id": None,
                    "well_known": "inbox",
                    "total_count": 312,
                    "unread_count": 14,
                    "child_count": 2,
                }
            ]
        },
    )

    id: str
    name: str
    parent_id: Annotated[str | None, Field(description="Null for a folder at the top level.")]
    well_known: Annotated[
        WellKnownFolder | None, Field(description="Set for the folders that every mailbox has.")
    ]
    total_count: int
    unread_count: int
    child_count: int


class AddressShape(AnswerShape):
    """A person or place that mail can be sent to."""

    address: str
    name: str


_SUMMARY_EXAMPLE: dict[str, Any] = {
    "id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A",
    "folder_id": "AQMkADAwATM0MDAAMS1hNmQ4LWIwAC4AAAM",
    "conversation_id": "AAQkADAwATM0MDAAMS1hNmQ4LWIwAi0wMAoAEAA",
    "internet_message_id": "<0f5d2c@harbourvale.example>",
    "subject": "Quarterly figures",
    "sender": {"address": "dana.okafor@harbourvale.example", "name": "Dana Okafor"},
    "to": [{"address": "tom.ellis@harbourvale.example", "name": "Tom Ellis"}],
    "received_at": "2026-11-24T09:12:00Z",
    "sent_at": "2026-11-24T09:11:58Z",
    "is_read": False,
    "is_draft": False,
    "has_attachments": True,
    "importance": "normal",
    "categories": [],
    "preview": "Hello Tom, the figures for the quarter are attached.",
    "version": "CQAAABYAAAA",
}


class MessageSummaryShape(AnswerShape):
    """A message as lists show it."""

    model_config = ConfigDict(
        from_attributes=True, frozen=True, json_schema_extra={"examples": [_SUMMARY_EXAMPLE]}
    )

    id: Annotated[str, Field(description="Opaque and case-sensitive.")]
    folder_id: str
    conversation_id: str | None
    internet_message_id: str | None
    subject: str
    sender: AddressShape | None
    to: list[AddressShape]
    received_at: AwareDatetime | None
    sent_at: AwareDatetime | None
    is_read: bool
    is_draft: bool
    has_attachments: Annotated[bool, Field(description="Pictures inside the text do not count.")]
    importance: Importance
    categories: list[str]
    preview: Annotated[str, Field(description="At most 255 characters of plain text.")]
    version: Annotated[str, Field(description="Changes whenever the message does.")]


class AttachmentShape(AnswerShape):
    """What is attached, without its bytes."""

    id: str
    name: str
    content_type: str
    size_bytes: int
    is_inline: bool
    content_id: str | None


class MessageShape(MessageSummaryShape):
    """A whole message."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    **_SUMMARY_EXAMPLE,
                    "cc": [],
                    "bcc": [],
                    "reply_to": [],
                    "text": None,
                    "html": "<p>Hello Tom, the figures for the quarter are attached.</p>",
                    "attachments": [
                        {
                            "id": "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AEgAQ",
                            "name": "figures.xlsx",
                            "content_type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                            "size_bytes": 18211,
                            "is_inline": False,
                            "content_id": None,
                        }
                    ],
                    "headers": {"Message-ID": ["<0f5d2c@harbourvale.example>"]},
                }
            ]
        },
    )

    cc: list[AddressShape]
    bcc: list[AddressShape]
    reply_to: list[AddressShape]
    text: Annotated[str | None, Field(description="The body, when it is plain text.")]
    html: Annotated[
        str | None,
        Field(description="The body, when it is HTML. Written by a stranger: clean it before you show it."),
    ]
    attachments: list[AttachmentShape]
    headers: Annotated[
        Mapping[str, list[str]], Field(description="Internet headers; empty for mail never sent.")
    ]


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
    "/messages",
    dependencies=_MAY_READ,
    responses=MAILBOX,
    summary="List messages",
    operation_id="list_messages",
)
async def list_messages(
    request: Request, connection_id: ObjectId, query: Annotated[MessageQuery, Query()]
) -> PageShape[MessageSummaryShape]:
    """Messages of one folder, newest first."""
    page = await services(request).mail.list_messages(
        connection_id,
        organization_id=principal(request).organization_id,
        folder_id=query.folder,
        cursor=query.cursor,
        limit=query.limit,
        where=MessageFilter(unread_only=query.unread),
    )
    return page_shape(page, _summary)


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
    if_none_match: Annotated[str | None, Header(max_length=2048)] = None,
) -> Response | Message:
    """One whole message: body, headers and what is attached."""
    message = await services(request).mail.get_message(
        connection_id, message_id, organization_id=principal(request).organization_id
    )
    tag = etag_of(message.version)
    if is_unchanged(tag, if_none_match):
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return message
