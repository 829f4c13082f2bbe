"""The evidence pack as a public page and as a PDF (SR-111)."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from ostiary.core.access.model import Permission
from ostiary.entrypoints.evidence_pack.content import build_pack
from ostiary.entrypoints.evidence_pack.model import EvidencePack
from ostiary.entrypoints.web.context import services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import render

router = APIRouter(include_in_schema=False)

_PUBLIC = [requires(Permission.PUBLIC)]


@router.get("/genuine/evidence", dependencies=_PUBLIC)
async def show_evidence(request: Request) -> Response:
    """Show the pack; it prints well."""
    return render(request, "site/evidence.html", pack=_pack(request))


@router.get("/genuine/evidence.pdf", dependencies=_PUBLIC)
async def send_evidence(request: Request) -> Response:
    """Send the same as a file."""
    content = await asyncio.to_thread(_rendered, _pack(request))
    return Response(
        content,
        media_type="application/pdf",
        headers={"Content-Disposition": 'attachment; filename="evidence-pack.pdf"'},
    )


def _rendered(pack: EvidencePack) -> bytes:
    # Loading the PDF library takes a fifth of the server's start, and few requests need it.
    from ostiary.entrypoints.evidence_pack.pdf import render_pdf

    return render_pdf(pack)


def _pack(request: Request) -> EvidencePack:
    known = services(request)
    return build_pack(known.settings, known.registrations, today=known.clock.now().date())
