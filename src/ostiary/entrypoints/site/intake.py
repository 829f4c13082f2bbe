"""The short way to the notification route: behind the same layers as every request, before the web framework.

Microsoft posts hundreds of times a second, and finding the route, its parameters and its dependencies costs the
framework more than the rest of such a post. The route stays where it is: it is what declares the permission, what
the log and the metrics name, and what answers handshakes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from ostiary.core.access.model import Permission
from ostiary.core.sync.subscriptions import PATH
from ostiary.entrypoints.site.notifications import RETRY_AFTER, ROUTE, answered, keep
from ostiary.entrypoints.web.permissions import RouteWithoutPermission

_BELOW: Final = f"{PATH}/"
_NAMED: Final = SimpleNamespace(path_format=ROUTE)
_HEADERS: Final = {
    503: [(name.lower().encode(), value.encode()) for name, value in RETRY_AFTER.items()],
}


class Intake:
    """Answers posts to :data:`ROUTE` that have no query; passes everything else on."""

    def __init__(self, app: ASGIApp, *, application: FastAPI) -> None:
        """
        Raises:
            RouteWithoutPermission: The route is not there, or is not one that everybody may call.
        """
        declared = application.state.permissions.get(("POST", ROUTE))
        if declared is not Permission.PUBLIC:
            raise RouteWithoutPermission(f"{ROUTE} has to be public to be answered before the framework")
        self._app = app
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        segment = scope["path"][len(_BELOW) :] if scope["type"] == "http" else ""
        is_post = segment and scope["method"] == "POST" and not scope["query_string"]
        if not is_post or "/" in segment or not scope["path"].startswith(_BELOW):
            await self._app(scope, receive, send)
            return
        # What the log line and the metrics call it.
        scope["route"] = _NAMED

        async def body() -> bytes:
            return await _body(receive)

        status = await keep(self._application.state.services, segment, body)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*_HEADERS.get(status, ()), (b"content-length", b"0")],
            }
        )
        await send({"type": "http.response.body", "body": b""})
        await answered(status)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the poster went away before its post was here")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
