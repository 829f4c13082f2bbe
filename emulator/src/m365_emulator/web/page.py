"""Render one page: strict headers, no inline script or style, works without JavaScript."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

_FOLDER = Path(str(resources.files("m365_emulator.web")))
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

PAGE_HEADERS = {
    # A form's answer may redirect to any registered reply address, and that one
    # further on; browsers check the whole chain against form-action.
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none';"
        " frame-ancestors 'none'; form-action 'self' http: https:"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )


def render(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render `template` with `values`."""
    page = _environment().get_template(template).render(**values)
    return HTMLResponse(page, status, PAGE_HEADERS)


def plain_file(name: str) -> Response | None:
    """Return a static file, or None when there is none of that name."""
    path = _FOLDER / "static" / name
    kind = _TYPES.get(path.suffix)
    if kind is None or path.parent.name != "static" or not path.is_file():
        return None
    return Response(
        path.read_bytes(),
        headers={
            "content-type": kind,
            "cache-control": "public, max-age=3600",
            "x-content-type-options": "nosniff",
        },
    )
