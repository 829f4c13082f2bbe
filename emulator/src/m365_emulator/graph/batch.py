"""JSON batching."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from .access import NOTHING
from .call import Call, Reply
from .errors import bad_request
from .inputs.values import list_of, member, object_of, text_of
from .operations import Operations

MAX_REQUESTS = 20
"""Source: Graph, JSON batching."""

Answer = Callable[[str, str, str, str, dict[str, str], "bytes | None"], Awaitable[Reply]]


class Batch:
    """Answers $batch by putting its parts through the same door as single requests."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.operations = Operations()
        self.operations.post("/$batch", NOTHING, needs_mailbox=False)(self.run)

    async def run(self, call: Call) -> Reply:
        """Answer every part in order; a part whose dependency failed is answered 424."""
        requests = [
            object_of(one, "requests") for one in list_of(member(call.json(), "requests"), "requests")
        ]
        _check(requests)
        statuses: dict[str, int] = {}
        responses: list[dict[str, Any]] = []
        for request in requests:
            name = str(member(request, "id"))
            needed = _dependencies(request)
            if any(statuses.get(one, 424) >= 400 for one in needed):
                reply = Reply(
                    424,
                    {"error": {"code": "FailedDependency", "message": "A dependency of the request failed."}},
                )
            else:
                reply = await self._one(call, request)
            statuses[name] = reply.status
            responses.append(_response(name, reply))
        return Reply(json={"responses": responses})

    async def _one(self, call: Call, request: dict[str, Any]) -> Reply:
        url = text_of(member(request, "url"), "url", limit=40_000)
        parts = urlsplit(url)
        path = parts.path
        for version in ("/v1.0", "/beta"):
            # Absolute URLs, and relative ones that name the version, are understood too.
            if path.lower().startswith(f"{version}/"):
                path = path[len(version) :]
        given = member(request, "headers") or {}
        headers = {str(name).lower(): str(value) for name, value in object_of(given, "headers").items()}
        headers.setdefault("authorization", call.headers.get("authorization", ""))
        headers["user-agent"] = call.headers.get("user-agent", "")
        headers.pop("host", None)
        content = _content(member(request, "body"), headers)
        method = text_of(member(request, "method"), "method", limit=10).upper()
        return await self._answer(method, call.base_url, _unquoted(path), parts.query, headers, content)


def _unquoted(path: str) -> str:
    return unquote(path if path.startswith("/") else f"/{path}")


def _check(requests: list[dict[str, Any]]) -> None:
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise bad_request(f"Number of batch request steps must be between 1 and {MAX_REQUESTS}.")
    seen: set[str] = set()
    for request in requests:
        name = member(request, "id")
        if not isinstance(name, str) or not name or name in seen:
            raise bad_request("Invalid batch payload format: every request needs an id of its own.")
        if not isinstance(member(request, "method"), str) or not isinstance(member(request, "url"), str):
            raise bad_request("Invalid batch payload format: every request needs a method and a url.")
        if not set(_dependencies(request)) <= seen:
            raise bad_request(
                "Invalid batch payload format: dependsOn names a request that does not come before."
            )
        if "$batch" in str(member(request, "url")).lower():
            raise bad_request("A batch cannot hold another batch.")
        seen.add(name)


def _dependencies(request: dict[str, Any]) -> list[str]:
    found = member(request, "dependsOn")
    if found is None:
        found = member(request, "depends_on")
    return [str(one) for one in list_of(found, "dependsOn")]


def _content(body: Any, headers: dict[str, str]) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        # A text is base64 of a binary body, or the text itself where that is the type.
        if headers.get("content-type", "").startswith("text/plain"):
            return body.encode()
        try:
            return base64.b64decode(body, validate=True)
        except ValueError:
            return body.encode()
    headers.setdefault("content-type", "application/json")
    return orjson.dumps(body)


def _response(name: str, reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = {"id": name, "status": reply.status, "headers": dict(reply.headers)}
    if reply.content is not None:
        if reply.content:
            found["headers"]["Content-Type"] = reply.content_type
            found["body"] = base64.b64encode(reply.content).decode()
    elif reply.json is not None:
        found["headers"]["Content-Type"] = "application/json"
        found["body"] = reply.json
    return found
