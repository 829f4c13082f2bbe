"""The browser's own secret: base of the anti-forgery token and of binding a flow to its browser (SR-2, SR-54)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from typing import Final, cast

from fastapi import Request
from markupsafe import Markup
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary.core.kernel.errors import PermissionDenied
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.addresses import expected_origins
from ostiary.entrypoints.web.cookies import append_cookie, cookie_header, read_cookie

COOKIE: Final = "__Host-ostiary-browser"
COOKIE_LIFE: Final = timedelta(days=30)
"""Long enough that "your last try didn't finish" is still shown after a weekend."""

FIELD: Final = "csrf_token"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_NEW: Final = "new_browser_secret"


def browser_secret(request: Request) -> Secret:
    """Return this browser's 256-bit secret, making one (and its cookie) on first use."""
    known = getattr(request.state, _NEW, None)
    if known is None:
        known = read_cookie(request, COOKIE)
        if known is None or not _SECRET.fullmatch(known):
            known = secrets.token_urlsafe(32)
            setattr(request.state, _NEW, known)
    return Secret(cast(str, known))


def csrf_token(request: Request) -> str:
    """Return an anti-forgery token. It looks different each time, so that compression cannot betray it."""
    token = _token(browser_secret(request))
    pad = secrets.token_bytes(len(token))
    mixed = bytes(a ^ b for a, b in zip(token, pad, strict=True))
    return base64.urlsafe_b64encode(pad + mixed).decode()


def csrf_field(request: Request) -> Markup:
    """Return the hidden field that every POST form needs."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, csrf_token(request))


async def verify_form(request: Request) -> None:
    """Refuse a request that one of our own pages did not make in this browser.

    Raises:
        PermissionDenied: No matching token, or the browser says it comes from elsewhere.
    """
    _verify_source(request)
    form = await request.form()
    given = form.getlist(FIELD)
    secret = read_cookie(request, COOKIE)
    if len(given) != 1 or not isinstance(given[0], str) or secret is None:
        raise _refused()
    if not hmac.compare_digest(_unmasked(given[0]), _token(Secret(secret))):
        raise _refused()


def _verify_source(request: Request) -> None:
    # With Referrer-Policy no-referrer browsers send "Origin: null" on a form post, so Sec-Fetch-Site decides
    # where there is one. Source: Fetch standard, "append a request Origin header"; Fetch Metadata.
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise _refused()
        return
    if request.headers.get("origin") not in expected_origins(request):
        raise _refused()


def _token(secret: Secret) -> bytes:
    return hmac.new(secret.reveal().encode(), b"ostiary anti-forgery token", hashlib.sha256).digest()


def _unmasked(text: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        return b""
    half = len(raw) // 2
    return bytes(a ^ b for a, b in zip(raw[:half], raw[half:], strict=False))


def _refused() -> PermissionDenied:
    return PermissionDenied(
        "This form is too old, or was not opened here. Go back, reload the page and send it again."
    )


class BrowserCookie:
    """Sends the cookie of a secret that :func:`browser_secret` made during the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_cookie(message: Message) -> None:
            made = scope.get("state", {}).get(_NEW)
            if message["type"] == "http.response.start" and made is not None:
                header = cookie_header(COOKIE, cast(str, made), life=COOKIE_LIFE)
                append_cookie(MutableHeaders(scope=message), header)
            await send(message)

        await self._app(scope, receive, send_with_cookie)
