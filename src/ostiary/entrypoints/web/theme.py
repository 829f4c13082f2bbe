"""Light or dark, where a person does not want what the system says."""

from __future__ import annotations

from typing import Final

from fastapi import Request

COOKIE: Final = "ostiary-theme"


def chosen_theme(request: Request) -> str | None:
    """Return ``light`` or ``dark`` when the person pinned one."""
    value = request.cookies.get(COOKIE)
    return value if value in {"light", "dark"} else None
