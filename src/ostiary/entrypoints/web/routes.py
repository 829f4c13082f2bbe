"""Routes that belong to no area: static files and the theme."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request, Response

from ostiary.core.access.model import Permission
from ostiary.entrypoints.web.addresses import local_path
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.static import StaticFiles
from ostiary.entrypoints.web.templates import see_other
from ostiary.entrypoints.web.theme import COOKIE

_FOREVER: Final = "public, max-age=31536000, immutable"
_YEAR_SECONDS: Final = 365 * 24 * 3600

router = APIRouter()


@router.get("/static/{name}", dependencies=[requires(Permission.PUBLIC)], include_in_schema=False)
async def send_file(request: Request, name: str) -> Response:
    """Send a static file; browsers may keep it for good, because a change gets a new name."""
    files: StaticFiles = request.app.state.static
    file = files.get(name)
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            file.compressed, media_type=file.media_type, headers={**headers, "Content-Encoding": "gzip"}
        )
    return Response(file.content, media_type=file.media_type, headers=headers)


@router.post("/theme", dependencies=[requires(Permission.PUBLIC)], include_in_schema=False)
async def choose_theme(
    theme: Annotated[Literal["light", "dark", "system"], Form()], back: Annotated[str, Form()] = "/"
) -> Response:
    """Pin a theme, or follow the system again."""
    answer = see_other(local_path(back) or "/")
    if theme == "system":
        answer.delete_cookie(COOKIE, path="/")
    else:
        # Holds no secret, but is sent like one where the site has https.
        answer.set_cookie(
            COOKIE, theme, max_age=_YEAR_SECONDS, path="/", httponly=True, samesite="lax", secure=True
        )
    return answer
