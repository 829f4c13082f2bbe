"""Upload sessions for attachments of 3 to 150 MB.

The upload URL needs no token: it carries a key of its own, as Outlook's does. Source: Graph, attach large files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from m365_emulator.world.mailbox import Attachment, Item, Mailbox
from m365_emulator.world.world import World

from .access import CALENDAR_WRITE, MAIL_WRITE
from .app import to_response
from .call import Call, Reply
from .errors import GraphError, access_denied
from .events import event_of
from .inputs.messages import MAX_INLINE_ATTACHMENT_BYTES
from .inputs.values import choice_of, member, object_of, text_of, truth_of, wrong_type
from .messages import message_of
from .operations import Operations
from .shapes.values import moment

operations = Operations()
MAX_BYTES = 150 * 1024 * 1024
MAX_CHUNK_BYTES = 4 * 1024 * 1024
LIFETIME = timedelta(hours=2)
UPLOAD_PATH = "/api/gv1.0"
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")


@dataclass(slots=True)
class UploadSession:
    """One file on its way; `parts` are the bytes so far."""

    mailbox: Mailbox
    item: Item
    attachment: Attachment
    size: int
    location: str
    expires_at: datetime
    parts: list[bytes] = field(default_factory=list[bytes])
    received: int = 0


def sessions_of(world: World) -> dict[str, UploadSession]:
    """Return the world's upload sessions by key."""
    return world.state.setdefault("graph.uploads", {})


@operations.post("/{mailbox}/messages/{message}/attachments/createUploadSession", MAIL_WRITE)
def create_for_message(call: Call) -> Reply:
    """Start an upload to a message."""
    return _create(call, message_of(call), "messages")


@operations.post("/{mailbox}/events/{event}/attachments/createUploadSession", CALENDAR_WRITE)
def create_for_event(call: Call) -> Reply:
    """Start an upload to an event."""
    return _create(call, event_of(call), "events")


def _create(call: Call, item: Item, kind: str) -> Reply:
    if call.token.user is not None and call.target is not None and not call.target.is_own:
        # A known limitation of the service: no large files to shared mailboxes with delegated permissions.
        raise access_denied()
    given = object_of(member(call.json(), "AttachmentItem"), "AttachmentItem")
    choice_of(
        member(given, "attachmentType") or "file",
        "AttachmentItem/attachmentType",
        ("file", "item", "reference"),
    )
    name = text_of(member(given, "name"), "AttachmentItem/name", limit=255)
    size = member(given, "size")
    if not name:
        raise GraphError(400, "ErrorRequiredPropertyMissing", "Required property is missing: name.")
    if isinstance(size, bool) or not isinstance(size, int):
        raise wrong_type("AttachmentItem/size")
    if size < MAX_INLINE_ATTACHMENT_BYTES:
        raise GraphError(
            400,
            "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
            f"Attachment size must be greater than the minimum size. The minimum size is {MAX_INLINE_ATTACHMENT_BYTES}.",
        )
    if size > MAX_BYTES:
        raise GraphError(
            400,
            "ErrorAttachmentSizeLimitExceeded",
            "The attachment size exceeds the maximum size that is allowed.",
        )
    inline = member(given, "isInline")
    attachment = Attachment(
        call.mailbox.random_key(),
        name,
        text_of(member(given, "contentType"), "AttachmentItem/contentType", limit=255)
        or "application/octet-stream",
        b"",
        call.mailbox.now(),
        truth_of(inline, "isInline") if inline is not None else False,
        text_of(member(given, "contentId"), "AttachmentItem/contentId", limit=255) or None,
    )
    user = call.target.user.oid if call.target else ""
    place = f"{call.base_url}{UPLOAD_PATH}/users('{user}')/{kind}('{call.id_of(item)}')"
    session = UploadSession(
        call.mailbox,
        item,
        attachment,
        size,
        f"{place}/attachments('{call.id_of(item, attachment)}')",
        call.world.clock.now() + LIFETIME,
    )
    key = call.world.rng.randbytes(24).hex()
    sessions_of(call.world)[key] = session
    return Reply(
        201,
        {
            "@odata.context": f"{call.root}/$metadata#microsoft.graph.uploadSession",
            "uploadUrl": f"{place}/AttachmentSessions('{attachment.key.hex()}')?authtoken={key}",
            "expirationDateTime": moment(session.expires_at.replace(microsecond=0)),
            "nextExpectedRanges": ["0-"],
        },
    )


class UploadApp:
    """Answers the upload URLs."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, request: Request) -> Response:
        """Take one piece of a file, tell how far the upload is, or give it up."""
        try:
            reply = await self._answer(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except GraphError as error:
            body = error.body(self._world.clock.now(), "", "")
            reply = Reply(error.status, body, headers=error.headers)
        return to_response(reply)

    async def _answer(self, request: Request) -> Reply:
        sessions = sessions_of(self._world)
        key = request.query_params.get("authtoken", "")
        session = sessions.get(key)
        if session is None or session.expires_at <= self._world.clock.now():
            sessions.pop(key, None)
            raise GraphError(404, "ErrorItemNotFound", "The upload session was not found.")
        match request.method:
            case "DELETE":
                del sessions[key]
                return Reply(204)
            case "GET":
                return Reply(json=_progress(session))
            case "PUT":
                return await self._put(request, key, session)
            case _:
                raise GraphError(405, "ErrorMethodNotAllowed", "Specified HTTP method is not allowed.")

    async def _put(self, request: Request, key: str, session: UploadSession) -> Reply:
        match = _RANGE.match(request.headers.get("content-range", ""))
        if match is None:
            raise GraphError(
                400, "ErrorInvalidRequest", "The Content-Range header is missing or cannot be read."
            )
        first, last, total = int(match[1]), int(match[2]), int(match[3])
        if total != session.size or last >= total or first > last or first != session.received:
            raise GraphError(416, "ErrorInvalidRange", f"The next byte expected is {session.received}.")
        if last - first + 1 > MAX_CHUNK_BYTES:
            raise GraphError(413, "RequestEntityTooLarge", "One request can carry at most 4 MB.")
        content = await _read(request, last - first + 1)
        session.parts.append(content)
        session.received += len(content)
        if session.received < session.size:
            return Reply(json=_progress(session))
        session.attachment.content = b"".join(session.parts)
        session.parts.clear()
        del sessions_of(self._world)[key]
        session.mailbox.add_attachment(session.item, session.attachment)
        return Reply(201, content=b"", headers={"Location": session.location})


def _progress(session: UploadSession) -> dict[str, Any]:
    """Return how far an upload is, in the words of the upload host (which are not Graph's)."""
    return {
        "ExpirationDateTime": moment(session.expires_at.replace(microsecond=0)),
        "NextExpectedRanges": [str(session.received)],
    }


async def _read(request: Request, size: int) -> bytes:
    parts: list[bytes] = []
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > size:
            raise GraphError(400, "ErrorInvalidRequest", "The body is longer than its Content-Range says.")
        parts.append(chunk)
    if received != size:
        raise GraphError(400, "ErrorInvalidRequest", "The body is shorter than its Content-Range says.")
    return b"".join(parts)
