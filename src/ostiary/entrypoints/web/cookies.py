"""Cookies that no neighbour can plant: ``__Host-`` only, one of each name (SR-53)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders

from ostiary.core.kernel.errors import InvalidRequest

PREFIX: Final = "__Host-"


def read_cookie(request: Request, name: str) -> str | None:
    """Return the cookie's value, or None.

    Raises:
        InvalidRequest: The browser sent two cookies of this name: somebody else planted one.
    """
    values = [
        value.strip()
        for header in request.headers.getlist("cookie")
        for key, separator, value in (part.partition("=") for part in header.split(";"))
        if separator and key.strip() == name
    ]
    if len(values) > 1:
        raise InvalidRequest(
            "Your browser sent the same cookie twice. Clear this site's cookies and start again."
        )
    return values[0] if values else None


def set_cookie(
    response: Response,
    name: str,
    value: str,
    *,
    life: timedelta | None,
    same_site: Literal["Lax", "Strict"] = "Lax",
) -> None:
    """Set a ``__Host-`` cookie that scripts cannot read. ``life`` None ends with the browser session."""
    response.headers.append("set-cookie", cookie_header(name, value, life=life, same_site=same_site))


def drop_cookie(response: Response, name: str) -> None:
    """Tell the browser to forget the cookie."""
    response.headers.append("set-cookie", cookie_header(name, "", life=timedelta(0)))


def cookie_header(
    name: str, value: str, *, life: timedelta | None, same_site: Literal["Lax", "Strict"] = "Lax"
) -> str:
    """Return the ``Set-Cookie`` value."""
    if not name.startswith(PREFIX):
        raise ValueError(f"{name} needs the {PREFIX} prefix")
    age = "" if life is None else f"; Max-Age={int(life.total_seconds())}"
    return f"{name}={value}; Path=/{age}; Secure; HttpOnly; SameSite={same_site}"


def append_cookie(headers: MutableHeaders, header: str) -> None:
    """Add a ``Set-Cookie`` line to raw answer headers."""
    headers.append("set-cookie", header)
