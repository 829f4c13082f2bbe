"""Headers of every answer: what the browser may run, load, frame, remember and tell (SR-55, SR-56)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FORM_TARGETS: Final = "form_targets"

_COMMON: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    # Copy buttons write to the clipboard; nothing else is needed.
    "Permissions-Policy": (
        "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(self), "
        "display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), "
        "identity-credentials-get=(), idle-detection=(), magnetometer=(), microphone=(), midi=(), "
        "otp-credentials=(), payment=(), picture-in-picture=(), publickey-credentials-get=(), "
        "screen-wake-lock=(), serial=(), storage-access=(), usb=(), xr-spatial-tracking=()"
    ),
}
_HSTS: Final = "max-age=31536000; includeSubDomains"


def allow_form_targets(request: Request, origins: Iterable[str]) -> None:
    """Let the page's forms end at these origins too; Chromium checks every redirect after a form post."""
    request.scope["state"][_FORM_TARGETS] = tuple(dict.fromkeys(origins))


def content_security_policy(form_targets: Iterable[str] = ()) -> str:
    """Return the policy of a page: our own files only, nothing inline, no strings turned into markup."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "object-src 'none'",
            "frame-ancestors 'none'",
            " ".join(("form-action 'self'", *form_targets)),
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
            "report-uri /csp-report",
            "report-to csp",
        )
    )


class SecurityHeaders:
    """Adds the headers to every answer, whoever made it."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), scope)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _add(self, headers: MutableHeaders, scope: Scope) -> None:
        for name, value in _COMMON.items():
            headers[name] = value
        if self._https:
            headers["Strict-Transport-Security"] = _HSTS
        headers.setdefault("Cache-Control", "no-store")
        if headers.get("content-type", "").startswith("text/html"):
            headers["Content-Security-Policy"] = content_security_policy(
                scope["state"].get(_FORM_TARGETS, ())
            )
            headers["Reporting-Endpoints"] = 'csp="/csp-report"'
        else:
            # What a stranger had us echo as plain text stays text, whatever a browser takes it for (SR-84).
            sandbox = "sandbox; " if headers.get("content-type", "").startswith("text/plain") else ""
            headers["Content-Security-Policy"] = f"{sandbox}default-src 'none'; frame-ancestors 'none'"
