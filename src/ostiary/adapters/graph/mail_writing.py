"""Writing, filing and sending mail over Graph."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import mail as codec
from ostiary.adapters.graph.codec import mail_writing as writing
from ostiary.adapters.graph.codec.json_shape import JSONObject, as_object, flag, required_text, values
from ostiary.adapters.graph.folder_path import destination
from ostiary.adapters.graph.ids import path_segment
from ostiary.adapters.graph.message_queries import quoted
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import Conflict, VersionChanged
from ostiary.core.mail.drafts import (
    Answering,
    AnswerKind,
    MessageChanges,
    MessageContent,
    Posting,
    StampedMessage,
)
from ostiary.core.mail.errors import NotADraft
from ostiary.core.mail.model import Message, MessageSummary

_ANSWER_ACTIONS: Final = {
    AnswerKind.REPLY: "createReply",
    AnswerKind.REPLY_ALL: "createReplyAll",
    AnswerKind.FORWARD: "createForward",
}


class GraphMailWriter:
    """``MailWriter`` over Graph."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def create_draft(
        self,
        mailbox: MailboxAccess,
        content: MessageContent,
        *,
        answering: Answering | None = None,
        posting: Posting | None = None,
    ) -> Message:
        """One call for a new message, three for an answer: the second writes above the quoted original.

        Source: Graph, create message, message: createReply, createReplyAll, createForward.
        """
        marks = {} if posting is None else writing.posting_json(posting)
        if answering is None:
            entity = {**writing.content_json(content), **marks}
            return codec.message(await self._client.change(mailbox, "POST", "/me/messages", entity))
        given = {name: value for name, value in writing.content_json(content).items() if name != "body"}
        action = f"{_message(answering.message_id)}/{_ANSWER_ACTIONS[answering.kind]}"
        draft = await self._client.change(mailbox, "POST", action, {"message": {**given, **marks}})
        path = _message(required_text(draft, "id"))
        body = writing.above_quote(content, as_object(draft.get("body") or {}, "body"))
        if body is not None:
            await self._client.change(mailbox, "PATCH", path, {"body": body})
        # Only reading it tells what a forward took along.
        query = {"$select": codec.MESSAGE_FIELDS, "$expand": codec.ATTACHMENT_EXPANSION}
        return codec.message(await self._client.get(mailbox, path, query))

    async def update_message(
        self,
        mailbox: MailboxAccess,
        message_id: str,
        changes: MessageChanges,
        *,
        if_version: str | None = None,
    ) -> MessageSummary:
        """One call for marks, two for content.

        Source: Graph, update message.
        """
        if not changes.content.is_empty:
            # Permission to rewrite delivered mail is another one, which nobody should give us (graph.md §17).
            await self._require_draft(mailbox, message_id)
        return codec.message_summary(
            await self._patch(mailbox, message_id, writing.changes_json(changes), if_version)
        )

    async def stamp_draft(self, mailbox: MailboxAccess, message_id: str, posting: Posting) -> MessageSummary:
        await self._require_draft(mailbox, message_id)
        return codec.message_summary(
            await self._patch(mailbox, message_id, writing.posting_json(posting), None)
        )

    async def send_draft(
        self, mailbox: MailboxAccess, message_id: str, *, version: str | None = None
    ) -> None:
        """Source: Graph, message: send. 202 without a body; the version plays no part."""
        await self._client.change(mailbox, "POST", f"{_message(message_id)}/send")

    async def find_stamped(self, mailbox: MailboxAccess, stamp: str) -> StampedMessage | None:
        """Source: Graph, get singleValueLegacyExtendedProperty: filter messages by an extended property."""
        condition = (
            f"singleValueExtendedProperties/any(ep: ep/id eq {quoted(writing.STAMP_PROPERTY)} "
            f"and ep/value eq {quoted(stamp)})"
        )
        query = {"$filter": condition, "$select": "id,isDraft", "$top": "10"}
        found = [
            StampedMessage(required_text(entity, "id"), flag(entity, "isDraft"))
            for entity in values(await self._client.get(mailbox, "/me/messages", query))
        ]
        return min(found, key=lambda each: each.is_draft, default=None)

    async def move(self, mailbox: MailboxAccess, message_id: str, folder_id: str) -> MessageSummary:
        """Source: Graph, message: move."""
        return await self._transfer(mailbox, message_id, folder_id, "move")

    async def copy(self, mailbox: MailboxAccess, message_id: str, folder_id: str) -> MessageSummary:
        """Source: Graph, message: copy."""
        return await self._transfer(mailbox, message_id, folder_id, "copy")

    async def delete(
        self,
        mailbox: MailboxAccess,
        message_id: str,
        *,
        for_good: bool = False,
        if_version: str | None = None,
    ) -> None:
        """Source: Graph, delete message; message: permanentDelete, which takes no If-Match."""
        if for_good:
            await self._client.change(mailbox, "POST", f"{_message(message_id)}/permanentDelete")
            return
        try:
            await self._client.change(mailbox, "DELETE", _message(message_id), if_match=if_version)
        except Conflict as error:
            raise _changed(error, if_version) from error

    async def _transfer(
        self, mailbox: MailboxAccess, message_id: str, folder_id: str, action: str
    ) -> MessageSummary:
        body = {"destinationId": destination(folder_id)}
        answer = await self._client.change(mailbox, "POST", f"{_message(message_id)}/{action}", body)
        return codec.message_summary(answer)

    async def _patch(
        self, mailbox: MailboxAccess, message_id: str, entity: JSONObject, if_version: str | None
    ) -> JSONObject:
        try:
            return await self._client.change(
                mailbox, "PATCH", _message(message_id), entity, if_match=if_version
            )
        except Conflict as error:
            raise _changed(error, if_version) from error

    async def _require_draft(self, mailbox: MailboxAccess, message_id: str) -> None:
        entity = await self._client.get(mailbox, _message(message_id), {"$select": "id,isDraft"})
        if not flag(entity, "isDraft"):
            raise NotADraft("This message is no draft any more.")


def _changed(error: Conflict, if_version: str | None) -> Conflict:
    if if_version is None:
        return error
    return VersionChanged(
        "It was changed since you read it. Read it again, then decide.", provider=error.provider
    )


def _message(message_id: str) -> str:
    return f"/me/messages/{path_segment(message_id)}"
