"""The front door and the notices (UX §3)."""

from __future__ import annotations

from datetime import UTC

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.status.model import Part
from ostiary.entrypoints.site.facts import genuine_facts
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import render, sign_in_path

router = APIRouter(include_in_schema=False)

_PUBLIC = [requires(Permission.PUBLIC)]


@router.get("/", dependencies=_PUBLIC)
async def show_doors(request: Request) -> Response:
    """Show the three doors."""
    console = services(request).settings.effective_console_url.rstrip("/")
    return render(request, "site/home.html", console_address=f"{console}{sign_in_path(None)}")


@router.get("/genuine", dependencies=_PUBLIC)
async def show_genuine(request: Request) -> Response:
    """Say how to check that our pages are ours."""
    return render(request, "site/genuine.html", genuine=genuine_facts(request))


@router.get("/privacy", dependencies=_PUBLIC)
async def show_privacy(request: Request) -> Response:
    """Say what is kept, by whom, and how it ends."""
    return render(request, "site/privacy.html")


@router.get("/accessibility", dependencies=_PUBLIC)
async def show_accessibility(request: Request) -> Response:
    """Say what works, and where to write when something does not."""
    return render(request, "site/accessibility.html")


@router.get("/status", dependencies=_PUBLIC)
async def show_status(request: Request) -> Response:
    """Say in plain words whether the service works now, and how it was in the last seven days."""
    now = services(request).clock.now()
    parts = await services(request).health.readiness()
    return render(
        request,
        "site/status.html",
        works=all(parts.values()),
        days=await services(request).status.last_days() if parts.get("database") else (),
        parts=Part,
        as_of=now,
        today=now.astimezone(UTC).date(),
    )
