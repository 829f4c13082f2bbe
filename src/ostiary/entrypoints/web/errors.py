"""What a caller sees when something goes wrong: a page for people, problem details for programs (SR-104, UX §5).

Nothing here shows a stack, a path, a query or a version; the reference leads support to the log.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary.core.access.model import Role
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    ConsentRequired,
    FlowRejected,
    InvalidRequest,
    MailboxMissing,
    Misconfigured,
    NotFound,
    OstiaryError,
    PermissionDenied,
    ProviderContractBroken,
    RateLimited,
    ReauthorizationRequired,
    SyncCursorExpired,
    TemporarilyUnavailable,
    Throttled,
    VersionChanged,
)
from ostiary.entrypoints.web.addresses import is_below
from ostiary.entrypoints.web.context import principal, request_id
from ostiary.entrypoints.web.held_form import PAGE, HeldForm, hold
from ostiary.entrypoints.web.sign_in_host import sign_in_origin
from ostiary.entrypoints.web.templates import render, see_other, sign_in_path

log = structlog.get_logger("ostiary.web")

API_PATHS: Final = ("/v1",)

_STATUS: Final[dict[type[OstiaryError], int]] = {
    InvalidRequest: 400,
    FlowRejected: 400,
    PermissionDenied: 403,
    NotFound: 404,
    VersionChanged: 412,
    Conflict: 409,
    ConsentRequired: 409,
    ReauthorizationRequired: 409,
    AccessBlocked: 409,
    MailboxMissing: 409,
    SyncCursorExpired: 410,
    RateLimited: 429,
    Misconfigured: 500,
    ProviderContractBroken: 502,
    Throttled: 503,
    TemporarilyUnavailable: 503,
}

_TITLES: Final = {
    400: "That request can’t be used",
    403: "This isn’t yours to see or change",
    404: "There is nothing at this address",
    405: "This page doesn’t take that kind of request",
    409: "Something changed in the meantime",
    410: "This list has moved on",
    412: "It was changed in the meantime",
    429: "Too many tries in a short time",
    500: "Something is wrong on our side",
    502: "Microsoft answered something we don’t understand",
    503: "This doesn’t work at the moment",
}

_WHAT: Final = {
    404: "The address may be mistyped, or what it showed is gone.",
    405: "The address is right, but not for what was tried.",
    429: "To keep everybody safe we slow things down for a while.",
    500: "The fault is recorded and you did nothing wrong.",
}

_WHO: Final = {
    400: "You",
    403: "Somebody who may do this, such as your organization’s admin",
    404: "You",
    405: "You",
    409: "You",
    429: "Nobody: it passes by itself",
    503: "Nobody: it usually passes by itself",
}


class SignInNeeded(Exception):
    """The route needs a caller we know, and there is none."""

    def __init__(self, area: Literal["console", "api"]) -> None:
        super().__init__(area)
        self.area = area


class StepUpNeeded(Exception):
    """The caller has to prove once more who they are before this form is sent (SR-57)."""

    def __init__(self, held: HeldForm) -> None:
        super().__init__("step up")
        self.held = held


def status_of(error: OstiaryError) -> int:
    """Return the HTTP status of an expected failure."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def error_answer(
    request: Request,
    *,
    status: int,
    title: str | None = None,
    what: str | None = None,
    code: str | None = None,
    reason: str | None = None,
    reference: str | None = None,
    headers: dict[str, str] | None = None,
    fields: list[dict[str, str]] | None = None,
) -> Response:
    """Return the failure as a page, or as problem details (RFC 9457) below the API's paths."""
    heading = title or _TITLES.get(status, _TITLES[500])
    explanation = what or _WHAT.get(status, "")
    if is_below(request.scope["path"], API_PATHS):
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": heading,
            "status": status,
            "detail": explanation,
            "code": code or "error",
            "request_id": request_id(request),
        }
        if reason:
            problem["reason"] = reason
        if reference:
            problem["ref"] = reference
        if fields:
            problem["errors"] = fields
        return JSONResponse(
            problem, status_code=status, headers=headers, media_type="application/problem+json"
        )
    page = render(
        request,
        "error.html",
        status_code=status,
        status=status,
        heading=heading,
        what=explanation,
        who=_WHO.get(status),
        reason=reason,
        reference=reference or request_id(request),
    )
    page.headers.update(headers or {})
    return page


async def show_expected_failure(request: Request, error: Exception) -> Response:
    """Answer a kernel error."""
    assert isinstance(error, OstiaryError)  # noqa: S101 - registered for this type only
    status = status_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, Throttled):
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    elif status == 503:
        headers["Retry-After"] = "30"
    if status >= 500:
        log.warning("request_failed", code=error.code, reason=error.reason)
    what = "" if status == 500 else error.message
    fields = [{"field": error.field}] if isinstance(error, InvalidRequest) and error.field else None
    return error_answer(
        request,
        status=status,
        what=what or None,
        code=error.code,
        reason=error.reason,
        reference=error.reference,
        headers=headers,
        fields=fields,
    )


async def show_http_failure(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: unknown path, wrong method, unreadable body."""
    assert isinstance(error, HTTPException)  # noqa: S101
    return error_answer(
        request,
        status=error.status_code,
        code={404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request"),
        headers=dict(error.headers or {}),
    )


async def show_invalid_fields(request: Request, error: Exception) -> Response:
    """Answer a request whose fields do not fit. Values are not repeated: they may be secrets."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fields = [
        {"field": ".".join(str(part) for part in problem["loc"][1:]), "problem": str(problem["msg"])}
        for problem in error.errors()
    ]
    names = ", ".join(sorted({field["field"] for field in fields if field["field"]}))
    return error_answer(
        request,
        status=400,
        what=f"These fields are missing or not right: {names}." if names else "The request isn’t complete.",
        code="invalid_request",
        fields=fields,
    )


async def ask_to_sign_in(request: Request, error: Exception) -> Response:
    """Lead a person to the sign-in page, or tell a program that it needs a key."""
    assert isinstance(error, SignInNeeded)  # noqa: S101
    if error.area == "api":
        return error_answer(
            request,
            status=401,
            title="An API key is needed",
            what="Send a valid key: Authorization: Bearer ost_…",
            code="unauthenticated",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if request.method not in {"GET", "HEAD"}:
        return see_other(sign_in_path(None, signed_out=True))
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("sec-fetch-site") == "cross-site":
        # Somebody followed a link from a mail: the strict session cookie comes along only with a request
        # that our own page makes.
        return render(request, "console/continue.html", target=here)
    return see_other(sign_in_path(here))


async def ask_for_proof(request: Request, error: Exception) -> Response:
    """Lead a person to Microsoft and back, with what they were about to send."""
    assert isinstance(error, StepUpNeeded)  # noqa: S101
    caller = principal(request)
    is_operator = caller.role is Role.OPERATOR
    home = "/operator" if is_operator else "/console"

    def page(is_held: bool) -> Response:
        return render(
            request,
            "console/step_up.html",
            status_code=403,
            form_targets=[sign_in_origin(request)],
            is_held=is_held,
            is_operator=is_operator,
            next_path=PAGE if is_held else home,
            home=home,
        )

    answer = page(is_held=True)
    return answer if hold(answer, error.held) else page(is_held=False)


async def slow_down(request: Request, error: Exception) -> Response:
    """Answer a caller that tries too often."""
    assert isinstance(error, RateLimited)  # noqa: S101
    return error_answer(
        request,
        status=429,
        what=f"{_WHAT[429]} Try again {in_about(error.retry_after_seconds)}.",
        code=error.code,
        headers={"Retry-After": str(error.retry_after_seconds)},
    )


def in_about(seconds: int) -> str:
    """Return ``in 20 seconds``, ``in 3 minutes``, ``in 2 hours``: never sooner than it is true."""
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds > size:
            return f"in {-(-seconds // size)} {unit}s"
    return "in 1 second" if seconds == 1 else f"in {seconds} seconds"


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(OstiaryError, show_expected_failure)
    app.add_exception_handler(HTTPException, show_http_failure)
    app.add_exception_handler(RequestValidationError, show_invalid_fields)
    app.add_exception_handler(SignInNeeded, ask_to_sign_in)
    app.add_exception_handler(StepUpNeeded, ask_for_proof)
    app.add_exception_handler(RateLimited, slow_down)


class AnswerCutShort(Exception):
    """What was being passed on to the caller ended before its end; whoever raises it has logged why."""


class FaultBarrier:
    """Turns a bug into the plain 500 page. The stack goes to the log, with the request's reference."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except AnswerCutShort:
            # Returning without an end of the answer makes the server drop the connection: the caller cannot take
            # the part for the whole.
            return
        except Exception:
            log.exception("unexpected_failure", method=scope["method"])
            if started:
                raise
            answer = error_answer(Request(scope), status=500, code="internal_error")
            await answer(scope, receive, send)
