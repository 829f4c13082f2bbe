"""People of a customer, and who holds a licence."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import AwareDatetime, ConfigDict, Field, StrictBool

from ostiary.core.access.model import Permission
from ostiary.core.kernel.errors import Conflict
from ostiary.core.organizations.model import MemberRole
from ostiary.entrypoints.api.idempotency import IdempotencyKey, Outcome, once
from ostiary.entrypoints.api.problems import CHANGING, READING
from ostiary.entrypoints.api.shapes import (
    AnswerShape,
    Line,
    ListQuery,
    ObjectId,
    PageShape,
    RequestShape,
    page_shape,
)
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import actor, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/organizations/{organization_id}/members", tag="members")

_EXAMPLE: dict[str, Any] = {
    "external_id": "u-1042",
    "email": "tom.ellis@harbourvale.example",
    "display_name": "Tom Ellis",
    "role": "member",
    "licensed": True,
}


class NewMember(RequestShape):
    """A person as you know them."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [_EXAMPLE]},
    )

    external_id: Annotated[
        str,
        Field(
            min_length=1, max_length=128, description="Your own id for the person; unique in the customer."
        ),
    ]
    email: Annotated[
        Line, Field(min_length=3, max_length=320, description="A hint for the sign-in, never a key.")
    ]
    display_name: Annotated[Line, Field(min_length=1, max_length=200)]
    role: MemberRole = MemberRole.MEMBER
    licensed: StrictBool = False


class LicenceChange(RequestShape):
    """Who gets or loses a licence."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"licensed": True}]},
    )

    licensed: StrictBool


class PutMember(RequestShape):
    """A person as you know them. Role and licence stay as they are when left out."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    external_id: Annotated[
        str,
        Field(
            min_length=1, max_length=128, description="Your own id for the person; unique in the customer."
        ),
    ]
    email: Annotated[Line, Field(min_length=3, max_length=320)]
    display_name: Annotated[Line, Field(min_length=1, max_length=200)]
    role: MemberRole | None = None
    licensed: StrictBool | None = None


class MemberChange(RequestShape):
    """What to change of a person; what is left out stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"email": "tom.ellis-moss@harbourvale.example", "licensed": True}]},
    )

    email: Annotated[Line | None, Field(min_length=3, max_length=320)] = None
    display_name: Annotated[Line | None, Field(min_length=1, max_length=200)] = None
    role: MemberRole | None = None
    licensed: StrictBool | None = None


class MemberShape(AnswerShape):
    """A person of a customer."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "mem_1c9x2t8v5w0y3k6r1d4fh7zq4m",
                    "organization_id": "org_7zq4m1c9x2t8v5w0y3k6r1d4fh",
                    **_EXAMPLE,
                    "tenant_id": None,
                    "object_id": None,
                    "created_at": "2026-11-24T12:00:00Z",
                }
            ]
        },
    )

    id: str
    organization_id: str
    external_id: str
    email: str
    display_name: str
    role: MemberRole
    licensed: bool
    tenant_id: Annotated[str | None, Field(description="Microsoft tenant, once a sign-in proved it.")]
    object_id: Annotated[str | None, Field(description="Microsoft object id, once a sign-in proved it.")]
    created_at: AwareDatetime


class MemberQuery(ListQuery):
    """Which people."""

    search: Annotated[
        Line | None, Field(min_length=1, max_length=200, description="Part of the name or address.")
    ] = None
    licensed: Annotated[bool | None, Field(description="Only people with, or without, a licence.")] = None


@router.post(
    "",
    dependencies=[requires(Permission.API_MANAGE)],
    status_code=201,
    response_model=MemberShape,
    responses={**CHANGING, 200: {"model": MemberShape, "description": "They were there already."}},
    summary="Add a person",
    operation_id="create_member",
)
async def create_member(
    request: Request, organization_id: ObjectId, new: NewMember, key: IdempotencyKey = None
) -> Response:
    """Add a person. One with the same `external_id` and address is returned as they are."""

    async def act() -> Outcome:
        member, is_new = await services(request).organizations.add_member(
            organization_id=organization_id, **new.model_dump(), actor=actor(request)
        )
        if not is_new and member.email != new.email:
            raise Conflict(f"{new.external_id} is the id of another person already.")
        return Outcome(201 if is_new else 200, MemberShape.model_validate(member))

    return await once(request, key, new, act)


@router.put(
    "",
    dependencies=[requires(Permission.API_MANAGE)],
    response_model=MemberShape,
    responses={**CHANGING, 201: {"model": MemberShape, "description": "They are new."}},
    summary="Add or change a person",
    operation_id="put_member",
)
async def put_member(request: Request, organization_id: ObjectId, person: PutMember) -> Response:
    """Make the person with this `external_id` be like this, new or not. Sent twice it changes nothing more."""
    member, is_new = await services(request).member_changes.put(
        organization_id=organization_id, **person.model_dump(), actor=actor(request)
    )
    shape = MemberShape.model_validate(member)
    return Response(shape.model_dump_json(), 201 if is_new else 200, media_type="application/json")


@router.get(
    "",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="List people",
    operation_id="list_members",
)
async def list_members(
    request: Request, organization_id: ObjectId, query: Annotated[MemberQuery, Query()]
) -> PageShape[MemberShape]:
    """People of a customer by name."""
    organizations = services(request).organizations
    await organizations.get(organization_id)
    page = await organizations.list_members(
        organization_id=organization_id,
        search=query.search,
        licensed=query.licensed,
        cursor=query.cursor,
        limit=query.limit,
    )
    return page_shape(page, MemberShape.model_validate)


@router.get(
    "/{member_id}",
    dependencies=[requires(Permission.API_READ)],
    responses=READING,
    summary="Read a person",
    operation_id="get_member",
)
async def get_member(request: Request, organization_id: ObjectId, member_id: ObjectId) -> MemberShape:
    """One person."""
    member = await services(request).organizations.get_member(member_id, organization_id=organization_id)
    return MemberShape.model_validate(member)


@router.patch(
    "/{member_id}",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Change a person",
    operation_id="change_member",
)
async def change_member(
    request: Request, organization_id: ObjectId, member_id: ObjectId, change: MemberChange
) -> MemberShape:
    """Change name, address, role or licence: all that is given, or nothing."""
    member = await services(request).member_changes.change(
        member_id, organization_id=organization_id, **change.model_dump(), actor=actor(request)
    )
    return MemberShape.model_validate(member)


@router.put(
    "/{member_id}/licence",
    dependencies=[requires(Permission.API_MANAGE)],
    responses=CHANGING,
    summary="Give or take a licence",
    operation_id="set_licence",
)
async def set_licence(
    request: Request, organization_id: ObjectId, member_id: ObjectId, change: LicenceChange
) -> MemberShape:
    """Give or take a licence. Without one a person cannot connect, and a connected mailbox is paused."""
    organizations = services(request).organizations
    set_all = organizations.give_licences if change.licensed else organizations.take_licences
    await set_all([member_id], organization_id=organization_id, actor=actor(request))
    member = await organizations.get_member(member_id, organization_id=organization_id)
    return MemberShape.model_validate(member)
