"""The approval link's secret, once it has left the address bar (SR-67)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from fastapi import Request, Response

from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.cookies import drop_cookie, read_cookie, set_cookie

COOKIE: Final = "__Host-ostiary-approval"
COOKIE_LIFE: Final = timedelta(hours=12)
"""Long enough to activate a role or fetch a colleague; the link itself lasts longer."""

NOT_A_SECRET: Final = "mistyped"
"""Stands for any text that cannot be a link's secret, so that such a link reads like an expired one (SR-69)."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def link_secret(request: Request) -> Secret | None:
    """Return the secret of the link this browser opened last, good or not; None when it opened none."""
    value = read_cookie(request, COOKIE)
    return Secret(value) if value else None


def remember_link(response: Response, secret: str) -> None:
    """Keep the secret of an opened link for a while."""
    value = secret if _SECRET.fullmatch(secret) else NOT_A_SECRET
    set_cookie(response, COOKIE, value, life=COOKIE_LIFE)


def forget_link(response: Response) -> None:
    """Go on without a link."""
    drop_cookie(response, COOKIE)
