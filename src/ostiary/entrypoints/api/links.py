"""Approval links for IT administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import AwareDatetime, ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import AnswerShape, Line, ObjectId, PageShape, RequestShape
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/organizations/{organization_id}/admin-consent-links", tag="approval links")

_LINK: dict[str, Any] = {
    "id": "lnk_6r1d4fh7zq4m1c9x2t8v5w0y3k",
    "reference": "LK-9D1M-7VHE",
    "asked_by_name": "Dana Okafor",
    "expected_tenant_id": "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
    "sent_to": "priya.nair@harbourvale.example",
    "created_at": "2026-11-24T12:00:00Z",
    "expires_at": "2026-11-27T12:00:00Z",
}


class NewLink(RequestShape):
    """Whom to invite."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {
                    "asked_by_name": "Dana Okafor",
                    "expected_tenant_id": "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918",
                    "sent_to": "priya.nair@harbourvale.example",
                }
            ]
        },
    )

    asked_by_name: Annotated[Line, Field(min_length=1, max_length=200, description="The page says who asks.")]
    expected_tenant_id: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
            description="Only an administrator of this tenant can use the link.",
        ),
    ] = None
    sent_to: Annotated[
        Line | None,
        Field(max_length=320, description="Where you send it; for the record, we send nothing."),
    ] = None


class LinkShape(AnswerShape):
    """A link that still works. Its address was shown once, when it was made."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_extra={"examples": [_LINK]})

    id: str
    reference: str
    asked_by_name: str
    expected_tenant_id: str | None
    sent_to: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime


class NewLinkShape(LinkShape):
    """A link just made."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {**_LINK, "url": "https://connect.larkspur.example/admin-consent/l/…"},
            ]
        },
    )

    url: Annotated[str, Field(description="Holds a secret: give it only to the administrator it is for.")]


@router.post(
    "",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=201,
    response_model=NewLinkShape,
    responses=CHANGING,
    summary="Make an approval link",
    operation_id="create_admin_consent_link",
)
async def create_link(
    request: Request, organization_id: ObjectId, new: NewLink, key: IdempotencyKey = None
) -> Response:
    """Make a link for the customer's IT administrator; it lasts three days and works for one approval."""

    async def act() -> Outcome:
        issued = await services(request).consent.links.create(
            organization_id=organization_id, **new.model_dump(), actor=actor(request)
        )
        known = LinkShape.model_validate(issued.link)
        return Outcome(201, NewLinkShape(**known.model_dump(), url=issued.url.reveal()))

    return await once(request, key, new, act)


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List approval links",
    operation_id="list_admin_consent_links",
)
async def list_links(request: Request, organization_id: ObjectId) -> PageShape[LinkShape]:
    """Links that still work, newest first; never more than one page."""
    await services(request).organizations.get(organization_id)
    links = await services(request).consent.links.live(organization_id)
    return PageShape(items=[LinkShape.model_validate(link) for link in links])


@router.delete(
    "/{link_id}",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=204,
    responses=CHANGING,
    summary="Withdraw an approval link",
    operation_id="withdraw_admin_consent_link",
)
async def withdraw_link(request: Request, organization_id: ObjectId, link_id: ObjectId) -> None:
    """End a link before its time. Doing it twice is harmless."""
    await services(request).consent.links.withdraw(
        link_id, organization_id=organization_id, actor=actor(request)
    )
