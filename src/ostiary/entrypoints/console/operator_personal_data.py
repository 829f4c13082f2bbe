"""Erase and export of a whole customer, for operators (SR-102)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse

from ostiary.core.access.model import Permission
from ostiary.entrypoints.console.shell import render_operator
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.download import export_answer
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import see_other

router = APIRouter(include_in_schema=False)


@router.post(
    "/operator/customers/{organization_id}/export",
    dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)],
)
async def export_customer(request: Request, organization_id: str) -> Response:
    """Send everything stored about a customer."""
    at = services(request)
    customer = await at.organizations.get(organization_id)
    return await export_answer(
        at.export.rows(customer.id, actor=actor(request)), file_name=f"{customer.id}.json"
    )


@router.get(
    "/operator/customers/{organization_id}/erase", dependencies=[requires(Permission.OPERATOR_MANAGE)]
)
async def show_erase(request: Request, organization_id: str) -> Response:
    """Say what erasing a customer deletes, and ask for its name."""
    return await _ask(request, organization_id)


@router.post(
    "/operator/customers/{organization_id}/erase",
    dependencies=[requires(Permission.OPERATOR_MANAGE, fresh=True)],
)
async def erase(
    request: Request, organization_id: str, typed: Annotated[str, Form(max_length=400)] = ""
) -> Response:
    """Begin to erase a customer, once its name was typed."""
    at = services(request)
    customer = await at.organizations.get(organization_id)
    if typed.strip().casefold() != customer.name.casefold():
        return await _ask(request, organization_id, typed=typed, status_code=400)
    await at.erasure.begin_organization(customer.id, actor=actor(request))
    return see_other(f"/operator/erasures/{customer.id}")


@router.get("/operator/erasures/{organization_id}", dependencies=[requires(Permission.OPERATOR_READ)])
async def show_progress(request: Request, organization_id: str) -> Response:
    """Show how far an erasure is, and its receipt at the end. It names nobody: the name is gone, too."""
    return render_operator(
        request,
        "console/operator_erasure.html",
        section="customers",
        progress=await services(request).erasure.progress(organization_id),
    )


@router.get("/operator/erasures/{organization_id}/now", dependencies=[requires(Permission.OPERATOR_READ)])
async def tell_progress(request: Request, organization_id: str) -> Response:
    """Tell the page's script when to show the receipt."""
    progress = await services(request).erasure.progress(organization_id)
    return JSONResponse({"reload": progress.receipt is not None})


async def _ask(
    request: Request, organization_id: str, *, typed: str | None = None, status_code: int = 200
) -> Response:
    return render_operator(
        request,
        "console/operator_erase.html",
        section="customers",
        status_code=status_code,
        customer=await services(request).organizations.get(organization_id),
        typed=typed,
    )
