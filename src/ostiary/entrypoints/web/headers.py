"""Headers of every answer: what the browser may run, load, frame, remember and tell (SR-55, SR-56)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fastapi import Request
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
_POLICY: Final = b"content-security-policy"
_CACHE: Final = b"cache-control"
_NOT_KEPT: Final = (_CACHE, b"no-store")
_REPORTS: Final = (b"reporting-endpoints", b'csp="/csp-report"')
_DATA: Final = b"default-src 'none'; frame-ancestors 'none'"
_TEXT: Final = b"sandbox; " + _DATA
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
        always = _COMMON | ({"Strict-Transport-Security": _HSTS} if https else {})
        self._always = [(name.lower().encode(), value.encode()) for name, value in always.items()]
        self._ours = {name for name, _ in self._always} | {_POLICY}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._with_ours(message.get("headers", ()), scope)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _with_ours(self, given: Iterable[tuple[bytes, bytes]], scope: Scope) -> list[tuple[bytes, bytes]]:
        # As bytes and in one pass: this runs for every answer, hundreds of notifications a second among them.
        headers = [header for header in given if header[0] not in self._ours]
        known = dict(headers)
        headers += self._always
        if _CACHE not in known:
            headers.append(_NOT_KEPT)
        media_type = known.get(b"content-type", b"")
        if media_type.startswith(b"text/html"):
            policy = content_security_policy(scope["state"].get(_FORM_TARGETS, ()))
            headers += ((_POLICY, policy.encode()), _REPORTS)
        else:
            # What a stranger had us echo as plain text stays text, whatever a browser takes it for (SR-84).
            headers.append((_POLICY, _TEXT if media_type.startswith(b"text/plain") else _DATA))
        return headers
