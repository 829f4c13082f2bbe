"""The connect session's secret, once it has left the address bar (SR-67)."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request, Response

from ostiary.core.connections.model import CONNECT_SESSION_LIFE
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.cookies import read_cookie, set_cookie

COOKIE: Final = "__Host-ostiary-connect"

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_MISTYPED: Final = "mistyped"
"""Stands for any text that cannot be a session's secret, so that such a link reads like an expired one (SR-69)."""


def session_secret(request: Request) -> Secret | None:
    """Return the secret of the session this browser opened last, good or not; None when it opened none."""
    value = read_cookie(request, COOKIE)
    return Secret(value) if value else None


def remember_session(response: Response, secret: str) -> None:
    """Keep the secret of an opened session for as long as a session lives."""
    value = secret if _SECRET.fullmatch(secret) else _MISTYPED
    set_cookie(response, COOKIE, value, life=CONNECT_SESSION_LIFE)
