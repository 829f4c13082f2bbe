"""No request body is larger than its route can need, and no address holds what no name has (SR-70)."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary.entrypoints.web.errors import error_answer

FORM_LIMIT_BYTES: Final = 64 * 1024
"""Our forms hold a few short fields."""

API_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""JSON of the API."""

ATTACHMENT_LIMIT_BYTES: Final = 150 * 1024 * 1024
"""A file to attach to a mail: what Exchange takes. It streams through and is never held (SR-94)."""

UPLOAD_LIMIT_BYTES: Final = 1024 * 1024
"""A file of people and its form."""

NOTIFICATION_LIMIT_BYTES: Final = 1024 * 1024
"""What Microsoft posts holds a hundred short notifications (SR-89)."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UPLOADS: Final = ("/console/members/import", "/console/members/import/apply")


_ATTACHMENTS: Final = re.compile(r"/connections/[^/]+/messages/[^/]+/attachments")


def _limit(path: str, api_prefix: str) -> int:
    if path.startswith(api_prefix + "/"):
        is_file = _ATTACHMENTS.fullmatch(path, len(api_prefix)) is not None
        return ATTACHMENT_LIMIT_BYTES if is_file else API_LIMIT_BYTES
    if path.startswith("/notifications/"):
        return NOTIFICATION_LIMIT_BYTES
    return UPLOAD_LIMIT_BYTES if path in _UPLOADS else FORM_LIMIT_BYTES


class _TooLarge(Exception):
    pass


class PlainPath:
    """Answers 404 to an address with a control character: none of ours has one, and the database takes no NUL."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _CONTROL.search(scope["path"]) is not None:
            answer = error_answer(Request(scope), status=404, code="not_found")
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


class BodyLimit:
    """Answers 413 to a body over the limit, whether it was announced or streamed."""

    def __init__(self, app: ASGIApp, *, api_prefix: str = "/v1") -> None:
        self._app = app
        self._api_prefix = api_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = _limit(scope["path"], self._api_prefix)
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isascii() or not announced.isdigit() or int(announced) > limit:
            await self._refuse(scope, receive, send)
            return
        received = 0
        started = False

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _TooLarge
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            # The framework may have turned our exception into an answer of its own; ours is the right one.
            if received <= limit or started:
                started = True
                await send(message)

        try:
            await self._app(scope, counted_receive, watched_send)
        except _TooLarge:
            if started:
                raise
        if received > limit and not started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = error_answer(
            Request(scope),
            status=413,
            code="too_large",
            title="That was too much at once",
            what="The form or request is larger than this page accepts.",
        )
        await answer(scope, receive, send)
