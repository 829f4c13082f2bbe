"""Mail of a connection: read, write, send, file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from os import SEEK_END
from typing import IO, Any, cast

from ostiary_client.call import (
    Call,
    FileContent,
    Listing,
    Upload,
    body_of,
    create,
    items_of,
    listing,
    match_header,
    nothing,
    one,
    one_tagged,
    path_of,
    query_of,
)
from ostiary_client.call import get as read
from ostiary_client.models.mail import (
    Address,
    AnswerKind,
    Attachment,
    BodyForm,
    Flag,
    Folder,
    FolderNode,
    Importance,
    Message,
    MessageSummary,
    ReadMessage,
    SafeHTML,
    Sent,
)
from ostiary_client.operations import D, Noun, download, listed, operation

Recipient = Address | str
Recipients = Sequence[Recipient] | Recipient


class Mail(Noun[D]):
    """Mail of connected mailboxes. Every call begins with the id of the connection."""

    @listed
    def folders(
        self,
        connection_id: str,
        *,
        parent: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing[Folder]:
        """List folders one level deep: the top level, or the children of ``parent``."""
        path = path_of("connections", connection_id, "folders")
        return listing(path, Folder, parent=parent, limit=limit, cursor=cursor)

    @operation
    def folder_tree(self, connection_id: str) -> Call[tuple[FolderNode, ...]]:
        """Return every folder, each after its parent."""
        return read(path_of("connections", connection_id, "folder-tree"), items_of(FolderNode))

    @listed
    def messages(
        self,
        connection_id: str,
        *,
        folder: str = "inbox",
        unread: bool | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        subject: str | None = None,
        has_attachments: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing[MessageSummary]:
        """List messages, newest first.

        Args:
            folder: A folder's id, a well-known name such as ``inbox`` or ``sent``, or ``all``.
            limit: Most messages in one page, not in all.
        """
        path = path_of("connections", connection_id, "messages")
        return listing(
            path,
            MessageSummary,
            folder=folder,
            unread=unread,
            from_=sender,
            to=recipient,
            subject=subject,
            has_attachments=has_attachments,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        )

    @listed
    def search(
        self,
        connection_id: str,
        words: str,
        *,
        folder: str = "all",
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing[MessageSummary]:
        """Find messages with all these words somewhere: subject, text, people, names of attachments."""
        path = path_of("connections", connection_id, "messages")
        return listing(path, MessageSummary, folder=folder, q=words, limit=limit, cursor=cursor)

    @operation
    def get(self, connection_id: str, message_id: str, *, body: BodyForm = "stored") -> Call[Message]:
        """Return one whole message: body, headers and what is attached."""
        path = path_of("connections", connection_id, "messages", message_id)
        return read(path, one_tagged(Message), body=body)

    @operation
    def get_many(
        self, connection_id: str, message_ids: Sequence[str], *, body: BodyForm = "stored"
    ) -> Call[tuple[ReadMessage, ...]]:
        """Return up to 50 whole messages in the order of their ids; where one cannot be read, its error.

        Much quicker than one by one, above all over EWS.
        """
        path = path_of("connections", connection_id, "messages", "batch-get")
        wanted = {"ids": list(message_ids), "body": body}
        return Call("POST", path, items_of(ReadMessage), body=wanted, is_repeatable=True)

    @operation
    def thread(self, connection_id: str, message_id: str) -> Call[tuple[MessageSummary, ...]]:
        """Return the conversation that a message belongs to, oldest first."""
        path = path_of("connections", connection_id, "messages", message_id, "thread")
        return read(path, items_of(MessageSummary))

    @operation
    def safe_html(self, connection_id: str, message_id: str) -> Call[SafeHTML]:
        """Return the body as HTML that may be shown in a sandboxed frame."""
        return read(path_of("connections", connection_id, "messages", message_id, "safe-html"), one(SafeHTML))

    @download
    def open_mime(self, connection_id: str, message_id: str) -> Call[None]:
        """Open the whole message as it would travel (RFC 822), a stream."""
        return read(path_of("connections", connection_id, "messages", message_id, "mime"), nothing)

    @download
    def open_attachment(self, connection_id: str, message_id: str, attachment_id: str) -> Call[None]:
        """Open an attached file, a stream. A stranger's: nothing was unpacked or checked."""
        path = path_of("connections", connection_id, "messages", message_id, "attachments", attachment_id)
        return read(path, nothing)

    @operation
    def send(
        self,
        connection_id: str,
        *,
        to: Recipients,
        subject: str,
        text: str | None = None,
        html: str | None = None,
        cc: Recipients = (),
        bcc: Recipients = (),
        reply_to: Recipients = (),
        importance: Importance | None = None,
        send_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Sent]:
        """Write a message and send it, at once or at ``send_at``. It is sent once, whatever gets lost on the way.

        Give ``idempotency_key`` where you may repeat the call yourself, after a restart for example: the same key
        never sends twice. Attach files with :meth:`create_draft`, :meth:`attach` and :meth:`send_draft`.

        Raises:
            SendUnconfirmed: Not clear yet: repeat with the same ``idempotency_key``.
        """
        body = _content(subject, text, html, to, cc, bcc, reply_to, importance)
        body |= body_of({"send_at": send_at})
        path = path_of("connections", connection_id, "send")
        return create("POST", path, one(Sent), body, idempotency_key)

    @operation
    def reply(
        self,
        connection_id: str,
        message_id: str,
        *,
        text: str | None = None,
        html: str | None = None,
        kind: AnswerKind = "reply",
        to: Recipients = (),
        send_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Sent]:
        """Answer a message, or ``forward`` it to somebody; Microsoft addresses, threads and quotes it."""
        body = _content(None, text, html, to, (), (), (), None)
        body |= body_of({"answers": {"message_id": message_id, "kind": kind}, "send_at": send_at})
        path = path_of("connections", connection_id, "send")
        return create("POST", path, one(Sent), body, idempotency_key)

    @operation
    def create_draft(
        self,
        connection_id: str,
        *,
        to: Recipients = (),
        subject: str | None = None,
        text: str | None = None,
        html: str | None = None,
        cc: Recipients = (),
        bcc: Recipients = (),
        reply_to: Recipients = (),
        importance: Importance | None = None,
        answers: str | None = None,
        kind: AnswerKind = "reply",
        idempotency_key: str | None = None,
    ) -> Call[Message]:
        """Save a draft, new or as an answer to the message ``answers``."""
        body = _content(subject, text, html, to, cc, bcc, reply_to, importance)
        if answers is not None:
            body["answers"] = {"message_id": answers, "kind": kind}
        path = path_of("connections", connection_id, "drafts")
        return create("POST", path, one(Message), body, idempotency_key)

    @operation
    def send_draft(
        self,
        connection_id: str,
        message_id: str,
        *,
        send_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Sent]:
        """Send a draft with everything attached to it, once.

        Raises:
            SendUnconfirmed: Not clear yet: repeat with the same ``idempotency_key``.
        """
        path = path_of("connections", connection_id, "messages", message_id, "send")
        return create("POST", path, one(Sent), body_of({"send_at": send_at}), idempotency_key)

    @operation
    def attach(
        self,
        connection_id: str,
        message_id: str,
        name: str,
        content: FileContent,
        *,
        size_bytes: int | None = None,
        content_type: str = "application/octet-stream",
        inline: bool = False,
        content_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Attachment]:
        """Attach a file of at most 150 MB to a draft, streamed. Bytes at hand are sent again after a fault, streams are not.

        Args:
            size_bytes: Needed where ``content`` does not tell: pieces, and files that cannot seek.
            content_id: What ``cid:`` in the HTML body names, for an ``inline`` picture.
        """
        path = path_of("connections", connection_id, "messages", message_id, "attachments")
        call = create("POST", path, one(Attachment), None, idempotency_key)
        return Call(
            call.method,
            call.path,
            call.parse,
            query=query_of(
                {"name": name, "content_type": content_type, "inline": inline, "content_id": content_id}
            ),
            upload=Upload(content, _size(content) if size_bytes is None else size_bytes),
            headers=call.headers,
            is_repeatable=isinstance(content, bytes),
        )

    @operation
    def remove_attachment(self, connection_id: str, message_id: str, attachment_id: str) -> Call[None]:
        """Take a file off a draft."""
        path = path_of("connections", connection_id, "messages", message_id, "attachments", attachment_id)
        return Call("DELETE", path, nothing)

    @operation
    def update(
        self,
        connection_id: str,
        message_id: str,
        *,
        is_read: bool | None = None,
        flag: Flag | None = None,
        categories: Sequence[str] | None = None,
        subject: str | None = None,
        to: Recipients | None = None,
        cc: Recipients | None = None,
        bcc: Recipients | None = None,
        text: str | None = None,
        html: str | None = None,
        importance: Importance | None = None,
        if_match: str | None = None,
    ) -> Call[MessageSummary]:
        """Mark any message; rewrite one that is still a draft. What is left out stays, an empty list takes all away.

        Args:
            if_match: ``etag`` of the version you know.

        Raises:
            VersionChanged: It has another one: read it again, then decide.
        """
        body: dict[str, object] = {"is_read": is_read, "flag": flag, "subject": subject, "text": text}
        body |= {"html": html, "importance": importance}
        body["categories"] = None if categories is None else list(categories)
        people = {"to": to, "cc": cc, "bcc": bcc}
        body |= {name: None if given is None else _people(given) for name, given in people.items()}
        path = path_of("connections", connection_id, "messages", message_id)
        headers = match_header(if_match)
        return Call("PATCH", path, one_tagged(MessageSummary), body=body_of(body), headers=headers)

    @operation
    def move(self, connection_id: str, message_id: str, folder: str) -> Call[MessageSummary]:
        """Move a message to a folder's id or well-known name. Over EWS it has a new id afterwards."""
        path = path_of("connections", connection_id, "messages", message_id, "move")
        return Call("POST", path, one(MessageSummary), body={"folder": folder})

    @operation
    def copy(
        self, connection_id: str, message_id: str, folder: str, *, idempotency_key: str | None = None
    ) -> Call[MessageSummary]:
        """Copy a message to another folder."""
        path = path_of("connections", connection_id, "messages", message_id, "copy")
        return create("POST", path, one(MessageSummary), {"folder": folder}, idempotency_key)

    @operation
    def delete(
        self, connection_id: str, message_id: str, *, for_good: bool = False, if_match: str | None = None
    ) -> Call[None]:
        """Move a message to Deleted Items, or delete it beyond its owner's reach. ``if_match`` as in :meth:`update`."""
        path = path_of("connections", connection_id, "messages", message_id)
        query, headers = query_of({"for_good": for_good}), match_header(if_match)
        return Call("DELETE", path, nothing, query=query, headers=headers)


def _content(
    subject: str | None,
    text: str | None,
    html: str | None,
    to: Recipients,
    cc: Recipients,
    bcc: Recipients,
    reply_to: Recipients,
    importance: Importance | None,
) -> dict[str, Any]:
    people = {"to": to, "cc": cc, "bcc": bcc, "reply_to": reply_to}
    written = {"subject": subject, "text": text, "html": html, "importance": importance}
    return body_of(written) | {name: _people(given) for name, given in people.items() if given}


def _people(given: Recipients) -> list[dict[str, str]]:
    listed_people = [given] if isinstance(given, str | Address) else given
    known = [Address(each) if isinstance(each, str) else each for each in listed_people]
    return [{"address": each.address, "name": each.name} for each in known]


def _size(content: FileContent) -> int:
    if isinstance(content, bytes):
        return len(content)
    if hasattr(content, "seek"):
        file = cast("IO[bytes]", content)
        start = file.tell()
        end = file.seek(0, SEEK_END)
        file.seek(start)
        return end - start
    raise ValueError("say how long the file is: size_bytes")
