"""The front door and the notices (UX §3)."""

from __future__ import annotations

from datetime import UTC, timedelta

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.core.status.model import Part
from ostiary.entrypoints.site.facts import genuine_facts
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import render, sign_in_path

router = APIRouter(include_in_schema=False)

_PUBLIC = [requires(Permission.PUBLIC)]
_SECURITY_TXT_LIFE = timedelta(days=30)
"""It is made anew at every request; a copy is good for a month."""


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


@router.get("/.well-known/security.txt", dependencies=_PUBLIC)
async def tell_where_to_report(request: Request) -> Response:
    """Say where a weakness of this instance is reported (RFC 9116)."""
    at = services(request)
    ends = (at.clock.now() + _SECURITY_TXT_LIFE).astimezone(UTC).replace(microsecond=0)
    lines = (
        f"Contact: mailto:{at.settings.vendor_help_email}",
        f"Expires: {ends.isoformat().replace('+00:00', 'Z')}",
        f"Canonical: {at.settings.public_url.rstrip('/')}/.well-known/security.txt",
        "Preferred-Languages: en",
    )
    return Response("\n".join(lines) + "\n", media_type="text/plain; charset=utf-8")
