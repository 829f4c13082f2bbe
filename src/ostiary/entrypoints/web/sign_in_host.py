"""The host people sign in at, as pages show it and as their forms may lead to."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from ostiary.entrypoints.web.addresses import origin
from ostiary.entrypoints.web.context import services

_CLOUD_HOSTS: Final = {
    "global": "https://login.microsoftonline.com",
    "usgov": "https://login.microsoftonline.us",
    "dod": "https://login.microsoftonline.us",
    "china": "https://login.partner.microsoftonline.cn",
}
"""Source: Microsoft Entra authentication & national clouds."""


def sign_in_origin(request: Request) -> str:
    """Return the origin of Microsoft's sign-in pages, for ``form_targets``."""
    settings = services(request).settings
    return origin(settings.login_url or _CLOUD_HOSTS[settings.cloud])


def connect_targets(request: Request, return_url: str | None) -> list[str]:
    """Return where a form that connects may end, for ``form_targets``.

    Somebody who is signed in already passes Microsoft without a page, and browsers hold every redirect of the
    form's answer to this list: so the vendor's own page, where the way ends, is on it.
    """
    return [sign_in_origin(request), *([] if return_url is None else [origin(return_url)])]


def sign_in_host(request: Request) -> str:
    """Return the host (and port, where unusual) for people to compare."""
    return sign_in_origin(request).partition("://")[2]
