"""One reference per request: in the answer, in the log, on the error page."""

from __future__ import annotations

import time
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary.core.kernel.entropy import Entropy, SystemEntropy
from ostiary.core.kernel.reach import NOTHING, declared

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_QUIET_PATHS: Final = ("/healthz", "/readyz", "/health", "/metrics", "/static")
_LOGGED_IDS: Final = (
    "connection_id",
    "organization_id",
    "tenant_key",
    "member_id",
    "session_id",
    "reference",
)
"""Parts of a path that support follows. Others may be secrets or name somebody's mail."""

log = structlog.get_logger("ostiary.web")


class RequestId:
    """Names each request, and writes one log line when it was answered.

    A caller's own id is not taken over: it would let strangers write into our log.
    """

    def __init__(self, app: ASGIApp, *, entropy: Entropy | None = None) -> None:
        self._app = app
        self._entropy = entropy or SystemEntropy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._new()
        # The server shares one state between requests; each needs its own.
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        started = time.perf_counter()
        # Whatever the process itself may reach: a request reaches nothing until its route knows its caller (SR-64).
        with structlog.contextvars.bound_contextvars(request_id=request_id), declared(NOTHING):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                self._write(scope, status, time.perf_counter() - started)

    def _new(self) -> str:
        letters = "".join(_ALPHABET[byte & 31] for byte in self._entropy.token_bytes(12))
        return f"RQ-{letters[:4]}-{letters[4:8]}-{letters[8:]}"

    def _write(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's template, not the path: paths can hold secrets, and templates can be counted.
        route = getattr(scope.get("route"), "path_format", None)
        template = route or "unknown"
        app = scope.get("app")
        metrics = getattr(getattr(app, "state", None), "metrics", None)
        if metrics is not None:
            metrics.requests.labels(scope["method"], template, str(status)).inc()
            metrics.request_seconds.labels(scope["method"], template).observe(seconds)
        quiet = template.startswith(_QUIET_PATHS)
        write = log.debug if quiet else log.info
        write(
            "request",
            method=scope["method"],
            route=template,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            client=scope["state"].get("client_ip"),
            **{
                name: scope["path_params"][name]
                for name in _LOGGED_IDS
                if name in scope.get("path_params", {})
            },
        )
