"""The HTTP side of answers: base URL, form bodies, error JSON, headers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.entra.errors import EntraError
from m365_emulator.world.ids import is_guid

if TYPE_CHECKING:
    from m365_emulator.world.world import World

MAX_FORM_BYTES = 262_144
SERVER_NAME = "2.1.0 - m365-emulator"
METADATA_HEADERS = {
    "cache-control": "max-age=86400, private",
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, OPTIONS",
    "x-content-type-options": "nosniff",
}
TOKEN_HEADERS = {
    "cache-control": "no-store, no-cache",
    "pragma": "no-cache",
    "expires": "-1",
    "x-content-type-options": "nosniff",
}


def base_url(request: Request) -> str:
    """Return scheme and host as the client wrote them; every address we hand out begins so."""
    return f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"


def correlation_id(request: Request) -> str:
    """Return the client's request id, or a new one."""
    sent = request.headers.get("client-request-id") or request.query_params.get("client-request-id", "")
    return sent if is_guid(sent) else str(uuid.uuid4())


async def read_form(request: Request) -> dict[str, str]:
    """Return the form of a POST body; the first value wins.

    Raises:
        EntraError: 9002313 for a body that is too large or not text.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise EntraError(9002313, "The request body is too large.")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=200)
    except (UnicodeDecodeError, ValueError):
        raise EntraError(9002313, "The request body cannot be read.") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        form.setdefault(name, value)
    return form


def json_answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json; charset=utf-8")


def token_headers(request_id: str) -> dict[str, str]:
    """Return the headers of token answers."""
    return {
        **TOKEN_HEADERS,
        "x-ms-request-id": request_id,
        "x-ms-ests-server": SERVER_NAME,
        "x-ms-clitelem": "1,0,0,,",
    }


def described(world: World, error: EntraError, trace: str, correlation: str, *, line_break: str) -> str:
    """Return `error_description` with its trace lines."""
    stamp = f"{world.clock.now():%Y-%m-%d %H:%M:%SZ}"
    return line_break.join(
        (error.text, f"Trace ID: {trace}", f"Correlation ID: {correlation}", f"Timestamp: {stamp}")
    )


def error_answer(world: World, request: Request, error: EntraError) -> Response:
    """Return the documented error JSON.

    Source: entra-id error response; status 401 for invalid_client, else 400.
    """
    trace, correlation = str(uuid.uuid4()), correlation_id(request)
    content: dict[str, Any] = {
        "error": error.oauth_error,
        "error_description": described(world, error, trace, correlation, line_break=" "),
        "error_codes": [error.code],
        "timestamp": f"{world.clock.now():%Y-%m-%d %H:%M:%SZ}",
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"{base_url(request)}/error?code={error.code}",
    }
    suberror = error.suberror or error.kind.suberror
    if suberror:
        content["suberror"] = suberror
    if error.claims:
        content["claims"] = error.claims
    headers = token_headers(trace)
    headers["x-ms-clitelem"] = f"1,{error.code},0,,"
    status = 401 if error.oauth_error == "invalid_client" else 400
    if error.kind.status >= 429:
        status = error.kind.status
        headers["retry-after"] = "30"
    return json_answer(content, status=status, headers=headers)
