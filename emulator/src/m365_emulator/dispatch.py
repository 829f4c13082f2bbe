"""The outermost ASGI layer: folds slashes, picks the service, injects faults, logs."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Router

from m365_emulator.entra.tokens import verify_jwt
from m365_emulator.world.faults import Fault
from m365_emulator.world.mailbox.held import release_due
from m365_emulator.world.request_log import MAX_BODY_BYTES, LoggedRequest, mask, visible_headers

if TYPE_CHECKING:
    from m365_emulator.world.tenants import Tenant
    from m365_emulator.world.world import World

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

TRANSPORT = "m365_emulator.transport"
"""Scope extension that holds the connection's transport, for faults that reset it."""
_SLASHES = re.compile("/{2,}")
_RAW_SLASHES = re.compile(b"/{2,}")
_HEADERS_NOT_LOGGED = frozenset({"host", "connection", "accept-encoding"})
GARBAGE = bytes(range(256)) * 2
CONTROL_SEGMENTS = frozenset(
    {"", "control", "static", "inbox", "mailboxes", "requests", "notifications", "healthz"}
)
"""First path segments that faults never hit and the log leaves out."""


class Service:
    """A router and the first path segments that belong to it."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        listed = list(routes)
        self.router = Router(listed)
        self.segments = frozenset(_first_segment(str(getattr(route, "path", ""))) for route in listed)


def _first_segment(path: str) -> str:
    segment = path.lstrip("/").partition("/")[0].partition("(")[0].lower()
    return "" if segment.startswith("{") else segment


class Dispatcher:
    """Sends each request to the service that owns its first path segment; Entra gets the rest."""

    def __init__(self, world: World, *, entra: Service, control: Service, resources: list[Service]) -> None:
        self._world = world
        self._entra = entra
        self._by_segment: dict[str, tuple[Router, bool]] = {}
        for service in resources:
            self._by_segment |= dict.fromkeys(service.segments, (service.router, True))
        self._by_segment |= dict.fromkeys(control.segments, (control.router, False))
        self._by_segment |= dict.fromkeys(entra.segments - {""}, (entra.router, False))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # Whoever asks after mail's time has come finds it delivered.
        release_due(self._world)
        path: str = scope["path"]
        if "//" in path:
            path = scope["path"] = _SLASHES.sub("/", path)
            scope["raw_path"] = _RAW_SLASHES.sub(b"/", scope.get("raw_path") or path.encode())
        segment = _first_segment(path)
        router, is_resource = self._by_segment.get(segment, (self._entra.router, False))
        if segment in CONTROL_SEGMENTS:
            await router(scope, receive, send)
            return
        await _Exchange(self._world, scope, receive, send, is_resource).run(router)


class _Exchange:
    """One request: watched for the log, hurt by a fault when one fires."""

    def __init__(
        self, world: World, scope: MutableMapping[str, Any], receive: Receive, send: Send, is_resource: bool
    ) -> None:
        self.world, self.scope = world, scope
        self._receive, self._send = receive, send
        self._is_resource = is_resource
        self._status = 0
        self._request_body = bytearray()
        self._response_body = bytearray()
        self._response_headers: list[tuple[bytes, bytes]] = []
        self._sent_bytes = 0
        self._fault: Fault | None = None
        self._is_cut = False

    async def run(self, router: ASGIApp) -> None:
        started = time.perf_counter()
        self.scope.setdefault("state", {})
        claims = self._claims()
        try:
            if len(self.world.faults):
                self._fault = self._find_fault(claims)
            if self._fault is None:
                await router(self.scope, self.receive, self.watch)
            else:
                await self._run_with_fault(router, self._fault)
        finally:
            self._log(started, claims)

    # -- watching ----------------------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        message = await self._receive()
        body = message.get("body", b"")
        if body and len(self._request_body) < MAX_BODY_BYTES:
            self._request_body += body[: MAX_BODY_BYTES - len(self._request_body)]
        return message

    async def watch(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._response_headers = list(message.get("headers", ()))
        elif self.world.request_log.keeps_response_bodies:
            self._response_body += message.get("body", b"")
        await self._send(message)

    def _header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), "")

    def _claims(self) -> dict[str, Any]:
        scheme, _, token = self._header(b"authorization").partition(" ")
        return (verify_jwt(self.world, token.strip()) or {}) if scheme.lower() == "bearer" else {}

    def _tenant(self, claims: dict[str, Any]) -> Tenant | None:
        if "tid" in claims:
            return self.world.find_tenant(str(claims["tid"]))
        named = self.scope["state"].get("tenant_id") or self.scope["path"].lstrip("/").partition("/")[0]
        return self.world.find_tenant(named) if named else None

    def _log(self, started: float, claims: dict[str, Any]) -> None:
        log, scope = self.world.request_log, self.scope
        tenant = self._tenant(claims)
        log.add(
            LoggedRequest(
                number=log.next_number(),
                at=self.world.clock.now().isoformat(timespec="milliseconds"),
                method=scope["method"],
                host=self._header(b"host"),
                path=scope["path"],
                query=mask(scope["query_string"].decode("latin-1")),
                status=self._status,
                milliseconds=round((time.perf_counter() - started) * 1000, 2),
                tenant_id=tenant.id if tenant else None,
                app_id=claims.get("appid") or scope["state"].get("app_id"),
                correlation_id=self._header(b"client-request-id") or None,
                fault=self._fault.id if self._fault else None,
                request_headers=visible_headers(scope["headers"], _HEADERS_NOT_LOGGED),
                request_body=mask(self._request_body.decode("utf-8", "replace"))
                if self._request_body
                else "",
                response_headers=visible_headers(self._response_headers) if log.keeps_response_bodies else {},
                response_body=self._response_body.decode("utf-8", "replace") if self._response_body else "",
            )
        )

    # -- faults ------------------------------------------------------------------------------------------------------

    def _find_fault(self, claims: dict[str, Any]) -> Fault | None:
        tenant = self._tenant(claims)
        tenant_names = {tenant.id, *tenant.domains} if tenant else set[str]()
        return self.world.faults.for_request(
            self.scope["method"],
            self.scope["path"],
            tenant_names,
            self._mailbox_names(claims),
            is_resource=self._is_resource,
        )

    def _mailbox_names(self, claims: dict[str, Any]) -> set[str]:
        names = {part.lower() for part in self.scope["path"].split("/") if part}
        names.add(self._header(b"x-anchormailbox").rpartition(":")[2].lower())
        oid = claims.get("oid")
        if oid and claims.get("idtyp") != "app":
            names.add(str(oid))
        for name in tuple(names):
            user = self.world.find_user(name) if "@" in name or name == oid else None
            if user is not None:
                names |= {user.oid, *user.addresses}
        return names - {""}

    async def _run_with_fault(self, router: ASGIApp, fault: Fault) -> None:
        if fault.latency_ms:
            await asyncio.sleep(fault.latency_ms / 1000)
        if fault.reset:
            self._abort()
            return
        hurt = self._hurting(fault)
        if fault.status is not None or fault.body is not None:
            await self._answer_with(fault, hurt)
        elif fault.garbage and fault.truncate_after_bytes is None:
            headers = [
                (b"content-type", b"application/octet-stream"),
                (b"content-length", str(len(GARBAGE)).encode()),
            ]
            await hurt({"type": "http.response.start", "status": 200, "headers": headers})
            await hurt({"type": "http.response.body", "body": GARBAGE})
        else:
            await router(self.scope, self.receive, hurt)

    def _abort(self) -> None:
        transport = self.scope.get("extensions", {}).get(TRANSPORT, {}).get("transport")
        if transport is not None:
            transport.abort()

    async def _answer_with(self, fault: Fault, send: Send) -> None:
        body = (fault.body or "").encode()
        headers = {
            "content-type": "text/plain; charset=utf-8",
            **{k.lower(): v for k, v in fault.headers.items()},
        }
        headers["content-length"] = str(len(body))
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": fault.status or 200, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _hurting(self, fault: Fault) -> Send:
        async def send(message: Message) -> None:
            if self._is_cut:
                return
            if message["type"] != "http.response.body":
                await self.watch(message)
                return
            body: bytes = message.get("body", b"")
            limit = fault.truncate_after_bytes
            if limit is not None and self._sent_bytes + len(body) > limit:
                await self._drip(
                    {**message, "body": body[: limit - self._sent_bytes], "more_body": True}, fault
                )
                self._is_cut = True
                self._abort_gently()
                return
            await self._drip(message, fault)

        return send

    async def _drip(self, message: Message, fault: Fault) -> None:
        body: bytes = message.get("body", b"")
        self._sent_bytes += len(body)
        rate = fault.drip_bytes_per_second
        if not rate or not body:
            await self.watch(message)
            return
        piece = max(1, rate // 10)
        for start in range(0, len(body), piece):
            is_last = start + piece >= len(body)
            more = bool(message.get("more_body", False)) or not is_last
            await self.watch({**message, "body": body[start : start + piece], "more_body": more})
            if not is_last:
                await asyncio.sleep(piece / rate)

    def _abort_gently(self) -> None:
        """Close after what was written has gone out: the client sees a body that ends too early."""
        transport = self.scope.get("extensions", {}).get(TRANSPORT, {}).get("transport")
        if transport is not None:
            transport.close()
