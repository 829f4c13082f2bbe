"""A form that waits in the browser while its sender proves who they are, so that nothing typed is lost (SR-57)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import orjson
from fastapi import Request, Response

from ostiary.entrypoints.web.addresses import local_path
from ostiary.entrypoints.web.browser import FIELD
from ostiary.entrypoints.web.cookies import drop_cookie, read_cookie, set_cookie

COOKIE: Final = "__Host-ostiary-held"
LIFE: Final = timedelta(minutes=10)
"""As long as somebody may stay at Microsoft."""

PAGE: Final = "/console/step-up"
"""Where the form is shown again, to be sent with one press."""

_LONGEST: Final = 3500
"""Browsers keep cookies up to 4096 bytes with their name; no form that is held has so many words."""


@dataclass(frozen=True, slots=True)
class HeldForm:
    """What somebody wanted to send, and who."""

    caller_id: str
    path: str
    fields: tuple[tuple[str, str], ...]


async def read_form(request: Request, caller_id: str) -> HeldForm:
    """Return the form of a request, without its anti-forgery token: it belongs to the page it came from."""
    form = await request.form()
    fields = [(name, value) for name, value in form.multi_items() if name != FIELD and isinstance(value, str)]
    return HeldForm(caller_id, request.url.path, tuple(fields))


def hold(response: Response, held: HeldForm) -> bool:
    """Keep the form in the browser; False when it is too long, and has to be typed again."""
    content = orjson.dumps([held.caller_id, held.path, held.fields])
    value = base64.urlsafe_b64encode(content).decode()
    if len(value) > _LONGEST:
        return False
    set_cookie(response, COOKIE, value, life=LIFE, same_site="Strict")
    return True


def find_held(request: Request, caller_id: str) -> HeldForm | None:
    """Return the form that this caller left in this browser, or None."""
    value = read_cookie(request, COOKIE)
    if value is None:
        return None
    try:
        owner, path, fields = orjson.loads(base64.urlsafe_b64decode(value))
        pairs = _pairs(fields)
    except (binascii.Error, ValueError, TypeError):
        return None
    if owner != caller_id or not isinstance(path, str) or local_path(path) is None:
        return None
    return HeldForm(caller_id, path, pairs)


def forget(response: Response) -> None:
    """Drop the form."""
    drop_cookie(response, COOKIE)


def _pairs(fields: Sequence[Sequence[object]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in fields)
