"""The door of Graph: from an HTTP request to an operation and back."""

from __future__ import annotations

import inspect
import logging
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from m365_emulator.entra.tokens import AccessToken
from m365_emulator.world.mailbox.errors import MailboxError
from m365_emulator.world.world import World

from . import throttle
from .access import Target, allows, check_user_agent, find_user, open_target, read_token, require
from .call import Call, Reply
from .errors import GraphError, bad_request, from_store
from .odata.options import parse_options
from .operations import Operation, OperationTable
from .paths import fold, parse_path
from .prefer import read_preferences
from .subscriptions import notifier

_log = logging.getLogger(__name__)
MAX_BODY_BYTES = 5 * 1024 * 1024
"""What is read of a body at most: a little more than the 4 MB that Graph takes, so that the error can be told."""


DIAGNOSTIC = '{"ServerInfo":{"DataCenter":"Emulator","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"EMULATOR"}}'
"""What Graph says of the server that answered; support asks for it."""


class GraphApp:
    """Answers everything below /v1.0, and refuses other versions."""

    def __init__(self, world: World, table: OperationTable) -> None:
        self._world = world
        self._table = table

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        try:
            content = await _read_body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        headers = {name.lower(): value for name, value in request.headers.items()}
        prefer = request.headers.getlist("prefer")
        if len(prefer) > 1:
            headers["prefer"] = ", ".join(prefer)
        base_url = f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"
        path = request.path_params.get("rest", "")
        reply = await self.answer(request.method, base_url, f"/{path}", request.url.query, headers, content)
        return to_response(reply)

    async def refuse_version(self, request: Request) -> Response:
        """Answer a request to a version of Graph that is not emulated."""
        version = request.url.path.strip("/").partition("/")[0]
        body = bad_request(f"Invalid version: {version[:20]}.").body(self._world.clock.now(), "", "")
        return to_response(Reply(400, body))

    async def answer(
        self,
        method: str,
        base_url: str,
        path: str,
        query: str,
        headers: dict[str, str],
        content: bytes | None,
    ) -> Reply:
        """Answer one request, of HTTP or out of a batch; `content` None means that the body was too large."""
        world = self._world
        if "graph.notifier" in world.state:
            notifier.of(world)
        request_id = str(UUID(bytes=world.rng.randbytes(16), version=4))
        client_request_id = headers.get("client-request-id", request_id)[:100]
        call: Call | None = None
        try:
            call, operation = self._prepare(method, base_url, path, query, headers, content)
            with throttle.admit(call):
                await throttle.hold(call)
                result = operation.handler(call)
                reply = await result if inspect.isawaitable(result) else result
        except MailboxError as error:
            reply = self._error_reply(from_store(error), request_id, client_request_id)
        except GraphError as error:
            reply = self._error_reply(error, request_id, client_request_id)
        except Exception:
            _log.exception("Graph failed on %s %s", method, path.partition("?")[0])
            broken = GraphError(500, "ErrorInternalServerError", "The server encountered an internal error.")
            reply = self._error_reply(broken, request_id, client_request_id)
        reply.headers.setdefault("x-ms-ags-diagnostic", DIAGNOSTIC)
        reply.headers.setdefault("request-id", request_id)
        reply.headers.setdefault("client-request-id", client_request_id)
        if call is not None and call.preferences.applied and reply.status < 400:
            reply.headers.setdefault("Preference-Applied", ", ".join(call.preferences.applied))
        return reply

    def _error_reply(self, error: GraphError, request_id: str, client_request_id: str) -> Reply:
        body = error.body(self._world.clock.now(), request_id, client_request_id)
        return Reply(error.status, body, headers=dict(error.headers))

    def _prepare(
        self,
        method: str,
        base_url: str,
        path: str,
        query: str,
        headers: dict[str, str],
        content: bytes | None,
    ) -> tuple[Call, Operation]:
        token = read_token(self._world, headers.get("authorization"), base_url)
        if content is None:
            raise GraphError(413, "RequestEntityTooLarge", "The request is too large.")
        parsed = parse_path(path)
        segments, user_name = _split_mailbox(parsed.segments)
        found = self._table.find(segments)
        if found is None:
            last = parsed.segments[-1] if parsed.segments else ""
            raise GraphError(400, "BadRequest", f"Resource not found for the segment '{last[:80]}'.")
        operations, arguments = found
        operation = operations.get(method) or (operations.get("GET") if method == "HEAD" else None)
        if operation is None:
            raise GraphError(
                405,
                "Request_BadRequest"
                if method not in ("PUT", "PATCH", "POST", "DELETE")
                else "ErrorMethodNotAllowed",
                "Specified HTTP method is not allowed for the request target.",
                headers={"Allow": ", ".join(sorted(operations))},
            )
        target, basic_only = self._open(
            token, operation, user_name, is_user_path=segments[:1] == ["{mailbox}"]
        )
        if target is not None:
            check_user_agent(target, headers.get("user-agent", ""))
        call = Call(
            world=self._world,
            method=method,
            base_url=base_url,
            path=path,
            options=parse_options(query),
            headers=headers,
            content=content,
            token=token,
            preferences=read_preferences(headers.get("prefer", "")),
            arguments=arguments,
            parameters=parsed.parameters,
            user_name=user_name,
            target=target,
            basic_only=basic_only,
        )
        return call, operation

    def _open(
        self, token: AccessToken, operation: Operation, user_name: str | None, *, is_user_path: bool
    ) -> tuple[Target | None, bool]:
        if not is_user_path or not operation.needs_mailbox:
            if is_user_path:
                user = find_user(self._world, token, user_name, directory=True)
                require(token, operation.permission, is_own=token.user is user)
            elif operation.permission.own or operation.permission.application:
                require(token, operation.permission, is_own=True)
            return None, False
        target = open_target(self._world, token, operation.permission, user_name)
        basic = operation.basic is not None and not allows(token, operation.basic, is_own=target.is_own)
        return target, basic


def to_response(reply: Reply) -> Response:
    """Turn an answer into an HTTP response."""
    body = reply.body()
    headers = dict(reply.headers)
    if body or reply.json is not None:
        headers["Content-Type"] = reply.content_type
    return Response(body, status_code=reply.status, headers=headers)


def _split_mailbox(segments: list[str]) -> tuple[list[str], str | None]:
    """Return the segments as the table knows them, and the user they name (None: /me or no user at all)."""
    if not segments:
        return segments, None
    first = segments[0].lower()
    if first == "me":
        return ["{mailbox}", *fold(segments[1:])], None
    if first == "users" and len(segments) > 1 and segments[1].lower() not in ("delta", "$count"):
        if segments[1].lower() == "me-token-to-replace":
            return ["{mailbox}", *fold(segments[2:])], None
        return ["{mailbox}", *fold(segments[2:])], segments[1]
    return segments, None


async def _read_body(request: Request) -> bytes | None:
    """Return the body, None if it is larger than anything Graph takes."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        return None
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(chunk)
    return b"".join(parts)
